"""A token that keeps a part of transfers is told by what arrives of one; all else is passed over."""

from __future__ import annotations

from keeper.domain.declined import Declined, Reason
from keeper.domain.token import Token
from keeper.planner.hazards import Probe
from keeper.query import Simulated
from tests.unit.planner.trades import TOKENS, WETH

DAI = TOKENS["DAI"]
HOLDER = WETH.address


def probe(token: Token = DAI, amount_raw: int = 10_000) -> Probe:
    return Probe(token=token, holder=HOLDER, amount_raw=amount_raw)


def simulated(before_raw: int, after_raw: int, *, reverted: int | None = None) -> list[Simulated]:
    words = [before_raw.to_bytes(32), (1).to_bytes(32), after_raw.to_bytes(32)]
    return [Simulated(at == reverted, 30_000, word) for at, word in enumerate(words)]


def test_calls__a_probe__looks_before_and_after_and_sends_as_the_holder() -> None:
    before, sent, after = probe().calls
    assert before == after and before.to == sent.to == DAI.address
    assert sent.sender == HOLDER
    assert sent.data[-32:] == (10_000).to_bytes(32)
    assert sent.data[16:36] == before.data[16:36] == before.sender


def test_verdict__a_hundredth_is_missing__fee_on_transfer_by_its_size() -> None:
    told = probe().verdict(simulated(7, 7 + 9_900))
    assert told == Declined(reason=Reason.FEE_ON_TRANSFER, detail="DAI keeps 1.00 % of what is sent")


def test_verdict__all_arrived_or_a_share_was_rounded__nothing() -> None:
    for after_raw in (10_000, 9_999, 9_998, 10_001):
        assert probe().verdict(simulated(0, after_raw)) is None
    assert probe().verdict(simulated(0, 9_997)) is not None


def test_verdict__any_of_it_reverts__nothing_is_learned() -> None:
    for at in range(3):
        assert probe().verdict(simulated(0, 5_000, reverted=at)) is None
