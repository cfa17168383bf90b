"""A backtest in figures: what the command prints as one JSON line, and what a report begins with. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.backtest.inclusion import Model
from keeper.backtest.landing import Flight
from keeper.backtest.ledger import Ledger
from keeper.backtest.score import WON, Class, Headline, Score, Verdict, outbidding_wei
from keeper.domain.fixed_point import BPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures. `predicted` and `realised` are of what was won, after gas, before outbidding anybody."""

    first: int
    last: int
    blocks: int
    chain_liquidations: int
    caught: int
    same_block: int
    late: int
    outbid: int
    declined: int
    not_seen: int
    unknown: int
    extra: int
    failed: int
    repaid: int
    recovered: int
    predicted_profit_wei: int
    realised_profit_wei: int
    extra_profit_wei: int
    low_wei: int
    central_wei: int
    high_wei: int
    unanswered: int

    @property
    def won_share(self) -> float:
        """Return the share of the chain's liquidations that were won."""
        return (self.caught + self.same_block) / max(self.chain_liquidations, 1)


def summary(ledger: Ledger, score: Score) -> Summary:
    """Return the figures of one backtest."""
    headline: Headline = score.headline
    return Summary(
        first=ledger.first.number,
        last=ledger.last.number,
        blocks=ledger.blocks,
        chain_liquidations=len(score.verdicts),
        **{kind.value: score.count(kind) for kind in Class},
        extra=len(score.extra),
        failed=len(score.failed),
        repaid=score.repaid,
        recovered=score.recovered,
        predicted_profit_wei=sum(one.plan.waterfall.net_wei for one in score.won),
        realised_profit_wei=sum(one.realised_wei for one in score.won),
        extra_profit_wei=sum(one.realised_wei - one.bid_wei for one in score.extra),
        low_wei=headline.low_wei,
        central_wei=headline.central_wei,
        high_wei=headline.high_wei,
        unanswered=sum(ledger.unanswered.values()) + len(ledger.unread),
    )


# --- what another latency would have won --------------------------------------------------------------------

LATENCIES_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 18.0, 24.0, 36.0, 48.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyShare:
    """What share of the chain's liquidations a latency would have won."""

    latency_s: float
    caught: float
    same_block: float


def shares_by_latency(
    ledger: Ledger, score: Score, model: Model, latencies_s: Sequence[float] = LATENCIES_S
) -> tuple[LatencyShare, ...]:
    """Return the share won for each latency, every decision taking just that long.

    A first approximation: each liquidation for itself, with the decision that was made about it and nothing
    else changed by its coming earlier or later.
    """
    return tuple(_share(latency_s, ledger, score, model) for latency_s in latencies_s)


def _share(latency_s: float, ledger: Ledger, score: Score, model: Model) -> LatencyShare:
    caught = same = 0
    for one in score.verdicts:
        if one.flight is None:
            continue
        reached = _reached(one.flight, latency_s, ledger, model)
        if reached is None or reached > one.observed.block_number:
            continue
        if reached < one.observed.block_number:
            caught += 1
        elif _outbids(one, one.flight, model):
            same += 1
    of = max(len(score.verdicts), 1)
    return LatencyShare(latency_s=latency_s, caught=caught / of, same_block=same / of)


def _reached(flight: Flight, latency_s: float, ledger: Ledger, model: Model) -> int | None:
    """Return the first block that what was decided then reaches with this latency."""
    sent_at_s = flight.head.timestamp_s + latency_s
    number = flight.head.number + 1
    while number in ledger.times_s:
        if model.in_time(sent_at_s=sent_at_s, block_at_s=ledger.times_s[number]):
            return number
        number += 1
    return None


def _outbids(one: Verdict, flight: Flight, model: Model) -> bool:
    most_wei = model.most_tip_wei(
        profit_wei=flight.plan.waterfall.net_wei,
        gas_used=flight.plan.gas_used,
        least_tip_wei=flight.plan.fees.max_priority_fee_per_gas_wei,
    )
    return 0 < one.winner.tip_wei < most_wei


# --- profit over time ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """What one transaction changed, at its block."""

    block_number: int
    wei: int
    """After gas, and after outbidding the winner; less than nothing where it failed."""
    kind: str


def earned(score: Score, model: Model) -> tuple[Earned, ...]:
    """Return what was won and what was lost to gas, in the chain's order: together the central headline.

    What was extra is not in it.
    """
    by_hash: dict[bytes, Earned] = {}
    for one in score.verdicts:
        flight = one.flight
        if one.kind in WON and flight is not None and flight.submission.hash not in by_hash:
            wei = flight.realised_wei - outbidding_wei(one, model)
            by_hash[flight.submission.hash] = _earned(flight, wei, one.kind.value)
    failed = (_earned(flight, flight.realised_wei, "failed") for flight in score.failed)
    return tuple(sorted((*by_hash.values(), *failed), key=lambda one: one.block_number))


def _earned(flight: Flight, wei: int, kind: str) -> Earned:
    assert flight.block is not None
    return Earned(block_number=flight.block.number, wei=wei, kind=kind)


# --- misses -------------------------------------------------------------------------------------------------


def largest_misses(score: Score, *, most: int = 10) -> tuple[Verdict, ...]:
    """Return what was lost, the most profitable first by what the keeper had predicted of it."""
    lost = [one for one in score.verdicts if one.kind not in WON]
    return tuple(sorted(lost, key=lambda one: (-missed_wei(one), -one.winner.tip_wei))[:most])


def missed_wei(one: Verdict) -> int:
    """Return what the keeper had predicted for a liquidation that it lost; 0 where it had no plan for it."""
    return one.flight.plan.waterfall.net_wei if one.flight else 0


def advice(one: Verdict) -> str:
    """Return what would have changed a class, in words for whoever runs the keeper."""
    if one.kind is Class.OUTBID and one.flight is not None:
        return _outbidding(one, one.flight)
    advised: Mapping[Class, str] = {
        Class.LATE: (
            "be faster: the latency is what lost it"
            if one.late_by
            else "a larger KEEPER_FLOOR_TOLERANCE_BPS, or to be behind the oracle's transaction"
        ),
        Class.DECLINED: "look at the setting behind the reason",
        Class.NOT_SEEN: "be in the trigger's own block: behind the oracle's transaction",
        Class.UNKNOWN: "nothing that the chain tells",
    }
    return advised.get(one.kind, "")


def _outbidding(one: Verdict, flight: Flight) -> str:
    """Return what share of the predicted profit the winner's offer would have come to."""
    above_wei = one.winner.tip_wei + 1 - flight.plan.fees.max_priority_fee_per_gas_wei
    profit_wei = flight.plan.waterfall.net_wei
    needed_bps = -(-above_wei * flight.plan.gas_used * BPS // profit_wei) if profit_wei > 0 else BPS + 1
    if needed_bps > BPS:
        return "nothing: the winner offered more than there was to earn"
    return f"a bid of {needed_bps / 100:.1f} % of the profit"
