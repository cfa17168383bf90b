"""The ledger's values: what was sent and came of it, what was watched meanwhile. Exact, in wei."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

from keeper.domain.address import Address, Hash32
from keeper.domain.carriage import Carry
from keeper.domain.plan import Waterfall
from keeper.domain.position import PositionId
from keeper.domain.submission import Included, Outcome, Reverted


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A profit and what it is made of: bonus − price impact − flash fee − bid − gas − L1 fee = net."""

    bonus_wei: int = 0
    price_impact_wei: int = 0
    flash_fee_wei: int = 0
    bid_wei: int = 0
    """Paid to the block's builder out of the profit. A priority fee is part of the gas."""
    gas_wei: int = 0
    l1_fee_wei: int = 0

    @property
    def net_wei(self) -> int:
        """Return what is left."""
        costs_wei = self.price_impact_wei + self.flash_fee_wei + self.bid_wei + self.gas_wei + self.l1_fee_wei
        return self.bonus_wei - costs_wei

    def __add__(self, other: Split) -> Split:
        return Split(
            bonus_wei=self.bonus_wei + other.bonus_wei,
            price_impact_wei=self.price_impact_wei + other.price_impact_wei,
            flash_fee_wei=self.flash_fee_wei + other.flash_fee_wei,
            bid_wei=self.bid_wei + other.bid_wei,
            gas_wei=self.gas_wei + other.gas_wei,
            l1_fee_wei=self.l1_fee_wei + other.l1_fee_wei,
        )

    def shared(self, shares: Sequence[Waterfall]) -> tuple[Split, ...]:
        """Return it in parts that add up to it: each has of everything what its share has of that.

        Of the bid it is the share of the profit before it. Gas and L1 fee are borne equally.
        """
        if not shares:
            return ()
        profits_wei = [one.vault_wei + one.tip_wei for one in shares]
        equally = [1] * len(shares)
        columns = (
            _parted(self.bonus_wei, [one.bonus_wei for one in shares]),
            _parted(self.price_impact_wei, [one.price_impact_wei for one in shares]),
            _parted(self.flash_fee_wei, [one.flash_fee_wei for one in shares]),
            _parted(self.bid_wei, profits_wei),
            _parted(self.gas_wei, equally),
            _parted(self.l1_fee_wei, equally),
        )
        return tuple(
            Split(
                bonus_wei=bonus,
                price_impact_wei=price_impact,
                flash_fee_wei=flash_fee,
                bid_wei=bid,
                gas_wei=gas,
                l1_fee_wei=l1_fee,
            )
            for bonus, price_impact, flash_fee, bid, gas, l1_fee in zip(*columns, strict=True)
        )

    @classmethod
    def predicted(cls, waterfall: Waterfall) -> Self:
        """Return a plan's waterfall, its L1 fee within the gas."""
        return cls(
            bonus_wei=waterfall.bonus_wei,
            price_impact_wei=waterfall.price_impact_wei,
            flash_fee_wei=waterfall.flash_fee_wei,
            bid_wei=waterfall.tip_wei,
            gas_wei=waterfall.gas_wei,
        )

    @classmethod
    def realised(cls, outcome: Outcome, plan: Waterfall | None) -> Self:
        """Return what the chain did. Vault profit, bid, gas and L1 fee are measured.

        Bonus and flash fee are valued as the plan valued them, at the pools' prices before the sale; what
        then arrived less, or more, is price impact. Without the plan all that arrived is bonus.
        """
        match outcome:
            case Included():
                bonus_wei = plan.bonus_wei if plan else outcome.vault_profit_wei + outcome.tip_wei
                flash_fee_wei = plan.flash_fee_wei if plan else 0
                return cls(
                    bonus_wei=bonus_wei,
                    price_impact_wei=bonus_wei - flash_fee_wei - outcome.tip_wei - outcome.vault_profit_wei,
                    flash_fee_wei=flash_fee_wei,
                    bid_wei=outcome.tip_wei,
                    gas_wei=outcome.gas_wei,
                    l1_fee_wei=outcome.l1_fee_wei,
                )
            case Reverted():
                return cls(gas_wei=outcome.gas_wei, l1_fee_wei=outcome.l1_fee_wei)
            case _:
                return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one position has in a transaction: all of it, where that was to close no other."""

    position: PositionId
    predicted: Split
    realised: Split
    became: str
    """The outcome's name, or *open*; *left out* where it failed alone, and the others landed."""

    @property
    def protocol(self) -> str:
        """Return the protocol's name."""
        return self.position.market.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction that was intended, and its outcome where it has one."""

    at_s: int
    market: str
    borrower: Address
    transaction: Hash32
    predicted_wei: int
    plan: Waterfall | None
    """None where the keeper ended before it was written down."""
    outcome: Outcome | None
    others: tuple[PositionId, ...] = ()
    """Whom else it was to close."""
    carry: Carry | None = None
    """What it was to have the vault pay and keep: that is in no profit."""
    shares: tuple[Waterfall, ...] = ()
    """What each of several positions was to bring to the plan, in their order; none where it is not known."""

    @property
    def positions(self) -> tuple[PositionId, ...]:
        """Return every position that it was to close."""
        return (PositionId(self.market, self.borrower), *self.others)

    @property
    def protocol(self) -> str:
        """Return the protocol's name."""
        return self.market.partition(":")[0]

    @property
    def predicted(self) -> Split:
        """Return what it was expected to bring; where nothing is known but the net, that is called bonus."""
        return Split.predicted(self.plan) if self.plan else Split(bonus_wei=self.predicted_wei)

    @property
    def carried(self) -> Carry | None:
        """Return what the vault paid and keeps, as it said itself; None where it is nothing."""
        if self.carry is None or not isinstance(self.outcome, Included):
            return None
        told = next(
            (one for one in self.outcome.carried if one.carried == self.carry.received.token.address), None
        )
        return None if told is None else self.carry.at(paid_raw=told.paid_raw, received_raw=told.received_raw)

    @property
    def realised(self) -> Split:
        """Return what it brought."""
        if self.outcome is None:
            return Split()
        ran = self._ran
        plan = self.plan if len(ran) == len(self.shares) else sum(ran[1:], start=ran[0])
        return Split.realised(self.outcome, plan)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return what each position has in it, in their order; all is the first's where that is not known.

        Bonus and flash fee are each one's own as planned; the rest of what was measured is shared after them.
        """
        became = "open" if self.outcome is None else type(self.outcome).__name__.lower()
        if not self.shares:
            shares = [(self.positions[0], self.predicted)]
        else:
            shares = list(zip(self.positions, self.predicted.shared(self.shares), strict=True))
        realised = iter(self.realised.shared(self._ran) or [self.realised])
        return tuple(
            Part(
                position=position,
                predicted=predicted,
                realised=Split() if position in self._left_out else next(realised),
                became="left out" if position in self._left_out else became,
            )
            for position, predicted in shares
        )

    @property
    def _ran(self) -> tuple[Waterfall, ...]:
        """Return the shares of those that were not left out."""
        both = zip(self.positions, self.shares, strict=False)
        return tuple(share for position, share in both if position not in self._left_out)

    @property
    def _left_out(self) -> tuple[PositionId, ...]:
        """Return who was left out, where not all were."""
        out = self.outcome.left_out if self.shares and isinstance(self.outcome, Included) else ()
        return out if len(out) < len(self.positions) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How much was watched within a while, and what was made of it."""

    at_s: int
    """When it began."""
    heads: int = 0
    first_head: int = 0
    last_head: int = 0
    borrowers: int = 0
    """Positions with debt, at the last head."""
    most_unhealthy: int = 0
    """At any one head."""
    nearly: int = 0
    """Below health 1.02, at the last head: counted in floats, so there may be one too many."""
    planned: int = 0
    declined: int = 0
    """Positions, at each head anew."""
    sent: int = 0
    overtaken: int = 0
    degraded: int = 0


def _parted(whole: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Return a sum in parts as large as their weights are, but for rounding; equal ones where all weigh 0."""
    if not (all_of_them := sum(weights)):
        weights, all_of_them = [1] * len(weights), len(weights)
    ends = [whole * upto // all_of_them for upto in accumulate(weights)]
    return tuple(end - start for start, end in zip([0, *ends], ends, strict=False))


def total(splits: Iterable[Split]) -> Split:
    """Return the sum."""
    return sum(splits, start=Split())
