"""What becomes of drafts in the next block: each by itself, and one after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Broken
from keeper.domain.observation import Observation
from keeper.domain.plan import Draft
from keeper.domain.state import Mined, StateRef
from keeper.domain.token import Token
from keeper.erc20 import balance_of
from keeper.planner.agreement import disagreement
from keeper.planner.drafting import Drafted
from keeper.planner.hazards import probes
from keeper.ports import Foresight, Journal, World
from keeper.query import Simulated, SimulatedCall, run, settle, simulate
from keeper.reverts import explained


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What drafts are simulated upon."""

    at: StateRef
    ahead: tuple[SimulatedCall, ...]
    """What runs before them, in the same block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulations:
    """What became of each draft by itself, and of some after one another."""

    alone: Mapping[Draft, Simulated]
    in_order: Mapping[tuple[Draft, ...], tuple[Simulated, ...]]

    def of(self, drafts: Iterable[Draft]) -> dict[Draft, Simulated]:
        """Return what became of these by themselves, as far as that is known."""
        return {draft: self.alone[draft] for draft in drafts if draft in self.alone}

    def gas_used(self, drafts: Iterable[Draft]) -> dict[Draft, int | Declined]:
        """Return what these used by themselves, or why their simulation counts for nothing."""
        return {draft: _gas(simulated) for draft, simulated in self.of(drafts).items()}

    def known(self, drafted: Iterable[Drafted]) -> list[tuple[Drafted, Simulated]]:
        """Return each of these with what became of it by itself, as far as that is known."""
        return [(one, self.alone[one.draft]) for one in drafted if one.draft in self.alone]


_NOTHING = Simulations(alone={}, in_order={})


class Simulator:
    """Asks the world what becomes of drafts; what is predicted of each is in the journal before."""

    def __init__(
        self, *, world: World, journal: Journal | None, operator: Address, preamble: Sequence[SimulatedCall]
    ) -> None:
        """`preamble` comes before each simulation: it deploys an executor where there is none yet."""
        self._world = world
        self._journal = journal
        self._operator = operator
        self._preamble = tuple(preamble)
        self._hazard: dict[Token, Declined | None] = {}

    def basis(self, seen: Observation, behind: Foresight | None) -> Basis:
        """Return what is simulated upon: the head, or what is foreseen upon it."""
        if behind is None:
            return Basis(at=Mined(hash=seen.head.hash), ahead=self._preamble)
        return Basis(at=behind.at, ahead=(*behind.ahead, *self._preamble))

    async def all(
        self,
        seen: Observation,
        proposed: Sequence[Draft],
        in_order: Sequence[Draft],
        basis: Basis,
        *,
        beside: Sequence[Draft] = (),
    ) -> Simulations:
        """Return what becomes of each proposed draft by itself, and of some in order, in one round trip.

        So of what may be sent `beside` those in order, or in their place, by itself.
        """
        single = [*proposed, *beside]
        self._predict(seen, list(dict.fromkeys((*single, *in_order))))
        ahead = basis.ahead
        queries = [simulate((*ahead, *self._calls(draft)), seen.block) for draft in single]
        if len(in_order) > 1 or not set(in_order) <= set(proposed):
            calls = [call for draft in in_order for call in self._calls(draft)]
            queries.append(simulate((*ahead, *calls), seen.block))
        results = await run(settle(queries), basis.at, self._world)
        own = [result[len(ahead) :] if isinstance(result, tuple) else None for result in results]
        alone = {
            draft: _told([draft], result)[0] for draft, result in zip(single, own, strict=False) if result
        }
        ordered: dict[tuple[Draft, ...], tuple[Simulated, ...]] = {
            (draft,): (result,) for draft, result in alone.items()
        }
        if len(own) > len(single) and own[-1] is not None:
            ordered[tuple(in_order)] = _told(in_order, own[-1])
        return Simulations(alone=alone, in_order=ordered)

    async def in_order(
        self, seen: Observation, drafts: Sequence[Draft], basis: Basis, *, known: Simulations = _NOTHING
    ) -> tuple[Simulated, ...]:
        """Return what becomes of each draft after those before it; asks only what is not `known`."""
        if not drafts:
            return ()
        if (found := known.in_order.get(tuple(drafts))) is not None:
            return found
        self._predict(seen, [draft for draft in drafts if draft not in known.alone])
        calls = (*basis.ahead, *(call for draft in drafts for call in self._calls(draft)))
        result = await run(simulate(calls, seen.block), basis.at, self._world)
        return _told(drafts, result[len(basis.ahead) :])

    async def hazards(
        self, seen: Observation, simulated: Mapping[Draft, Simulated]
    ) -> Mapping[Draft, Declined]:
        """Return which drafts failed, or earned something else, by a token that keeps a part of transfers.

        Each token is tried once: what is known of it costs no further request.
        """
        suspects = {
            draft: tuple(probes(draft)) for draft, result in simulated.items() if disagreement(draft, result)
        }
        unknown = {probe.token: probe for tried in suspects.values() for probe in tried}
        unknown = {token: probe for token, probe in unknown.items() if token not in self._hazard}
        if unknown:
            queries = [simulate(probe.calls, seen.block) for probe in unknown.values()]
            results = await run(settle(queries), Mined(hash=seen.head.hash), self._world)
            for probe, result in zip(unknown.values(), results, strict=True):
                if not isinstance(result, Broken):
                    self._hazard[probe.token] = probe.verdict(result)
        found = {
            draft: next(filter(None, (self._hazard.get(probe.token) for probe in tried)), None)
            for draft, tried in suspects.items()
        }
        return {draft: why for draft, why in found.items() if why is not None}

    def _predict(self, seen: Observation, drafts: Sequence[Draft]) -> None:
        """Journal what is predicted, before a simulation has spoken."""
        if self._journal is not None and drafts:
            self._journal.predicted(seen.head, drafts)

    def _calls(self, draft: Draft) -> tuple[SimulatedCall, ...]:
        """Return what simulates a draft: where it carries something, between looks at the vault's balance."""
        sent = SimulatedCall(self._operator, draft.transaction.to, draft.transaction.data)
        if draft.carry is None:
            return (sent,)
        token, vault = draft.carry.received.token.address, draft.carry.vault
        held = SimulatedCall(self._operator, *balance_of(token, vault))
        return held, sent, held


def _told(drafts: Sequence[Draft], results: Sequence[Simulated]) -> tuple[Simulated, ...]:
    """Return what became of each draft: of one that carries something it returned how much the vault got."""
    told: list[Simulated] = []
    left = iter(results)
    for draft in drafts:
        if draft.carry is None:
            told.append(next(left))
            continue
        before, sent, after = next(left), next(left), next(left)
        if not (sent.reverted or before.reverted or after.reverted):
            came_raw = int.from_bytes(after.returned[:32]) - int.from_bytes(before.returned[:32])
            sent = sent._replace(returned=max(came_raw, 0).to_bytes(32, "big"))
        told.append(sent)
    return tuple(told)


def _gas(simulated: Simulated) -> int | Declined:
    """Return what a draft used by itself, or why its simulation counts for nothing."""
    if simulated.reverted:
        return Declined(reason=Reason.SIMULATION, detail=explained(simulated.returned))
    return simulated.gas_used
