"""The log of `keeper run`: one line for each event, readable or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from typing import TypeAlias, assert_never

from keeper.domain.address import Address, Hash32
from keeper.domain.declined import Reason
from keeper.domain.events import (
    Audited,
    Braked,
    Concluded,
    Decided,
    Degraded,
    Event,
    Foreseen,
    Foretold,
    Left,
    Loading,
    Observed,
    Overtaken,
    Planned,
    Raced,
    Recovered,
    Released,
    Relinked,
    Reopened,
    Resumed,
    Sent,
    Started,
    Stopped,
)
from keeper.domain.observation import Mismatch, Rejoined, Skipped
from keeper.domain.pending import PriceMove
from keeper.domain.plan import Plan
from keeper.domain.race import Race
from keeper.domain.report import Trigger, Unpredicted
from keeper.domain.submission import (
    Expired,
    Included,
    Outcome,
    Purpose,
    Reverted,
    Submission,
    Superseded,
)
from keeper.render.as_json import as_json
from keeper.render.figures import (
    amount,
    borrowers,
    carried,
    gwei,
    health,
    native,
    percent,
    short,
    short_hash,
    short_market,
    waterfall,
)


class Severity(IntEnum):
    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


LineForm: TypeAlias = Callable[[Event, Severity, float], str]
"""How an event that happened at a Unix time becomes a line, without its end."""


_FALLEN_NAMED = 3
_LOADING_EVERY_S = 5.0
"""Between two lines about what is being read."""


class EventLog:
    """A listener that writes lines of at least one severity.

    A borrower who is left alone for the same reason at head after head is logged once, and how far the first
    reading is every few seconds; more often only where everything is.
    """

    def __init__(
        self, *, form: LineForm, least: Severity, write: Callable[[str], object], now: Callable[[], float]
    ) -> None:
        self._form = form
        self._least = least
        self._write = write
        self._now = now
        self._left: dict[tuple[str, Address], Reason] = {}
        self._loading_told_s = 0.0

    def __call__(self, event: Event, /) -> None:
        level = self._severity(event)
        if level >= self._least:
            self._write(self._form(event, level, self._now()) + "\n")

    def _severity(self, event: Event) -> Severity:
        match event:
            case Braked():
                return Severity.ERROR
            case Degraded() | Released() | Reopened():
                return Severity.WARNING
            case Concluded(outcome=Reverted()) | Recovered(outcome=Reverted()):
                return Severity.WARNING
            case Observed(skipped=skipped) if skipped:
                return Severity.WARNING
            case Resumed(why_not=why_not) if why_not:
                return Severity.WARNING
            case Relinked(how=how) if how.whole:
                return Severity.WARNING
            case Audited(mismatch=mismatch):
                return Severity.WARNING if mismatch.mended else Severity.ERROR
            case Decided() | Foretold() | Overtaken():
                return Severity.DEBUG
            case Loading(done=done, of=of):
                if done < of and self._now() - self._loading_told_s < _LOADING_EVERY_S:
                    return Severity.DEBUG
                self._loading_told_s = self._now()
                return Severity.INFO
            case Left(market=market, borrower=borrower, why=why):
                known = self._left.get((market, borrower))
                self._left[market, borrower] = why.reason
                return Severity.DEBUG if known is why.reason else Severity.INFO
            case _:
                return Severity.INFO


def json_line(event: Event, severity: Severity, at_s: float) -> str:
    """Return the event as one JSON object: when, how severe, its name, and all its fields."""
    fields = as_json(event)
    assert isinstance(fields, dict)
    head = {
        "at": _utc(at_s).isoformat(),
        "level": severity.name.lower(),
        "event": type(event).__name__.lower(),
    }
    return json.dumps({**head, **fields}, ensure_ascii=False)


def text_line(event: Event, severity: Severity, at_s: float) -> str:
    """Return the event as one line: when, what, and the figures."""
    name, told = _told(event)
    mark = "!" if severity >= Severity.WARNING else " "
    return f"{_utc(at_s):%Y-%m-%d %H:%M:%S} {mark} {name:<9} {' '.join(told.split())}"


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _told(event: Event) -> tuple[str, str]:
    """Return an event's word, and what there is to say."""
    match event:
        case Started():
            return "started", _started(event)
        case Recovered(submission=submission, outcome=None):
            return "recovered", f"{_submission(submission)} is still open"
        case Recovered(submission=submission, outcome=outcome) if outcome is not None:
            name, told = _outcome(submission, outcome)
            return "recovered", f"{name} {told}"
        case Observed(head=head, borrowers=borrowers, unhealthy=unhealthy, skipped=skipped):
            return "head", (
                f"{head.number:,}: {borrowers:,} borrowers, {unhealthy:,} unhealthy, "
                f"{event.milliseconds:,.0f} ms{_skipped(skipped)}"
            )
        case Loading():
            return "loading", f"{short_market(event.source)}: {_loading(event)}"
        case Resumed(source=source, why_not=why_not) if why_not:
            return "resumed", f"{short_market(source)}: nothing, all is read from the chain: {why_not}"
        case Resumed(source=source, positions=positions, head=at) if at is not None:
            return "resumed", f"{short_market(source)}: {positions:,} positions as of block {at.number:,}"
        case Resumed(source=source, positions=positions):
            return "resumed", f"{short_market(source)}: {positions:,} borrowers named, none of them read yet"
        case Relinked(head=head, how=how):
            return "relinked", f"{head.number:,}: {how.source}: {_rejoined(how)}"
        case Audited(head=head, mismatch=mismatch):
            return "audited", f"{head.number:,}: {_mismatch(mismatch)}"
        case Left(borrower=borrower, health_factor_wad=factor, why=why, behind=behind):
            return "declined", f"{short(borrower)} at {health(factor)}{_behind(behind)}: {why}"
        case Planned(plan=plan, behind=behind):
            return "plan", _plan(plan) + _behind(behind)
        case Sent(submission=submission) if submission.purpose is Purpose.CANCELLATION:
            return "sent", f"{_submission(submission)} for at most {native(-submission.predicted_profit_wei)}"
        case Sent(submission=submission):
            return "sent", (
                f"{_submission(submission)} with nonce {submission.nonce}, "
                f"predicted to net {native(submission.predicted_profit_wei)}"
            )
        case Concluded(submission=submission, outcome=outcome):
            return _outcome(submission, outcome)
        case Reopened(submission=submission, outcome=outcome):
            name, told = _outcome(submission, outcome)
            return "reopened", f"it stands no longer: {name} {told}"
        case Decided(head=head, sent=sent, milliseconds=milliseconds):
            return "decided", f"{head.number:,}: {sent} sent, {milliseconds:,.0f} ms after it came"
        case Foretold(head=head, triggers=triggers):
            return "foretold", f"{head.number:,}: {_nearest(triggers)}{_unknown(event.unpredicted)}"
        case Foreseen():
            return "foreseen", _foreseen(event)
        case Overtaken(head=head):
            return "overtaken", f"{head.number:,}: a newer head came before its decision was ready"
        case Degraded(what=what, why=why):
            return "degraded", f"{what}: {why}"
        case Raced(race=race):
            return "raced", _race(race)
        case Braked(why=why):
            return "BRAKED", f"nothing is sent: {why}"
        case Released():
            return "released", "sending goes on"
        case Stopped(why=why):
            return "stopped", why
        case _:
            raise TypeError(f"{type(event).__name__} is no event")


def _started(event: Started) -> str:
    if event.dry_run or event.operator is None:
        why = "dry run" if event.dry_run else "no key"
        sends = f"nothing will be sent ({why})"
    else:
        sends = f"sending as {short(event.operator)}"
    markets = ", ".join(map(short_market, event.markets))
    return (
        f"at block {event.head.number:,}: {event.borrowers:,} borrowers of {markets}, "
        f"{event.pools:,} pools; {sends}"
    )


def _loading(event: Loading) -> str:
    left = "" if event.left_s is None else f", {event.left_s:,.0f} s left"
    return f"{event.done:,} of {event.of:,} {event.what}, {event.rate_s:,.0f}/s{left}"


def _rejoined(how: Rejoined) -> str:
    told = []
    if how.abandoned_blocks:
        told.append(f"{how.abandoned_blocks:,} blocks taken back")
    if how.missed_blocks:
        told.append(f"{how.missed_blocks:,} missed and filled")
    return ", ".join(told) + ("; deeper than is remembered: everything was read again" if how.whole else "")


def _foreseen(event: Foreseen) -> str:
    changes = (
        f"{one.token.symbol}{'' if one.loan is None else f' in {one.loan.symbol}'} {_change(one)}"
        for one in event.prices
    )
    worst = sorted(event.positions, key=lambda one: one[1])[:_FALLEN_NAMED]
    named = "".join(f", {short(position.borrower)} to {health(wad)}" for position, wad in worst)
    more = ", ..." if len(event.positions) > len(worst) else ""
    told = ", ".join(dict.fromkeys(changes))
    return (
        f"{short_hash(event.transaction.hash)} upon {event.head.number:,}: {told}; "
        f"{len(event.positions):,} fall{named}{more}; {event.milliseconds:,.0f} ms after it came"
    )


def _behind(pending: Hash32 | None) -> str:
    """Return what it counts on, where that is in no block yet."""
    return "" if pending is None else f" behind {short_hash(pending)}"


def _change(move: PriceMove) -> str:
    if not move.was_base or not move.then_base:
        return "to no price" if move.was_base else "from no price"
    return f"{(move.then_base / move.was_base - 1) * 100:+.2f} %"


def _nearest(triggers: tuple[Trigger, ...]) -> str:
    """Return which feed has the least way to go, and who falls then."""
    if not triggers:
        return "no feed lets anybody fall"
    one = min(triggers, key=lambda one: abs(one.feed_change_bps))
    return (
        f"{short(one.borrower)} of {short_market(one.market)} is next to fall, where {one.feed} reports "
        f"{float(one.feed_answer):,.6g} ({one.feed_change_bps / 100:+.2f} %)"
    )


def _unknown(unpredicted: tuple[Unpredicted, ...]) -> str:
    names = ", ".join(dict.fromkeys(one.token.symbol for one in unpredicted))
    return f"; nothing is foretold of {names}" if names else ""


def _mismatch(found: Mismatch) -> str:
    where = f"{short(found.position.borrower)} of {short_market(found.position.market)}"
    figures = ", ".join(
        f"{name} {ours} instead of {theirs}" for name, (ours, theirs) in found.figures.items()
    )
    end = (
        "read again" if found.mended else "and so it is when read again: don't trust its health; report this"
    )
    return f"{where}: {figures}; {end}"


def _skipped(skipped: tuple[Skipped, ...]) -> str:
    return "".join(f"; skipped {each.source}: {each.why}" for each in skipped)


def _plan(plan: Plan) -> str:
    closes = ", then ".join(
        f"repay {amount(close.repaid)} ({percent(close.close_factor_bps)}), seize {amount(close.seized)}"
        for close in plan.draft.closes
    )
    brings = waterfall(plan.waterfall)
    if plan.draft.carry is not None:
        brings = f"carried: {carried(plan.draft.carry)}; gas {native(plan.waterfall.gas_wei)}"
    return (
        f"{borrowers(plan.draft.positions)} at {health(plan.draft.health_factor_wad)}: {closes}; "
        f"{brings}{_unverified(plan.draft.caveat)}"
    )


def _unverified(caveat: str) -> str:
    return f"; UNVERIFIED: {caveat}" if caveat else ""


def _submission(submission: Submission) -> str:
    if submission.purpose is Purpose.CANCELLATION:
        return f"{short_hash(submission.hash)}, a cancellation of nonce {submission.nonce},"
    return f"{short_hash(submission.hash)} for {borrowers(submission.positions)}"


def _race(race: Race) -> str:
    one, winner = race.liquidation, race.winner
    told = (
        f"{short(one.position.borrower)} in block {one.block_number:,} by {short(winner.sender)} "
        f"at place {winner.place}, who paid {native(winner.gas_wei)} for gas: {race.verdict}"
    )
    if race.sighting is None:
        return told
    told += f"; seen {race.blocks_ahead} blocks and {race.ms_ahead:,} ms before"
    if race.sighting.net_wei:
        told += (
            f", would have netted {native(race.sighting.net_wei)} "
            f"at {gwei(race.sighting.priority_fee_wei)} a gas"
        )
    return told


def _outcome(submission: Submission, outcome: Outcome) -> tuple[str, str]:
    told = _submission(submission)
    match outcome:
        case Included():
            without = f", without {borrowers(outcome.left_out)}" if outcome.left_out else ""
            return "included", (
                f"{told} in block {outcome.block_number:,}{without}: "
                f"net {native(outcome.realised_profit_wei)}, "
                f"predicted {native(submission.predicted_profit_wei)}"
                + ("; the vault paid for it, and keeps what was seized" if outcome.carried else "")
            )
        case Reverted():
            return "reverted", (
                f"{told} in block {outcome.block_number:,}: "
                f"{outcome.gas_used:,} gas cost {native(outcome.gas_wei)}"
            )
        case Expired():
            return "expired", f"{told}: {outcome.why}"
        case Superseded():
            return "superseded", f"{told}: another transaction took nonce {submission.nonce}"
        case _:
            assert_never(outcome)
