"""A block of borrowers whose collateral the vault may pay for and keep, and what is proposed of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

from keeper.domain.address import Address
from keeper.domain.carriage import Carriage
from keeper.domain.declined import Declined, Reason
from keeper.domain.observation import Observation
from keeper.domain.plan import Draft
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.flash.vault import VaultCarry
from keeper.planner.drafting import Drafted
from keeper.planner.planner import Planner
from keeper.planner.proposal import Chosen, Proposal
from tests.unit.planner.crowd import GAS_USED, crowd

VAULT = Address(b"\x0e" * 20)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block of borrowers whose collateral may be carried, and what was proposed of them."""

    planner: Planner
    seen: Observation
    proposals: tuple[Proposal, ...]

    def carried(self, at: int = 0) -> Drafted:
        """Return a borrower's draft that carries something."""
        (found,) = [one for one in self.proposals[at].drafts if one.draft.carry is not None]
        return found

    def choose(self, *, earns: bool, busy: frozenset[Address] = frozenset()) -> tuple[Chosen, ...]:
        """Return what is chosen, where what would earn at once simulates well, or fails."""
        failed = Declined(reason=Reason.SIMULATION, detail="it reverts")
        gas_used: dict[Draft, int | Declined] = {
            one.draft: GAS_USED if earns or one.draft.carry else failed
            for proposal in self.proposals
            for one in proposal.drafts
        }
        return self.planner.choose(self.seen, self.proposals, gas_used, busy_pools=busy)


def block(*, borrowers: int = 1) -> Block:
    plain = crowd(1, borrowers=borrowers, falling=True, depth=(8.5, 9))
    tokens = {
        one.address
        for each in plain.seen.opportunities
        for terms in each.terms
        for one in (terms.collateral, terms.debt)
    }
    desk, options = plain.planner.desk, plain.planner.options
    carrier = VaultCarry(vault=VAULT, executor=desk.executor, tokens=tuple(sorted(tokens)))
    planner = replace(
        plain.planner,
        desk=replace(desk, carrier=carrier),
        options=replace(
            options, tokens=TokenRules(named=frozenset((one, TokenClass.CARRY) for one in tokens))
        ),
    )
    seen = replace(
        plain.seen,
        carriages=tuple(
            Carriage(
                spent=spent, carried=kept, left_raw=2**100, stock_raw=2**100, least_wad=1, by_oracle=False
            )
            for spent, kept in permutations(sorted(tokens), 2)
        ),
    )
    return Block(planner=planner, seen=seen, proposals=planner.propose(seen, seen.opportunities))
