from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.position import Interval
from keeper.domain.token import Token
from keeper.planner.sizing import (
    Evaluation,
    Trade,
    clearing,
    evaluate,
    max_close,
    max_profit,
    restore_health,
    value_wei,
    waterfall,
)
from keeper.venues.uniswap_v3 import Ticks, V3Pool
from keeper.venues.uniswap_v3.tick_math import sqrt_ratio_at_tick
from tests.routes import routes
from tests.unit.planner.linear_terms import LinearTerms
from tests.unit.planner.trades import PRICES, TOKENS, Shape, random_trade
from tests.unit.venues.uniswap_v3.pools import pool

SEEDS = st.integers(0, 2**32)
SHAPES = st.sampled_from(Shape)
FINE = ("DAI", "LINK", "stETH")


def evaluated(tried: Evaluation | Declined | None) -> Evaluation:
    assert isinstance(tried, Evaluation), tried
    return tried


def searched(trade: Trade) -> Evaluation | None:
    """Return the best of an integer ternary search over each interval: slow, and knows nothing."""
    best: Evaluation | None = None
    for interval in trade.terms.feasible:
        low, high = interval.least_raw, interval.most_raw
        tried = []
        while high - low > 2:
            third = (high - low) // 3
            lower, upper = evaluate(trade, low + third), evaluate(trade, high - third)
            tried += [lower, upper]
            rises = (
                isinstance(lower, Evaluation)
                and isinstance(upper, Evaluation)
                and lower.profit_wei < upper.profit_wei
            )
            low, high = (low + third, high) if rises else (low, high - third)
        tried += [evaluate(trade, repay) for repay in range(low, high + 1)]
        for one in tried:
            if isinstance(one, Evaluation) and (best is None or one.profit_wei > best.profit_wei):
                best = one
    return best


def unit_wei(trade: Trade) -> int:
    """Return what a unit of the coarsest token on the way is worth, rounded up.

    A close rounds some four times: by so many units do sizes differ for no reason. Luck decides which of
    them a search ends at.
    """
    hops = [hop for route in (*trade.buys, *trade.sells) for hop in route.hops]
    touched = {hop.token_in for hop in hops} | {hop.token_out for hop in hops}
    touched |= {trade.terms.collateral.address, trade.terms.debt.address}
    units = [
        PRICES[symbol] * 10**18 // (PRICES["WETH"] * token.unit_raw)
        for symbol, token in TOKENS.items()
        if token.address in touched
    ]
    return max(units) + 1


# --- max_profit ---------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(SEEDS, SHAPES)
@example(592, Shape.MEETS_AGAIN)  # the top is at a kink between two ranges of a pool
@example(609, Shape.MEETS_AGAIN)  # profit rises up to the hole, and on behind it
def test_max_profit__random_close__no_search_finds_better_by_more_than_rounding(
    seed: int, shape: Shape
) -> None:
    trade = random_trade(seed, shape)
    best, other = max_profit(trade), searched(trade)
    if other is None:
        assert isinstance(best, Declined)
        return
    assert evaluated(best).profit_wei >= other.profit_wei - 4 * unit_wei(trade)


@settings(max_examples=150, deadline=None)
@given(SEEDS, st.sampled_from([Shape.KEEPS_COLLATERAL, Shape.OWES_NATIVE, Shape.APART, Shape.THROUGH_DEBT]))
def test_max_profit__tokens_of_18_decimals__is_within_wei_of_the_search(seed: int, shape: Shape) -> None:
    collateral, debt = Random(seed).sample(FINE, 2)
    trade = random_trade(seed, shape, collateral=collateral, debt=debt)
    other = searched(trade)
    assume(other is not None)
    assert other is not None
    assert evaluated(max_profit(trade)).profit_wei >= other.profit_wei - 4


@settings(max_examples=150, deadline=None)
@given(SEEDS, SHAPES, st.floats(-3, 4), st.floats(-8, -1.5))
@example(4, Shape.OWES_NATIVE, 3, -7)  # the profit turns within the hole, and the far end brings more
@example(17, Shape.KEEPS_COLLATERAL, 0.1, -6.1)  # a little accrues, and costs more than the hole brings
@example(5, Shape.APART, 0.2, -4)  # much does
def test_max_profit__a_hole__neither_end_of_it_brings_more(
    seed: int, shape: Shape, dust_magnitude: float, accrual_magnitude: float
) -> None:
    trade = random_trade(seed, shape)
    assert isinstance(trade.terms, LinearTerms)
    terms = replace(
        trade.terms,
        dust_base=int(10 ** (8 + dust_magnitude)),
        accrues_raw=int(trade.terms.owed_raw * 10**accrual_magnitude),
    )
    trade = replace(trade, terms=terms)
    ends = [evaluate(trade, raw) for at in terms.feasible for raw in (at.least_raw, at.most_raw)]
    best = max_profit(trade)
    for end in ends:
        if isinstance(end, Evaluation):
            assert evaluated(best).profit_wei >= end.profit_wei - 4 * unit_wei(trade)


def test_max_profit__small_position__is_the_best_of_all_sizes() -> None:
    trade = small_trade(owed_raw=40_000)
    every = [
        evaluated(evaluate(trade, repay))
        for interval in trade.terms.feasible
        for repay in range(interval.least_raw, interval.most_raw + 1)
    ]
    assert len(every) > 20_000
    best = evaluated(max_profit(trade))
    assert best.repay_raw not in (every[0].repay_raw, every[-1].repay_raw), "an interior optimum"
    assert best.profit_wei >= max(one.profit_wei for one in every) - 2


def test_max_profit__random_closes__come_out_inside_and_at_the_ends() -> None:
    inside = at_the_ends = losses = 0
    for seed in range(40):
        trade = random_trade(seed, Shape.THROUGH_NATIVE)
        best = evaluated(max_profit(trade))
        ends = {raw for at in trade.terms.feasible for raw in (at.least_raw, at.most_raw)}
        inside += best.repay_raw not in ends
        at_the_ends += best.repay_raw in ends
        losses += best.profit_wei <= 0
    print(f"{inside} inside, {at_the_ends} at the ends, {losses} at a loss")
    assert inside >= 10 and at_the_ends >= 5 and losses >= 1


def test_max_profit__routes_that_meet_again__is_climbed_to_the_top() -> None:
    for seed in range(12):
        trade = random_trade(seed, Shape.MEETS_AGAIN)
        other = searched(trade)
        assert other is not None
        assert evaluated(max_profit(trade)).profit_wei >= other.profit_wei - 4 * unit_wei(trade)


def test_max_profit__depth_ends_while_it_pays__is_the_last_size_that_fits() -> None:
    # price one, liquidity in one narrow range: the pool ends long before the bonus is used up
    trade = small_trade(owed_raw=10**9, depth_raw=10**7, width=60)
    best = evaluated(max_profit(trade))
    assert best.repay_raw < trade.terms.feasible[0].most_raw
    assert isinstance(evaluate(trade, best.repay_raw + 1), Declined)


def test_max_profit__lender_has_little__borrows_all_it_has() -> None:
    trade = small_trade(owed_raw=40_000)
    best = evaluated(max_profit(trade))
    little = replace(trade, available_raw=best.repay_raw // 2)
    assert evaluated(max_profit(little)).flash_amount_raw == best.repay_raw // 2
    nothing = max_profit(replace(trade, available_raw=0))
    assert isinstance(nothing, Declined) and nothing.reason is Reason.NO_FUNDING


def test_max_profit__no_depth__is_declined() -> None:
    trade = small_trade(owed_raw=40_000)
    empty = {
        address: replace(
            one,
            ticks=Ticks(spacing=10, initialised=(), liquidity_net=()),
            state=one.state._replace(liquidity=0),
        )
        for address, one in trade.pools.items()
        if isinstance(one, V3Pool)
    }
    declined = max_profit(replace(trade, pools=empty))
    assert isinstance(declined, Declined) and declined.reason is Reason.NO_ROUTE


def test_max_profit__nothing_may_be_repaid__is_declined_as_dust() -> None:
    class NoSize(LinearTerms):
        @property
        def feasible(self) -> tuple[Interval, ...]:
            return ()

    trade = small_trade(owed_raw=40_000)
    assert isinstance(trade.terms, LinearTerms)
    fields = {name: getattr(trade.terms, name) for name in LinearTerms.__dataclass_fields__}
    declined = max_profit(replace(trade, terms=NoSize(**fields)))
    assert isinstance(declined, Declined) and declined.reason is Reason.DUST


def test_max_profit__terms_bend__is_searched() -> None:
    class Bent(LinearTerms):
        """A bonus that falls as more is repaid."""

        def _gross_raw(self, repay_raw: int) -> int:
            return repay_raw * (13_000 - 3_000 * repay_raw // self.owed_raw) // 10_000

    trade = small_trade(owed_raw=10**9, depth_raw=10**12)
    assert isinstance(trade.terms, LinearTerms)
    fields = {name: getattr(trade.terms, name) for name in LinearTerms.__dataclass_fields__}
    bent = replace(trade, terms=Bent(**fields))
    other = searched(bent)
    assert other is not None
    assert evaluated(max_profit(bent)).profit_wei >= other.profit_wei - 2
    assert 0 < other.repay_raw < 10**9 // 2 + 10**8


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([Shape.KEEPS_COLLATERAL, Shape.APART, Shape.THROUGH_NATIVE, Shape.TWO_HOPS]))
def test_max_profit__loan_of_the_collateral__no_size_brings_more(seed: int, shape: Shape) -> None:
    trade = on_collateral(random_trade(seed, shape), seed)
    found, best = searched(trade), max_profit(trade)
    assert isinstance(best, Evaluation) is (found is not None)
    if isinstance(best, Evaluation) and found is not None:
        assert best.profit_wei >= found.profit_wei - 4 * unit_wei(trade)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.sampled_from([Shape.KEEPS_COLLATERAL, Shape.APART, Shape.TWO_HOPS]), st.integers(0, 100))
def test_evaluate__loan_of_the_collateral__adds_up(seed: int, shape: Shape, percent: int) -> None:
    trade = on_collateral(random_trade(seed, shape), seed)
    interval = trade.terms.feasible[seed % len(trade.terms.feasible)]
    repay = interval.least_raw + (interval.most_raw - interval.least_raw) * percent // 100
    one = evaluate(trade, repay)
    assume(isinstance(one, Evaluation))
    one = evaluated(one)
    assert one.bought_raw == one.settlement.repaid_limit_raw
    spare_raw = max(one.settlement.seized_least_raw - one.bought_for_raw, 0)
    assert one.bought_for_raw <= one.flash_amount_raw <= one.bought_for_raw + spare_raw
    assert one.flash_fee_raw == trade.fee_raw(one.flash_amount_raw)
    assert one.surplus_raw == one.settlement.seized_raw - one.bought_for_raw - one.flash_fee_raw


def on_collateral(trade: Trade, seed: int) -> Trade:
    """Return the same trade on a loan of its collateral, of which there may be too little for all."""
    most_raw = trade.terms.settle(trade.terms.feasible[-1].most_raw).seized_raw
    available_raw = most_raw * (1, 3, 20)[seed % 3] // 2
    return replace(trade, borrows_collateral=True, slippage_bps=50, available_raw=available_raw)


# --- evaluate -----------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(SEEDS, SHAPES, st.integers(0, 100))
def test_evaluate__random_close__adds_up(seed: int, shape: Shape, percent: int) -> None:
    trade = random_trade(seed, shape)
    interval = trade.terms.feasible[seed % len(trade.terms.feasible)]
    repay = interval.least_raw + (interval.most_raw - interval.least_raw) * percent // 100
    one = evaluate(trade, repay)
    assume(isinstance(one, Evaluation))
    one = evaluated(one)
    settlement = trade.terms.settle(repay)
    assert one.settlement == settlement
    assert one.flash_amount_raw == settlement.repaid_limit_raw
    assert one.flash_fee_raw == trade.fee_raw(one.flash_amount_raw)
    same_token = settlement.repaid_raw + one.flash_fee_raw if shape is Shape.OWES_COLLATERAL else 0
    assert one.surplus_raw == settlement.seized_raw - one.bought_for_raw - same_token
    assert one.bought_raw == (one.flash_amount_raw + one.flash_fee_raw if trade.buys else 0)

    pools = dict(trade.pools)
    amount = one.bought_raw
    for hop in reversed([hop for flow in one.buys for hop in flow.route.hops]):
        swap = pools[hop.pool].buy(hop.token_out, amount)
        pools[hop.pool], amount = swap.after, swap.amount_in_raw
    assert amount == one.bought_for_raw
    proceeds = one.surplus_raw
    if proceeds >= 0:
        for hop in [hop for flow in one.sells for hop in flow.route.hops]:
            swap = pools[hop.pool].sell(hop.token_in, proceeds)
            pools[hop.pool], proceeds = swap.after, swap.amount_out_raw
        owed_wei = settlement.repaid_raw + one.flash_fee_raw if shape is Shape.OWES_NATIVE else 0
        assert one.profit_wei == proceeds - owed_wei
        assert one.pools_after == pools
    else:
        assert one.profit_wei < 0


def test_evaluate__purchase_costs_more_than_is_seized__is_a_loss_at_the_mid_price() -> None:
    trade = small_trade(owed_raw=10**9, depth_raw=2 * 10**9)
    last = trade.terms.feasible[-1].most_raw
    one = evaluated(evaluate(trade, last))
    assert one.surplus_raw < 0
    assert one.profit_wei == one.surplus_raw  # the collateral is the wrapped native token itself
    priced = small_trade(owed_raw=10**9, depth_raw=2 * 10**9, native=False)
    other = evaluated(evaluate(priced, last))
    assert other.surplus_raw == one.surplus_raw
    assert other.profit_wei == value_wei(priced, collateral_raw=other.surplus_raw) < 0


def test_evaluate__debt_cleared__borrows_what_accrues_and_does_not_count_it() -> None:
    trade = small_trade(owed_raw=10**6, depth_raw=10**10, accrues_raw=100)
    one = evaluated(evaluate(trade, 10**6))
    assert one.flash_amount_raw == 10**6 + 100
    assert one.bought_raw == one.flash_amount_raw + one.flash_fee_raw
    plain = evaluated(evaluate(small_trade(owed_raw=10**6, depth_raw=10**10), 10**6))
    assert plain.profit_wei - one.profit_wei == pytest.approx(100, abs=10)


@pytest.mark.parametrize("shape", [Shape.OWES_NATIVE, Shape.OWES_COLLATERAL])
def test_evaluate__borrowed_in_vain_but_of_use__is_not_lost(shape: Shape) -> None:
    trade = random_trade(1, shape)
    assert isinstance(trade.terms, LinearTerms)
    free = replace(trade, fee_raw=lambda _: 0)
    owed = free.terms.feasible[-1].most_raw
    grown = replace(free, terms=replace(trade.terms, owed_raw=owed, accrues_raw=owed // 10))
    plain = replace(free, terms=replace(trade.terms, owed_raw=owed, accrues_raw=0))
    more, less = evaluated(evaluate(grown, owed)), evaluated(evaluate(plain, owed))
    assert more.flash_amount_raw == less.flash_amount_raw + owed // 10
    assert more.profit_wei == less.profit_wei


def test_evaluate__outside_the_feasible_set__raises() -> None:
    with pytest.raises(ValueError, match="may not be repaid"):
        evaluate(small_trade(owed_raw=40_000), 40_001)


# --- the waterfall ------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(SEEDS, SHAPES)
def test_waterfall__random_close__ends_in_the_profit(seed: int, shape: Shape) -> None:
    trade = random_trade(seed, shape)
    best = max_profit(trade)
    assume(isinstance(best, Evaluation))
    one = evaluated(best)
    steps = waterfall(trade, one)
    assert steps.vault_wei == one.profit_wei and steps.gas_wei == steps.tip_wei == 0
    assert steps.flash_fee_wei >= 0
    assert steps.price_impact_wei >= -1, "a sale never gives more than the mid price, but for the flooring"


def test_waterfall__flat_pool__is_bonus_less_fees() -> None:
    trade = small_trade(owed_raw=10**9, depth_raw=10**24, premium_bps=5)
    one = evaluated(evaluate(trade, 10**9))
    steps = waterfall(trade, one)
    assert steps.bonus_wei == one.settlement.seized_raw - 10**9
    assert steps.flash_fee_wei == 10**9 * 5 // 10_000
    assert steps.price_impact_wei == pytest.approx(10**9 * 0.0005, rel=0.01), "the pool's fee of 0.05 %"


def test_value_wei__both_amounts__is_at_the_mid_prices() -> None:
    trade = small_trade(owed_raw=10**9, native=False)
    assert value_wei(trade, collateral_raw=1_000) == value_wei(trade, debt_raw=1_000) == 1_000
    assert value_wei(trade, collateral_raw=1_000, debt_raw=-1_000) == 0


# --- clearing -----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(SEEDS, SHAPES, st.integers(1, 900))
def test_clearing__a_minimum_by_the_repay__is_the_largest_that_clears_it_or_none_does(
    seed: int, shape: Shape, least_bps: int
) -> None:
    trade = random_trade(seed, shape)
    best = max_profit(trade)
    assume(isinstance(best, Evaluation) and best.profit_wei > 0)
    best = evaluated(best)

    def spare_wei(size: Evaluation) -> int:
        return size.profit_wei - value_wei(trade, debt_raw=size.settlement.repaid_raw) * least_bps // 10_000

    found = clearing(trade, best, spare_wei=spare_wei, most_spare_wei=best.profit_wei)
    slack_wei = 8 * unit_wei(trade)
    tried = [
        evaluate(trade, interval.least_raw + (interval.most_raw - interval.least_raw) * share // 32)
        for interval in trade.terms.feasible
        for share in range(33)
    ]
    clear = [one for one in tried if isinstance(one, Evaluation) and spare_wei(one) >= slack_wei]
    if isinstance(found, Declined):
        assert found.reason is Reason.BELOW_MINIMUM
        assert not clear
        return
    assert spare_wei(found) >= 0
    assert found is best or spare_wei(best) < 0
    assert all(one.profit_wei <= found.profit_wei + slack_wei for one in clear)


def test_clearing__best_is_too_thin__is_a_smaller_size() -> None:
    trade = small_trade(owed_raw=400_000)
    best = evaluated(max_profit(trade))
    share_bps = best.profit_wei * 10_000 // best.repay_raw * 11 // 10

    def spare_wei(size: Evaluation) -> int:
        return size.profit_wei - size.repay_raw * share_bps // 10_000

    smaller = evaluated(clearing(trade, best, spare_wei=spare_wei, most_spare_wei=best.profit_wei))
    assert 0 < smaller.repay_raw < best.repay_raw
    assert smaller.profit_wei > best.profit_wei * 8 // 10


# --- max_close ----------------------------------------------------------------------------------------------


def over(minimum_wei: int) -> Callable[[Evaluation], int]:
    return lambda size: size.profit_wei - minimum_wei


@settings(max_examples=100, deadline=None)
@given(SEEDS, SHAPES, st.integers(0, 10_000))
def test_max_close__random_close__keeps_what_it_must_and_more_would_not(
    seed: int, shape: Shape, keep_bps: int
) -> None:
    trade = random_trade(seed, shape)
    best = max_profit(trade)
    assume(isinstance(best, Evaluation) and best.profit_wei > 0)
    best = evaluated(best)
    minimum_wei = best.profit_wei * (seed % 100) // 100
    least_wei = max(minimum_wei, -(-best.profit_wei * keep_bps // 10_000))
    largest = evaluated(max_close(trade, best, spare_wei=over(minimum_wei), keep_bps=keep_bps))
    assert largest.repay_raw >= best.repay_raw
    assert largest.profit_wei >= least_wei
    slack_wei = 4 + 2 * unit_wei(trade)
    for interval in trade.terms.feasible:
        for share in range(33):
            repay = interval.least_raw + (interval.most_raw - interval.least_raw) * share // 32
            other = evaluate(trade, repay)
            if isinstance(other, Evaluation) and repay > largest.repay_raw:
                assert other.profit_wei < least_wei + slack_wei


def test_max_close__all_the_profit_kept__is_about_the_best_size() -> None:
    trade = small_trade(owed_raw=40_000)
    best = evaluated(max_profit(trade))
    largest = evaluated(max_close(trade, best, spare_wei=over(0), keep_bps=10_000))
    assert largest.profit_wei >= best.profit_wei


def test_max_close__minimum_above_the_best__is_declined() -> None:
    trade = small_trade(owed_raw=40_000)
    best = evaluated(max_profit(trade))
    declined = max_close(trade, best, spare_wei=over(best.profit_wei + 1), keep_bps=0)
    assert isinstance(declined, Declined) and declined.reason is Reason.BELOW_MINIMUM


def test_max_close__the_minimum_grows_with_the_repay__is_the_largest_that_still_clears_it() -> None:
    trade = small_trade(owed_raw=400_000)
    best = evaluated(max_profit(trade))

    def spare_wei(size: Evaluation) -> int:
        return size.profit_wei - size.repay_raw * best.profit_wei // best.repay_raw * 9 // 10

    largest = evaluated(max_close(trade, best, spare_wei=spare_wei, keep_bps=0))
    assert best.repay_raw < largest.repay_raw < trade.terms.feasible[-1].most_raw
    assert spare_wei(largest) >= 0 > spare_wei(evaluated(evaluate(trade, largest.repay_raw + 200)))


def test_max_close__full_clear_pays_beyond_the_hole__is_the_full_clear() -> None:
    trade = small_trade(owed_raw=10**6, depth_raw=10**12, dust_raw=300_000)
    assert len(trade.terms.feasible) == 2
    best = evaluated(max_profit(trade))
    assert evaluated(max_close(trade, best, spare_wei=over(0), keep_bps=9_000)).repay_raw == 10**6


def test_max_close__full_clear_does_not_pay__stays_before_the_hole() -> None:
    trade = small_trade(owed_raw=10**6, depth_raw=10**7, dust_raw=300_000)
    best = evaluated(max_profit(trade))
    before = trade.terms.feasible[0].most_raw
    edge = evaluated(evaluate(trade, before))
    last = evaluated(evaluate(trade, 10**6))
    assert last.profit_wei < edge.profit_wei < best.profit_wei and edge.profit_wei > 0
    largest = max_close(trade, best, spare_wei=over(edge.profit_wei), keep_bps=0)
    assert evaluated(largest).repay_raw == before


# --- restore_health -----------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(SEEDS, st.integers(950, 1_300))
def test_restore_health__random_close__is_the_smallest_that_reaches_it(seed: int, target_mille: int) -> None:
    trade = random_trade(seed, Shape.KEEPS_COLLATERAL)
    target_wad = target_mille * 10**15
    restored = restore_health(trade, target_wad=target_wad)
    if restored is None:
        last = trade.terms.feasible[-1].most_raw
        assert trade.terms.health_after_wad(last) < target_wad
        return
    assume(isinstance(restored, Evaluation))
    repay = evaluated(restored).repay_raw
    assert trade.terms.health_after_wad(repay) >= target_wad
    below = [at for at in trade.terms.feasible if at.least_raw < repay]
    if below:
        assert trade.terms.health_after_wad(min(below[-1].most_raw, repay - 1)) < target_wad


# --- a close that can be looked at --------------------------------------------------------------------------


def small_trade(
    *,
    owed_raw: int,
    depth_raw: int = 10**6,
    width: int = 60_000,
    dust_raw: int = 0,
    accrues_raw: int = 0,
    premium_bps: int = 0,
    native: bool = True,
) -> Trade:
    """Return a close at a price of one, in tokens without decimals, with a bonus of 10 % and no other fee.

    `depth_raw` is the liquidity of each pool, within `width` ticks of the price; `native` says whether the
    collateral is the wrapped native token.
    """
    collateral, debt, other = (
        Token(address=Address(bytes([at]) * 20), symbol=symbol, decimals=0)
        for at, symbol in ((0x0A, "COLL"), (0x0B, "DEBT"), (0x0C, "NATIVE"))
    )

    def pool_with(bought: Token) -> V3Pool:
        return pool(
            [(-width, width, depth_raw)],
            fee_ppm=500,
            sqrt_price_x96=sqrt_ratio_at_tick(0),
            token0=collateral.address,
            token1=bought.address,
            address=Address(b"\x01" + bought.address[1:]),
        )

    pools = {one.address: one for one in (pool_with(debt), pool_with(other))}
    buys = routes(pools, collateral.address, debt.address)
    sells = routes(pools, collateral.address, other.address)
    return Trade(
        terms=LinearTerms(
            collateral=collateral,
            debt=debt,
            collateral_price_base=10**8,
            debt_price_base=10**8,
            balance_raw=owed_raw * 2,
            owed_raw=owed_raw,
            bonus_bps=11_000,
            protocol_fee_bps=0,
            dust_base=dust_raw * 10**8,
            accrues_raw=accrues_raw,
        ),
        pools=pools,
        buys=buys,
        sells=() if native else sells,
        wrapped_native=collateral.address if native else other.address,
        fee_raw=lambda amount_raw: amount_raw * premium_bps // 10_000,
        available_raw=2**200,
    )
