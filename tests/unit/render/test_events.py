"""One line for each event, at the severity it deserves."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.declined import Declined, Reason
from keeper.domain.events import (
    Audited,
    Concluded,
    Decided,
    Degraded,
    Event,
    Foreseen,
    Foretold,
    Left,
    Observed,
    Overtaken,
    Planned,
    Recovered,
    Reopened,
    Sent,
    Started,
    Stopped,
)
from keeper.domain.observation import Mismatch, Skipped
from keeper.domain.pending import PendingTransaction, PriceMove
from keeper.domain.position import PositionId
from keeper.domain.report import Trigger, Unpredicted
from keeper.domain.submission import Expired, Superseded
from keeper.domain.token import Token
from keeper.render.events import EventLog, LineForm, Severity, json_line, text_line
from tests.unit.render.reports import (
    BORROWER,
    HEAD,
    INCLUDED,
    MARKET,
    PLAN,
    REVERTED,
    SUBMISSION,
    UNPROFITABLE,
)

AT_S = 1_700_000_000.5
STARTED = Started(
    head=HEAD, markets=(MARKET,), borrowers=48_213, pools=12, operator=Address(b"\x0b" * 20), dry_run=False
)
OBSERVED = Observed(head=HEAD, borrowers=48_213, unhealthy=3, skipped=(), milliseconds=84.2)
LEFT = Left(
    head=HEAD, market=MARKET, borrower=BORROWER, health_factor_wad=981_234_567_890_123_456, why=UNPROFITABLE
)
WETH = Token(address=Address(b"\xee" * 20), symbol="WETH", decimals=18)
TRIGGER = Trigger(
    market=MARKET,
    borrower=BORROWER,
    token=WETH,
    change_bps=-123,
    price="2500",
    feed="ETH / USD",
    feed_address=Address(b"\xfe" * 20),
    feed_change_bps=-123,
    feed_answer="2500",
    moves_with=("wstETH",),
)
FORESEEN = Foreseen(
    head=HEAD,
    transaction=PendingTransaction(
        hash=Hash32(b"\xfd" * 32), sender=BORROWER, to=Address(b"\xfe" * 20), data=b"report"
    ),
    prices=(PriceMove(market=MARKET, token=WETH, loan=None, was_base=10**10, then_base=8 * 10**9),),
    positions=((PositionId(MARKET, BORROWER), 96 * 10**16),),
    milliseconds=12.3,
)
EXPIRED = Expired(head_number=21_000_009, why="its deadline passed")

LINES: list[tuple[Event, str]] = [
    (
        Audited(
            head=HEAD,
            mismatch=Mismatch(
                position=PositionId(MARKET, BORROWER),
                figures={"debt_base": (12, 13), "health_factor_wad": (10**18, 9 * 10**17)},
                mended=True,
            ),
        ),
        "! audited   21,000,000: 0x1111…1aBc of aave-v3:0x8787…A4E2: debt_base 12 instead of 13, "
        "health_factor_wad 1000000000000000000 instead of 900000000000000000; read again",
    ),
    (
        Left(
            head=HEAD,
            market=MARKET,
            borrower=BORROWER,
            health_factor_wad=96 * 10**16,
            why=Declined(reason=Reason.DUST, detail="nothing may be closed"),
            behind=Hash32(b"\xfd" * 32),
        ),
        "  declined  0x1111…1aBc at 0.9600 behind 0xfdfdfdfd…fdfd: dust: nothing may be closed",
    ),
    (
        STARTED,
        "  started   at block 21,000,000: 48,213 borrowers of aave-v3:0x8787…A4E2, 12 pools; "
        "sending as 0x0B0b…0B0b",
    ),
    (
        Recovered(submission=SUBMISSION, outcome=None),
        "  recovered 0xfefefefe…fefe for 0x1111…1aBc is still open",
    ),
    (
        Recovered(submission=SUBMISSION, outcome=EXPIRED),
        "  recovered expired 0xfefefefe…fefe for 0x1111…1aBc: its deadline passed",
    ),
    (
        Foretold(
            head=HEAD,
            triggers=(TRIGGER, replace(TRIGGER, feed="BTC / USD", feed_change_bps=-800)),
            unpredicted=(Unpredicted(market=MARKET, token=WETH, why="why not"),),
        ),
        "  foretold  21,000,000: 0x1111…1aBc of aave-v3:0x8787…A4E2 is next to fall, where ETH / USD reports "
        "2,500 (-1.23 %); nothing is foretold of WETH",
    ),
    (Foretold(head=HEAD, triggers=(), unpredicted=()), "  foretold  21,000,000: no feed lets anybody fall"),
    (
        FORESEEN,
        "  foreseen  0xfdfdfdfd…fdfd upon 21,000,000: WETH -20.00 %; 1 fall, 0x1111…1aBc to 0.9600; "
        "12 ms after it came",
    ),
    (OBSERVED, "  head      21,000,000: 48,213 borrowers, 3 unhealthy, 84 ms"),
    (LEFT, f"  declined  0x1111…1aBc at 0.9812: {UNPROFITABLE}"),
    (
        Planned(head=HEAD, plan=PLAN),
        "  plan      0x1111…1aBc at 0.9812: repay 602,113.00 USDC (24.89 %), seize 252.887 WETH; "
        "bonus 12.042000 − impact 2.240000 − flash 0.241833 − gas 0.006791 = 9.553375",
    ),
    (
        Sent(submission=SUBMISSION),
        "  sent      0xfefefefe…fefe for 0x1111…1aBc with nonce 5, predicted to net 9.553375",
    ),
    (
        Concluded(submission=SUBMISSION, outcome=INCLUDED),
        "  included  0xfefefefe…fefe for 0x1111…1aBc in block 21,000,001: net 9.553339, predicted 9.553375",
    ),
    (
        Concluded(submission=SUBMISSION, outcome=REVERTED),
        "! reverted  0xfefefefe…fefe for 0x1111…1aBc in block 21,000,001: 51,234 gas cost 0.000666",
    ),
    (
        Concluded(submission=SUBMISSION, outcome=Superseded(head_number=21_000_009)),
        "  superseded 0xfefefefe…fefe for 0x1111…1aBc: another transaction took nonce 5",
    ),
    (
        Reopened(submission=SUBMISSION, outcome=REVERTED),
        "! reopened  it stands no longer: reverted 0xfefefefe…fefe for 0x1111…1aBc in block 21,000,001: "
        "51,234 gas cost 0.000666",
    ),
    (Decided(head=HEAD, sent=2, milliseconds=120.6), "  decided   21,000,000: 2 sent, 121 ms after it came"),
    (
        Overtaken(head=HEAD),
        "  overtaken 21,000,000: a newer head came before its decision was ready",
    ),
    (Degraded(what="https://node/…", why="no\nanswer"), "! degraded  https://node/…: no answer"),
    (Stopped(why="SIGTERM"), "  stopped   SIGTERM"),
]


def logged(*events: Event, form: LineForm = text_line, least: Severity = Severity.INFO) -> list[str]:
    lines: list[str] = []
    log = EventLog(form=form, least=least, write=lines.append, now=lambda: AT_S)
    for event in events:
        log(event)
    return lines


@pytest.mark.parametrize(("event", "expected"), LINES, ids=[type(event).__name__ for event, _ in LINES])
def test_text_line__each_event__one_readable_line(event: Event, expected: str) -> None:
    assert logged(event, least=Severity.DEBUG) == [f"2023-11-14 22:13:20 {expected}\n"]


@pytest.mark.parametrize("event", [event for event, _ in LINES], ids=lambda event: type(event).__name__)
def test_json_line__each_event__one_object(event: Event) -> None:
    (line,) = logged(event, form=json_line, least=Severity.DEBUG)
    assert line.endswith("}\n")
    assert "\n" not in line[:-1]
    said = json.loads(line)
    assert said["at"] == "2023-11-14T22:13:20.500000+00:00"
    assert said["event"] == type(event).__name__.lower()
    assert said["level"] in ("debug", "info", "warning")
    assert "signed" not in line


def test_event_log__nothing_will_be_sent__the_start_says_so() -> None:
    dry = Started(head=HEAD, markets=(MARKET,), borrowers=1, pools=1, operator=None, dry_run=True)
    keyless = Started(head=HEAD, markets=(MARKET,), borrowers=1, pools=1, operator=None, dry_run=False)
    assert logged(dry)[0].endswith("nothing will be sent (dry run)\n")
    assert logged(keyless)[0].endswith("nothing will be sent (no key)\n")


def test_text_line__plan_that_rests_on_what_nobody_verified__marked() -> None:
    doubtful = replace(PLAN, draft=replace(PLAN.draft, caveat="pool revision 12 is not known"))
    (line,) = logged(Planned(head=HEAD, plan=doubtful))
    assert line.endswith("; UNVERIFIED: pool revision 12 is not known\n")


def test_event_log__left_alone_again_for_the_same_reason__said_once() -> None:
    dust = Left(
        head=HEAD,
        market=MARKET,
        borrower=BORROWER,
        health_factor_wad=10**18 - 1,
        why=Declined(reason=Reason.DUST, detail="too little"),
    )
    assert len(logged(LEFT, LEFT, LEFT)) == 1
    assert len(logged(LEFT, LEFT, dust, LEFT)) == 3
    assert len(logged(LEFT, LEFT, least=Severity.DEBUG)) == 2


def test_event_log__only_warnings__what_went_wrong_and_nothing_else() -> None:
    skipped = Observed(
        head=HEAD,
        borrowers=1,
        unhealthy=0,
        skipped=(Skipped(source="uniswap-v3", why="reverted"),),
        milliseconds=1.0,
    )
    lines = logged(*(event for event, _ in LINES), skipped, least=Severity.WARNING)
    assert [line.split()[3] for line in lines] == ["audited", "reverted", "reopened", "degraded", "head"]
    assert lines[-1].endswith("; skipped uniswap-v3: reverted\n")
