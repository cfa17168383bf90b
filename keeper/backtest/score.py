"""The score: every liquidation on chain in exactly one class, and what the keeper would have earned. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from keeper.backtest.footing import Footing, footings
from keeper.backtest.inclusion import Model
from keeper.backtest.landing import Flight
from keeper.backtest.ledger import Ending, Ledger
from keeper.backtest.observed import Observed
from keeper.backtest.past import Mined
from keeper.domain.address import Hash32
from keeper.domain.declined import Reason
from keeper.domain.fixed_point import BPS
from keeper.domain.submission import Included, Reverted

_UNTOLD = Mined(hash=b"", sender=bytes(20), tip_wei=0, gas_used=0, succeeded=True)
"""A winner of which a tape tells nothing."""
_UNLUCKY = 0.9
"""Of all latencies, how many are shorter than the one that the low figure supposes."""


class Class(StrEnum):
    """What would have become of a liquidation that somebody else really made."""

    CAUGHT = "caught"
    """The keeper's would have been in an earlier block."""
    SAME_BLOCK = "same_block"
    """In the same block, ahead of it."""
    LATE = "late"
    """In the same block behind it for want of time, or in a later one."""
    OUTBID = "outbid"
    DECLINED = "declined"
    """The keeper saw it and left it."""
    NOT_SEEN = "not_seen"
    """At no block's end before was the position below health 1: the trigger was in the same block."""
    UNKNOWN = "unknown"
    """What it was up against nobody can know: a bid that is not on chain, a head that was not read."""


WON = frozenset((Class.CAUGHT, Class.SAME_BLOCK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One liquidation on chain, and its class."""

    observed: Observed
    kind: Class
    detail: str
    winner: Mined
    """The transaction that really made it."""
    flight: Flight | None = None
    """The keeper's, where there was one."""
    late_by: int = 0
    """In blocks."""
    reason: Reason | None = None
    """Why it was declined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """Net profit in wei, after gas, after what failed, and after outbidding the winner that was observed.

    `central`: each liquidation won costs one wei a unit of gas more than its winner really offered.
    `high`: those won in an earlier block, where there was nobody to outbid yet, cost the planned fee.
    `low`: each costs all that the keeper may bid, and those count alone that would have been in time in nine
    of ten cases.
    """

    low_wei: int
    central_wei: int
    high_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one pass is worth."""

    verdicts: tuple[Verdict, ...]
    """One for each liquidation on chain, in the chain's order."""
    extra: tuple[Flight, ...]
    """Liquidations that only the keeper would have made: they are in no headline."""
    failed: tuple[Flight, ...]
    """Transactions that would have reverted."""
    repaid: int
    """How often a borrower got out alone."""
    recovered: int
    """How often prices came back."""
    headline: Headline
    footings: Mapping[Hash32, Footing]
    """Upon what each transaction that succeeded came to stand, by its hash."""

    def count(self, kind: Class) -> int:
        """Return how many liquidations are of a class."""
        return sum(one.kind is kind for one in self.verdicts)

    @property
    def won(self) -> tuple[Flight, ...]:
        """Return the transactions that won something, each once."""
        return _once(one.flight for one in self.verdicts if one.kind in WON)

    @property
    def reasons(self) -> Counter[Reason]:
        """Return how many were declined, by reason."""
        return Counter(one.reason for one in self.verdicts if one.reason is not None)


def score(ledger: Ledger, model: Model) -> Score:
    """Return the score of a pass."""
    verdicts = tuple(verdict(one, ledger) for one in ledger.observed)
    won = _once(one.flight for one in verdicts if one.kind in WON)
    succeeded = [one for one in ledger.flights if isinstance(one.outcome, Included)]
    failed = tuple(one for one in ledger.flights if isinstance(one.outcome, Reverted))
    endings = Counter(episode.ending for episode in ledger.episodes)
    return Score(
        verdicts=verdicts,
        extra=tuple(one for one in succeeded if one not in won),
        failed=failed,
        repaid=endings[Ending.REPAID],
        recovered=endings[Ending.RECOVERED],
        headline=_headline(verdicts, failed, ledger, model),
        footings=footings(ledger.flights),
    )


def verdict(one: Observed, ledger: Ledger) -> Verdict:
    """Return the class of one liquidation on chain."""
    number = one.block_number
    found = (mined for mined in ledger.mined.get(number, ()) if mined.hash == one.transaction)
    winner = next(found, _UNTOLD)

    def said(kind: Class, detail: str, **more: object) -> Verdict:
        return Verdict(observed=one, kind=kind, detail=detail, winner=winner, **more)  # type: ignore[arg-type]

    sighting = ledger.sighted(one.position, before=number)
    flight = _pursuit(one, ledger.flights, since=sighting.head_number if sighting else 0)
    if flight is not None:
        if flight.untold:
            return said(Class.UNKNOWN, flight.untold, flight=flight)
        block = flight.block.number if flight.block else None
        if block is None or block > number:
            late = (block or ledger.last.number + 1) - number
            return said(Class.LATE, f"by {late} block{'s' * (late > 1)}", flight=flight, late_by=late)
        if isinstance(flight.outcome, Included):
            if block < number:
                return said(Class.CAUGHT, f"{number - block} blocks before", flight=flight)
            return said(Class.SAME_BLOCK, "ahead of it", flight=flight)
        if block == number and flight.place is not None:
            if flight.place.unknown:
                return said(Class.UNKNOWN, "its bid is not on chain", flight=flight)
            if flight.place.outbid:
                return said(Class.OUTBID, f"it offered {winner.tip_wei / 1e9:.2f} gwei a gas", flight=flight)
        if block == number:  # it was there in time, and the block had moved the prices that it counted on
            return said(
                Class.LATE, "reverted in the same block: it was made for prices before", flight=flight
            )
    if sighting is not None and sighting.declined is not None:
        why = sighting.declined
        return said(Class.DECLINED, str(why), reason=why.reason)
    if number - 1 in ledger.unread:
        return said(Class.UNKNOWN, f"the head before was not read: {ledger.unread[number - 1]}")
    if flight is not None:
        return said(
            Class.DECLINED, "the keeper's reverted before it", flight=flight, reason=Reason.SIMULATION
        )
    return said(Class.NOT_SEEN, "at no block's end before was it below health 1")


def _pursuit(one: Observed, flights: Sequence[Flight], *, since: int) -> Flight | None:
    """Return the keeper's transaction that answers to this liquidation: a successful one before any other.

    One that came before the head `since`, after which the position was still below health 1, does not.
    """
    theirs = [
        flight
        for flight in flights
        if flight.position == one.position and flight.head.number < one.block_number
    ]
    landed = [flight for flight in theirs if flight.block and flight.block.number <= one.block_number]
    won = [
        flight
        for flight in landed
        if isinstance(flight.outcome, Included) and flight.outcome.block_number > since
    ]
    flying = [flight for flight in theirs if flight not in landed]
    return next(iter(reversed(won)), None) or next(iter(flying), None) or next(iter(reversed(landed)), None)


def _headline(
    verdicts: Sequence[Verdict], failed: Sequence[Flight], ledger: Ledger, model: Model
) -> Headline:
    """Return the headline. What several liquidations were closed by one transaction counts once."""
    lost_wei = sum(one.realised_wei for one in failed)
    low_wei = central_wei = high_wei = lost_wei
    counted: set[bytes] = set()
    unlucky_s = model.quantile_s(_UNLUCKY)
    for one in verdicts:
        flight = one.flight
        if one.kind not in WON or flight is None or flight.submission.hash in counted:
            continue
        counted.add(flight.submission.hash)
        most_wei = _most_wei(flight, model)
        earned_wei = flight.realised_wei
        high_wei += earned_wei - flight.bid_wei
        central_wei += earned_wei - outbidding_wei(one, model)
        if model.in_time(
            sent_at_s=flight.head.timestamp_s + unlucky_s,
            block_at_s=ledger.times_s[one.observed.block_number],
        ):
            low_wei += earned_wei - most_wei
    return Headline(low_wei=low_wei, central_wei=central_wei, high_wei=high_wei)


def outbidding_wei(one: Verdict, model: Model) -> int:
    """Return what outbidding the winner costs the keeper's transaction, above its planned fee.

    That is one wei a unit of gas more than the winner really offered, and never more than may be bid.
    """
    flight = one.flight
    assert flight is not None and flight.ran is not None
    least_wei = flight.plan.fees.max_priority_fee_per_gas_wei
    needed_wei = flight.ran.gas_used * max(one.winner.tip_wei + 1 - least_wei, 0)
    return min(needed_wei, _most_wei(flight, model))


def _most_wei(flight: Flight, model: Model) -> int:
    return max(flight.plan.waterfall.net_wei, 0) * model.bid_bps // BPS


def _once(flights: Iterable[Flight | None]) -> tuple[Flight, ...]:
    """Return each flight once, in order."""
    seen: dict[bytes, Flight] = {}
    for flight in flights:
        if flight is not None:
            seen.setdefault(flight.submission.hash, flight)
    return tuple(seen.values())
