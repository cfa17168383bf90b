from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.depth import Pool
from keeper.query import Answer, Query, Reverted, run
from keeper.venues.uniswap_v3 import UNISWAP, State, UniswapV3, V3Pool
from keeper.venues.uniswap_v3.tick_math import MAX_TICK, MIN_TICK, sqrt_ratio_at_tick
from tests.unit.venues.uniswap_v3.chain import AT, FACTORY, ROUTER, Chain
from tests.unit.venues.uniswap_v3.pools import pool, random_pool

A, B, C = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C))
WHOLE_RANGE = 2 * MAX_TICK


def venue(reach_ticks: int = 5_000) -> UniswapV3:
    return UniswapV3(factory=FACTORY, router=ROUTER, reach_ticks=reach_ticks)


def pool_at(address: int, token0: Address, token1: Address, fee_ppm: int) -> V3Pool:
    return random_pool(
        address, token0=token0, token1=token1, fee_ppm=fee_ppm, address=Address(bytes([address]) * 20)
    )


def answered(query: Query[object], chain: Chain) -> object:
    """Drive a query whose world never waits, so that a test needs no event loop."""
    driven = run(query, AT, chain)
    with pytest.raises(StopIteration) as stop:
        driven.send(None)
    return stop.value.value


def loaded(venue_: UniswapV3, chain: Chain, *addresses: Address) -> dict[Address, Pool]:
    answer = answered(venue_.load(addresses), chain)
    assert isinstance(answer, dict)
    return answer


def test_discover__pairs_either_way_round__finds_each_pool_once_in_one_round() -> None:
    there = [pool_at(1, A, B, 500), pool_at(2, A, B, 3_000), pool_at(3, B, C, 100)]
    chain = Chain(there)
    assert answered(venue().discover([(B, A), (A, B), (B, C), (A, C)]), chain) == tuple(
        one.address for one in there
    )
    assert len(chain.batches) == 1
    assert len(chain.batches[0]) == 3 * 4


def test_discover__other_fee_tiers__are_those_asked_for() -> None:
    chain = Chain([pool_at(1, A, B, 500), pool_at(2, A, B, 3_000)])
    only = UniswapV3(factory=FACTORY, router=ROUTER, fork=replace(UNISWAP, tiers=(3_000,)))
    assert answered(only.discover([(A, B)]), chain) == (Address(bytes([2]) * 20),)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 2**32))
def test_load__whole_range__is_the_pool_that_is_there(seed: int) -> None:
    there = random_pool(seed, fee_ppm=[500, 3_000, 10_000][seed % 3])
    chain = Chain([there])
    assert loaded(venue(WHOLE_RANGE), chain, there.address) == {there.address: there}
    assert len(chain.batches) == 3


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 2**32), st.integers(0, 20_000))
def test_load__within_reach__knows_every_tick_there_and_swaps_as_the_whole(seed: int, reach: int) -> None:
    there = random_pool(seed)
    read = loaded(venue(reach), Chain([there]), there.address)[there.address]
    assert isinstance(read, V3Pool)
    assert read.ticks.lowest <= there.state.tick - reach
    assert read.ticks.highest >= there.state.tick + reach
    assert read.ticks.highest - read.ticks.lowest <= 2 * reach + 2 * 256 * there.key.tick_spacing
    assert read.ticks.initialised == tuple(
        tick for tick in there.ticks.initialised if read.ticks.lowest <= tick <= read.ticks.highest
    )
    for token in there.tokens:
        end = read.sell(token, 10**40).amount_in_raw
        for amount in (end // 3, end - 1, end):
            inside, whole = read.sell(token, amount), there.sell(token, amount)
            assert (inside.amount_out_raw, inside.exhausted) == (whole.amount_out_raw, False)
        assert read.sell(token, end + 1).exhausted


def test_load__price_at_the_top_of_a_word__reads_the_word_above() -> None:
    # A swap upwards looks first for the tick after the current one: in the next word, if this is the last.
    top = (256 - 1) * 60
    there = pool([(0, 600_000, 10**18)], sqrt_price_x96=sqrt_ratio_at_tick(top) + 1)
    read = loaded(venue(0), Chain([there]), there.address)[there.address]
    assert not read.sell(there.key.token1, 10**6).exhausted


def test_load__again_where_it_stands__takes_one_round() -> None:
    there = [pool_at(1, A, B, 500), pool_at(2, A, B, 3_000)]
    addresses = [one.address for one in there]
    warm, chain = venue(), Chain(there)
    first = loaded(warm, chain, *addresses)
    again = Chain(there)
    assert loaded(warm, again, *addresses) == first
    assert len(again.batches) == 1
    assert len(again.batches[0]) == sum(map(len, chain.batches)) - 2 * 3, (
        "tokens and spacing are asked for once"
    )


def test_load__again_elsewhere__is_what_a_first_look_sees() -> None:
    there = pool_at(1, A, B, 3_000)
    sold = there.sell(A, 10**30).after
    assert isinstance(sold, V3Pool) and sold.state != there.state
    warm = venue(2_000)
    loaded(warm, Chain([there]), there.address)
    minted = pool(
        [(-887_220, 887_220, 10**17), (-600, 600, 10**18)],
        sqrt_price_x96=sqrt_ratio_at_tick(-20_000),
        token0=A,
        token1=B,
        address=there.address,
    )
    for now in (sold, minted, there):
        chain = Chain([now])
        assert loaded(warm, chain, now.address) == loaded(venue(2_000), Chain([now]), now.address)
        assert 1 <= len(chain.batches) <= 3


@pytest.mark.parametrize("answer", [b"", b"\x01", bytes(32), bytes(224), Reverted(b"")])
def test_load__no_pool_at_the_address__is_left_out_and_the_others_read(answer: Answer) -> None:
    there = pool_at(1, A, B, 500)
    odd = Address(b"\x0d" * 20)
    chain = Chain([there], odd={odd: answer})
    assert list(loaded(venue(), chain, odd, there.address)) == [there.address]


def test_load__pool_without_a_price__is_left_out() -> None:
    there = replace(pool_at(1, A, B, 500), state=State(0, 0))
    assert loaded(venue(), Chain([there]), there.address) == {}


def test_load__tick_crossed_downwards__is_below_its_price() -> None:
    # the price is tick 0's own, and the position above it is not in range
    resting = pool([(-600, 0, 10**18), (0, 600, 10**17)], sqrt_price_x96=sqrt_ratio_at_tick(0))
    for below, tick, liquidity in ((True, -1, 10**18), (False, 0, 10**17)):
        there = replace(resting, state=State(sqrt_ratio_at_tick(0), liquidity, below))
        assert there.state.tick == tick
        assert loaded(venue(WHOLE_RANGE), Chain([there]), there.address) == {there.address: there}


def test_load__price_at_either_end__reads_no_word_beyond() -> None:
    for tick in (MIN_TICK, MAX_TICK - 1):
        there = pool([(-887_220, 887_220, 10**17)], sqrt_price_x96=sqrt_ratio_at_tick(tick))
        read = loaded(venue(100), Chain([there]), there.address)[there.address]
        assert isinstance(read, V3Pool)
        assert MIN_TICK <= read.ticks.lowest <= tick <= read.ticks.highest <= MAX_TICK
