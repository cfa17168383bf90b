"""What the demo found, and what it promises. Values only: the page draws them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keeper.devnet.attacks import AttackResult
from keeper.domain.address import Address, Hash32
from keeper.domain.declined import Declined
from keeper.domain.depth import Hop
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId

LEAST_BORROWERS = 40
LEAST_LIQUIDATED = 10
ATTACKS = 3
MOST_GAS_OF_A_LOST_RACE = 60_000
_GAS_OVER_CALLDATA = 10_000
"""Over what its calldata alone costs, where that is long: routes are split, or closes go in a row."""
PROTOCOLS = ("aave-v3", "morpho", "morpho-pre")
AGREEMENT_BPS = 1
"""How far all that was realised may be from all that was predicted."""


def protocol_of(market: str) -> str:
    """Return which of the protocols a market, by its name, is of."""
    return market.partition(":")[0]


def _paid_for(plan: Plan) -> int:
    """Return the gas that a plan's calldata costs whatever it does (EIP-7623)."""
    data = plan.draft.transaction.data
    return 21_000 + 10 * (data.count(0) + 4 * (len(data) - data.count(0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the referee would have had of the same pair at the same moment, after gas. None: refused."""

    half_wei: int | None
    full_wei: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """One that the keeper landed."""

    block_number: int
    hash: Hash32
    plan: Plan
    predicted_wei: int
    """After gas, as it was journalled before it was sent."""
    arrived_wei: int
    """What the vault received, by the token's own events."""
    gas_wei: int
    comparison: Comparison

    @property
    def realised_wei(self) -> int:
        """Return what was earned, after gas."""
        return self.arrived_wei - self.gas_wei


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRace:
    """One that the rival had first; the keeper's transaction was undone."""

    block_number: int
    plan: Plan
    place: int
    """The keeper's place in the block, from 0."""
    gas_used: int
    gas_wei: int
    rival_place: int
    rival_priority_fee_wei: int
    """What the rival offered for each unit of gas."""
    rival_paid_wei: int
    """For all its gas."""
    rival_seized_raw: int
    """Of the collateral that the keeper wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A transaction of the keeper's that was undone for any other reason."""

    block_number: int
    hash: Hash32
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlooked:
    """A full close that would have paid, and that the keeper neither did nor declined for a stated limit."""

    block_number: int
    position: PositionId
    collateral: str
    debt: str
    net_wei: int
    why: Declined | None
    """What the keeper said, if anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadDebt:
    """A position that owes more than it has. In US dollars with eight decimals."""

    position: PositionId
    written_off_base: int
    """By the pool, when no collateral was left."""
    uncovered_base: int
    """What is still owed beyond the collateral, at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandwich:
    """An attack around a transaction of the keeper's, on a fork."""

    plan: Plan
    hops: tuple[Hop, ...]
    """The pools that were attacked, and the direction."""
    sold_raw: int
    """What the attacker sold before the keeper."""
    lost_raw: int
    """What the attacker has less of that token afterwards, gas aside; below zero where it gained."""
    succeeded: bool
    """Whether the keeper's transaction went through."""
    error: str
    """What it reverted with."""
    profit_wei: int | None
    """What would have reached the vault, where the floor stopped it."""
    taken_wei: int
    """What the vault has less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The keeper, killed when its transaction was out and the answer was not in."""

    block_number: int
    """The block that the transaction was meant for."""
    position: PositionId
    hash: Hash32
    back_after_s: float
    """From the kill to the decision upon the same head."""
    found: str | None
    """What the new run made of the transaction; None: it is out, and must not be sent again."""
    liquidations: int
    """Of that position in that block, by its market's own events: one is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """All of it."""

    seed: int
    borrowers: int
    steps: int
    blocks: int
    symbols: Mapping[Address, str]
    unhealthy: frozenset[PositionId]
    """Whatever was below health 1 before any of the keeper's blocks."""
    liquidations: tuple[Liquidation, ...]
    lost: tuple[LostRace, ...]
    failures: tuple[Failure, ...]
    declined: Mapping[PositionId, Declined]
    """Who was unhealthy and liquidated by nobody, with the keeper's last reason."""
    overlooked: tuple[Overlooked, ...]
    bad_debts: tuple[BadDebt, ...]
    sandwich: Sandwich | None
    attacks: tuple[AttackResult, ...]
    """With the operator's key, stolen, on a fork."""
    recovery: Recovery | None
    vault_wei: int
    """What the vault has more, by its balance."""
    claimed_wei: int
    """What the keeper itself says that it realised."""
    seconds: float

    @property
    def liquidated(self) -> frozenset[PositionId]:
        """Return what the keeper liquidated, at least in part."""
        return frozenset(one.plan.draft.position for one in self.liquidations)

    @property
    def liquidated_by_protocol(self) -> dict[str, int]:
        """Return how many of those there are of each protocol."""
        protocols = Counter(protocol_of(position.market) for position in self.liquidated)
        return {protocol: protocols[protocol] for protocol in PROTOCOLS}

    @property
    def predicted_wei(self) -> int:
        """Return what was predicted of those that were landed, after gas."""
        return sum(one.predicted_wei for one in self.liquidations)

    @property
    def realised_wei(self) -> int:
        """Return what the vault has more, after the gas of those that were landed."""
        return self.vault_wei - sum(one.gas_wei for one in self.liquidations)

    @property
    def taken_wei(self) -> int:
        """Return what all attacks together took."""
        return sum(attack.taken_wei for attack in self.attacks) + (
            self.sandwich.taken_wei if self.sandwich else 0
        )

    def numbers(self) -> dict[str, int | float | dict[str, int]]:
        """Return what ``--json`` prints."""
        return {
            "borrowers": self.borrowers,
            "unhealthy": len(self.unhealthy),
            "liquidated": len(self.liquidated),
            "lost_to_rival": len(self.lost),
            "declined": len(self.declined),
            "overlooked": len(self.overlooked),
            "reverted": len(self.failures),
            "taken_by_attacks_wei": self.taken_wei,
            "predicted_profit_wei": self.predicted_wei,
            "realised_profit_wei": self.realised_wei,
            "seconds": round(self.seconds, 1),
            "liquidated_by_protocol": self.liquidated_by_protocol,
        }

    def broken(self) -> Iterator[str]:
        """Yield each promise that does not hold, with the figures."""
        if self.borrowers < LEAST_BORROWERS:
            yield f"borrowers: {self.borrowers}, at least {LEAST_BORROWERS} were promised"
        if len(self.liquidated) < LEAST_LIQUIDATED:
            yield f"liquidated: {len(self.liquidated)}, at least {LEAST_LIQUIDATED} were promised"
        for protocol, count in self.liquidated_by_protocol.items():
            if not count:
                yield f"liquidated: none of {protocol}, where every protocol was promised"
        if not self.lost:
            yield "lost_to_rival: the rival won no race"
        for lost in self.lost:
            if lost.gas_used >= max(MOST_GAS_OF_A_LOST_RACE, _GAS_OVER_CALLDATA + _paid_for(lost.plan)):
                yield f"lost_to_rival: a lost race cost {lost.gas_used} gas"
        if self.overlooked:
            yield f"overlooked: {len(self.overlooked)}"
        if self.failures:
            yield f"reverted: {len(self.failures)}"
        if self.taken_wei:
            yield f"taken_by_attacks_wei: {self.taken_wei}"
        arrived_wei = sum(one.arrived_wei for one in self.liquidations)
        if arrived_wei != self.vault_wei:
            yield f"the vault has {self.vault_wei} wei more, but {arrived_wei} arrived"
        if self.claimed_wei != self.realised_wei:
            yield f"the keeper claims {self.claimed_wei} wei, the chain says {self.realised_wei}"
        if abs(self.realised_wei - self.predicted_wei) * BPS > AGREEMENT_BPS * abs(self.predicted_wei):
            yield f"realised {self.realised_wei} wei where {self.predicted_wei} were predicted"
        if not self.bad_debts:
            yield "no position ended in bad debt"
        yield from self._broken_by_drama()

    def _broken_by_drama(self) -> Iterator[str]:
        if self.sandwich is None:
            yield "no sandwich was tried"
        elif self.sandwich.error != "FloorNotMet":
            how = self.sandwich.error or "nothing: the transaction went through"
            yield f"the sandwich was not stopped by the floor but by {how}"
        if len(self.attacks) != ATTACKS:
            yield f"{len(self.attacks)} attacks were tried, {ATTACKS} were promised"
        for attack in self.attacks:
            if not attack.taken_from_allow_list_wei:
                yield f"{attack.name} took nothing from the allow-list either: it is no attack"
        if self.recovery is None:
            yield "the keeper was never killed"
        elif self.recovery.liquidations != 1:
            yield f"after the kill, {self.recovery.liquidations} liquidations of the same position"
