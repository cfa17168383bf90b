"""How much of a plan's profit to bid: learned from how earlier bids came out. Pure, and without chance.

A bid is a share of what is earned. Whoever won with a share would have won with any higher one; whoever lost
would have lost with any lower one; and what the winner paid is on the chain, which tells of every share at
once. So each auction bears witness for many *rungs*, the shares that may be bid. Older witness counts less,
and much less once a rung that was trusted loses: rivals change their rules. A rung of which little is known
is thought to win: so lower ones are tried again from time to time, the more there is to gain the sooner.
What is bid is the rung that keeps the most.

The whole state follows from the auctions in their order: whoever reads them from the journal again knows as
much as before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from keeper.domain.errors import Invariant
from keeper.domain.fixed_point import BPS

_ONE = 10**6
"""The weight of one auction that was just seen."""
_FADING = 980_000
"""What is left of a weight after one auction more, in millionths."""
_SURPRISED = 800_000
"""The same after a loss of a rung that was thought to win."""
_TRUST = 750_000
"""From which chance on a rung is thought to win."""
_HOPE = 500_000
"""The weight of the belief that an unknown rung wins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The shares that may be bid, in bps of the profit: from `least_bps` to `most_bps`, in steps."""

    least_bps: int
    most_bps: int
    step_bps: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.least_bps <= self.most_bps < BPS or self.step_bps <= 0:
            raise Invariant(f"no bids are possible between {self.least_bps} and {self.most_bps} bps")

    @property
    def rungs_bps(self) -> tuple[int, ...]:
        """Return every share that may be bid, the lowest first; the highest is always one of them."""
        steps = range(self.least_bps, self.most_bps, self.step_bps)
        return (*steps, self.most_bps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Auction:
    """How one bid came out."""

    bid_bps: int
    won: bool
    winner_bps: int | None = None
    """What the winner paid where we lost, as a share of the same profit; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidding:
    """What is believed of each rung: how often it was witnessed, and how often it won, in weights."""

    bounds: Bounds
    seen: tuple[int, ...]
    won: tuple[int, ...]

    @classmethod
    def anew(cls, bounds: Bounds) -> Bidding:
        """Return the beliefs of who has seen nothing: the lowest share is tried first."""
        nothing = (0,) * len(bounds.rungs_bps)
        return cls(bounds=bounds, seen=nothing, won=nothing)

    @classmethod
    def after(cls, bounds: Bounds, auctions: Iterable[Auction]) -> Bidding:
        """Return the beliefs after these auctions, oldest first."""
        bidding = cls.anew(bounds)
        for auction in auctions:
            bidding = bidding.learned(auction)
        return bidding

    def bid_bps(self) -> int:
        """Return the share to bid: the one that keeps the most, the higher one where two keep the same."""
        _, bid_bps = max(
            ((BPS - rung_bps) * self._chance(place), rung_bps)
            for place, rung_bps in enumerate(self.bounds.rungs_bps)
        )
        return bid_bps

    def learned(self, auction: Auction) -> Bidding:
        """Return the beliefs after one auction more."""
        rungs = self.bounds.rungs_bps
        own = max((place for place, rung in enumerate(rungs) if rung <= auction.bid_bps), default=0)
        left = _SURPRISED if not auction.won and self._chance(own) >= _TRUST else _FADING
        seen = [weight * left // _ONE for weight in self.seen]
        won = [weight * left // _ONE for weight in self.won]
        for place, rung_bps in enumerate(rungs):
            wins = _would_win(rung_bps, auction)
            if wins is not None:
                seen[place] += _ONE
                won[place] += _ONE * wins
        return replace(self, seen=tuple(seen), won=tuple(won))

    def _chance(self, place: int) -> int:
        """Return how likely a rung is thought to win, in millionths."""
        return (self.won[place] + _HOPE) * _ONE // (self.seen[place] + _HOPE)


def _would_win(rung_bps: int, auction: Auction) -> bool | None:
    """Return how that rung would have come out; None where the auction does not tell."""
    if auction.won:
        return True if rung_bps >= auction.bid_bps else None
    if auction.winner_bps is not None:
        return rung_bps > auction.winner_bps
    return False if rung_bps <= auction.bid_bps else None
