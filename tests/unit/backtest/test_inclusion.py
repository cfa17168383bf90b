"""Where a transaction comes in a block: by what it may offer, and what the others did."""

from __future__ import annotations

from collections import Counter
from statistics import quantiles

from hypothesis import given
from hypothesis import strategies as st

from keeper.backtest.inclusion import Model, place
from keeper.backtest.past import Mined
from keeper.domain.address import Address

GWEI = 10**9


def block(*tips_gwei: int) -> list[Mined]:
    return [
        Mined(hash=bytes([n]), sender=bytes(20), tip_wei=tip * GWEI, gas_used=1, succeeded=True)
        for n, tip in enumerate(tips_gwei)
    ]


def test_place__no_rival__comes_behind_whoever_offers_as_much() -> None:
    where = place(block(9, 3, 2, 1), rival=None, least_tip_wei=2 * GWEI, most_tip_wei=100 * GWEI)
    assert (where.index, where.tip_wei, where.outbid) == (3, 2 * GWEI, False)


def test_place__a_rival_that_can_be_outbid__comes_before_it_for_one_wei_more() -> None:
    where = place(block(9, 3, 2, 1), rival=1, least_tip_wei=GWEI, most_tip_wei=100 * GWEI)
    assert (where.index, where.tip_wei, where.outbid) == (1, 3 * GWEI + 1, False)


def test_place__a_rival_that_offers_more_than_the_most__comes_behind_it() -> None:
    where = place(block(9, 3, 2, 1), rival=0, least_tip_wei=GWEI, most_tip_wei=5 * GWEI)
    assert (where.index, where.tip_wei, where.outbid) == (1, 5 * GWEI, True)


def test_place__a_rival_whose_bid_is_not_on_chain__is_unknown() -> None:
    where = place(block(9, 0, 2, 1), rival=1, least_tip_wei=GWEI, most_tip_wei=5 * GWEI)
    assert where.unknown and where.outbid and where.index == 2


def test_place__just_as_much_as_the_rival__is_not_enough() -> None:
    assert place(block(5), rival=0, least_tip_wei=GWEI, most_tip_wei=5 * GWEI).outbid
    assert not place(block(5), rival=0, least_tip_wei=GWEI, most_tip_wei=5 * GWEI + 1).outbid


def test_place__any_block__never_pays_more_than_the_most_nor_wins_for_less_than_was_offered() -> None:
    counts = Counter[str]()

    @given(
        tips=st.lists(st.sampled_from((0, 0, 1, 2, 3, 5, 8, 12)), min_size=1, max_size=8),
        rival=st.integers(0, 7),
        least=st.integers(0, 6),
        more=st.integers(0, 10),
    )
    def check(tips: list[int], rival: int, least: int, more: int) -> None:
        rival %= len(tips)
        most = (least + more) * GWEI
        where = place(block(*tips), rival=rival, least_tip_wei=least * GWEI, most_tip_wei=most)
        assert least * GWEI <= where.tip_wei <= most
        assert 0 <= where.index <= len(tips)
        counts["unknown" if where.unknown else "outbid" if where.outbid else "won"] += 1
        if where.outbid:
            assert where.index > rival
        else:
            assert where.index <= rival and where.tip_wei > tips[rival] * GWEI

    check()
    print(counts)
    assert min(counts[kind] for kind in ("outbid", "won", "unknown")) > 3


def test_drawn__many_decisions__have_the_median_and_the_spread_that_were_said() -> None:
    model = Model(latency_s=2.0, latency_spread=0.5)
    drawn = sorted(model.drawn_s(n.to_bytes(4, "big")) for n in range(4000))
    tenths = quantiles(drawn, n=10)
    assert abs(tenths[4] - 2.0) < 0.1
    assert abs(tenths[0] - model.quantile_s(0.1)) < 0.08 and abs(tenths[8] - model.quantile_s(0.9)) < 0.25
    assert model.drawn_s(b"the same") == model.drawn_s(b"the same") != Model(seed=2).drawn_s(b"the same")
    assert Model(latency_s=3.0, latency_spread=0.0).drawn_s(b"any") == 3.0


def test_in_time__the_last_moment_before_a_block_closes__is_in_time() -> None:
    model = Model(closes_before_s=1.0)
    assert model.in_time(sent_at_s=11.0, block_at_s=12)
    assert not model.in_time(sent_at_s=11.01, block_at_s=12)


def test_reaches__only_named_builders__leaves_out_others() -> None:
    one, other = Address(b"\x01" * 20), Address(b"\x02" * 20)
    assert Model().reaches(one)
    assert Model(builders=frozenset((one,))).reaches(one)
    assert not Model(builders=frozenset((one,))).reaches(other)


def test_most_tip__a_share_of_the_profit__on_top_of_the_planned_fee() -> None:
    model = Model(bid_bps=5_000)
    assert model.most_tip_wei(profit_wei=1_000_000, gas_used=100, least_tip_wei=7) == 7 + 5_000
    assert model.most_tip_wei(profit_wei=-5, gas_used=100, least_tip_wei=7) == 7
