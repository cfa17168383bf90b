"""Random pools, and the contract's swap loop written down once more, word for word."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from keeper.domain.address import Address
from keeper.venues.uniswap_v3 import PoolKey, State, Ticks, V3Pool
from keeper.venues.uniswap_v3.sqrt_price_math import (
    amount0_down,
    amount0_up,
    amount1_down,
    amount1_up,
    price_after_amount0_in,
    price_after_amount0_out,
    price_after_amount1_in,
    price_after_amount1_out,
)
from keeper.venues.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    sqrt_ratio_at_tick,
    tick_at_sqrt_ratio,
)
from keeper.venues.uniswap_v3.walk import Moved

TOKEN0, TOKEN1, ADDRESS = Address(b"\x01" * 20), Address(b"\x02" * 20), Address(b"\x03" * 20)
SPACING_BY_FEE_PPM = {100: 1, 500: 10, 3_000: 60, 10_000: 200}


def pool(
    positions: list[tuple[int, int, int]],
    *,
    fee_ppm: int = 3_000,
    sqrt_price_x96: int,
    token0: Address = TOKEN0,
    token1: Address = TOKEN1,
    address: Address = ADDRESS,
) -> V3Pool:
    """Return the pool that holds these (lower tick, upper tick, liquidity) positions."""
    net: dict[int, int] = {}
    for lower, upper, liquidity in positions:
        net[lower] = net.get(lower, 0) + liquidity
        net[upper] = net.get(upper, 0) - liquidity
    ticks = sorted(tick for tick in net if net[tick])
    tick = tick_at_sqrt_ratio(sqrt_price_x96)
    spacing = SPACING_BY_FEE_PPM[fee_ppm]
    return V3Pool(
        key=PoolKey(address=address, token0=token0, token1=token1, fee_ppm=fee_ppm, tick_spacing=spacing),
        ticks=Ticks(
            spacing=spacing,
            initialised=tuple(ticks),
            liquidity_net=tuple(net[tick] for tick in ticks),
        ),
        state=State(sqrt_price_x96, sum(net[t] for t in ticks if t <= tick)),
    )


def random_pool(
    seed: int,
    *,
    fee_ppm: int | None = None,
    tick: int | None = None,
    around: bool = True,
    token0: Address = TOKEN0,
    token1: Address = TOKEN1,
    address: Address = ADDRESS,
    liquidity: int | None = None,
) -> V3Pool:
    """Return a pool drawn from `seed`: a few to dozens of positions near `tick`, gaps between some.

    With `around`, one position spans a wide range, so that the price can move a long way. `liquidity` is
    about what there is at the price.
    """
    draw = Random(seed)
    fee = draw.choice(list(SPACING_BY_FEE_PPM)) if fee_ppm is None else fee_ppm
    spacing = SPACING_BY_FEE_PPM[fee]
    centre = draw.randrange(-200_000, 200_000) if tick is None else tick
    base = 10 ** draw.randint(10, 24) if liquidity is None else liquidity
    reach = draw.choice([60, 600, 6_000])
    positions = []
    for _ in range(draw.choice([1, 5, 20, 60])):
        middle = (centre + draw.randint(-reach, reach)) // spacing
        half = draw.randint(1, max(2, reach // spacing))
        positions.append(((middle - half) * spacing, (middle + half) * spacing, draw.randint(1, base)))
    if around:
        low = (centre - 60_000) // spacing * spacing
        positions.append((low, low + 120_000 // spacing * spacing, draw.randint(base // 10, base)))
    price = sqrt_ratio_at_tick(centre)
    if draw.random() < 0.7:
        price += draw.randrange(sqrt_ratio_at_tick(centre + 1) - price)
    return pool(positions, fee_ppm=fee, sqrt_price_x96=price, token0=token0, token1=token1, address=address)


class Swapped(NamedTuple):
    """What the contract would have: amounts, and the state it would store."""

    amount_in: int
    amount_out: int
    sqrt_price_x96: int
    tick: int
    liquidity: int


def swapped(moved: Moved) -> Swapped:
    """Return a walk's answer in the contract's terms."""
    state = moved.state
    return Swapped(moved.amount_in, moved.amount_out, state.sqrt_price_x96, state.tick, state.liquidity)


def contract_swap(pool: V3Pool, *, zero_for_one: bool, amount_specified: int) -> Swapped:
    """Return ``UniswapV3Pool.swap``, as it is written there."""
    limit = MIN_SQRT_RATIO + 1 if zero_for_one else MAX_SQRT_RATIO - 1
    net = dict(zip(pool.ticks.initialised, pool.ticks.liquidity_net, strict=True))
    price, tick, liquidity = pool.state.sqrt_price_x96, pool.state.tick, pool.state.liquidity
    exact_input = amount_specified > 0
    remaining, calculated = amount_specified, 0
    while remaining != 0 and price != limit:
        start = price
        tick_next, initialised = next_initialised_tick(net, tick, pool.ticks.spacing, lte=zero_for_one)
        tick_next = min(max(tick_next, MIN_TICK), MAX_TICK)
        price_next = sqrt_ratio_at_tick(tick_next)
        target = max(price_next, limit) if zero_for_one else min(price_next, limit)
        price, amount_in, amount_out, fee = compute_swap_step(
            price, target, liquidity, remaining, pool.fee_ppm
        )
        if exact_input:
            remaining -= amount_in + fee
            calculated -= amount_out
        else:
            remaining += amount_out
            calculated += amount_in + fee
        if price == price_next:
            if initialised:
                liquidity += -net[tick_next] if zero_for_one else net[tick_next]
            tick = tick_next - 1 if zero_for_one else tick_next
        elif price != start:
            tick = tick_at_sqrt_ratio(price)
    if exact_input:
        return Swapped(amount_specified - remaining, -calculated, price, tick, liquidity)
    return Swapped(calculated, remaining - amount_specified, price, tick, liquidity)


def next_initialised_tick(net: dict[int, int], tick: int, spacing: int, *, lte: bool) -> tuple[int, bool]:
    compressed = tick // spacing
    if lte:
        for candidate in range(compressed, (compressed >> 8 << 8) - 1, -1):
            if candidate * spacing in net:
                return candidate * spacing, True
        return (compressed >> 8 << 8) * spacing, False
    compressed += 1
    last = (compressed >> 8 << 8) + 255
    for candidate in range(compressed, last + 1):
        if candidate * spacing in net:
            return candidate * spacing, True
    return last * spacing, False


def compute_swap_step(
    current: int, target: int, liquidity: int, remaining: int, fee_ppm: int
) -> tuple[int, int, int, int]:
    zero_for_one = current >= target
    exact_in = remaining >= 0
    amount_in = amount_out = 0
    if exact_in:
        remaining_less_fee = remaining * (1_000_000 - fee_ppm) // 1_000_000
        amount_in = (
            amount0_up(target, current, liquidity) if zero_for_one else amount1_up(current, target, liquidity)
        )
        if remaining_less_fee >= amount_in:
            after = target
        elif zero_for_one:
            after = price_after_amount0_in(current, liquidity, remaining_less_fee)
        else:
            after = price_after_amount1_in(current, liquidity, remaining_less_fee)
    else:
        amount_out = (
            amount1_down(target, current, liquidity)
            if zero_for_one
            else amount0_down(current, target, liquidity)
        )
        if -remaining >= amount_out:
            after = target
        elif zero_for_one:
            after = price_after_amount1_out(current, liquidity, -remaining)
        else:
            after = price_after_amount0_out(current, liquidity, -remaining)
    whole = target == after
    if zero_for_one:
        amount_in = amount_in if whole and exact_in else amount0_up(after, current, liquidity)
        amount_out = amount_out if whole and not exact_in else amount1_down(after, current, liquidity)
    else:
        amount_in = amount_in if whole and exact_in else amount1_up(current, after, liquidity)
        amount_out = amount_out if whole and not exact_in else amount0_down(current, after, liquidity)
    if not exact_in and amount_out > -remaining:
        amount_out = -remaining
    if exact_in and after != target:
        fee = remaining - amount_in
    else:
        fee = -(-amount_in * fee_ppm // (1_000_000 - fee_ppm))
    return after, amount_in, amount_out, fee
