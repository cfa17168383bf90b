"""The walk of a swap through a pool's ticks, step by step as the contract takes them.

Mirrors the loop of ``UniswapV3Pool.swap`` with ``SwapMath.computeSwapStep``, @uniswap/v3-core 1.0.1. A step
ends at every boundary of a bitmap word (256 tick spacings) as well as at every initialised tick, and each
rounds: leaving the boundaries out would be off by a few units.

A step that reaches its end moves amounts that do not depend on how much of the swap remains. So the
steps of one direction from one state are walked once and kept as running totals; any amount is
then a bisection and one partial step, whatever number of ticks it crosses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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

PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """A pool's initialised ticks, as far as they were read: what no swap changes."""

    spacing: int
    initialised: tuple[int, ...]
    """Ascending; all there are from `lowest` to `highest`."""
    liquidity_net: tuple[int, ...]
    """What crossing each upwards adds to the liquidity."""
    lowest: int = MIN_TICK
    """The first tick of a bitmap word, or MIN_TICK: what lies below was not read."""
    highest: int = MAX_TICK
    """The last tick of a bitmap word, or MAX_TICK: what lies above was not read."""


class State(NamedTuple):
    """What a swap changes in a pool. The tick follows from the price, but for one bit: see `below`."""

    sqrt_price_x96: int
    liquidity: int
    below: bool = False
    """The price is a tick's own and was reached from above: the pool has crossed into the tick below."""

    @property
    def tick(self) -> int:
        """Return the tick, as the contract stores it: computed, for most swaps leave a pool nobody asks."""
        return tick_at_sqrt_ratio(self.sqrt_price_x96) - self.below


class Moved(NamedTuple):
    """A swap: what came in, fee included, what went out, and the state it left."""

    amount_in: int
    amount_out: int
    state: State


class Walk:
    """The steps of swaps from `start` in one direction, down to a limit; taken as far as was ever asked.

    `limit_x96` is the square-root price beyond which no swap goes; by default the last that was read, and at
    most where the router stops. Its growing lists are a memo: they answer the same whoever asked before.
    """

    __slots__ = ("_fee_ppm", "_ins", "_limit_x96", "_outs", "_states", "_tick", "_ticks", "_zero_for_one")

    def __init__(
        self, ticks: Ticks, start: State, *, fee_ppm: int, zero_for_one: bool, limit_x96: int | None = None
    ) -> None:
        self._ticks = ticks
        self._fee_ppm = fee_ppm
        self._zero_for_one = zero_for_one
        if limit_x96 is not None:
            self._limit_x96 = limit_x96
        elif zero_for_one:
            self._limit_x96 = max(sqrt_ratio_at_tick(ticks.lowest), MIN_SQRT_RATIO + 1)
        else:
            self._limit_x96 = min(sqrt_ratio_at_tick(ticks.highest), MAX_SQRT_RATIO - 1)
        self._states = [start]
        self._tick = start.tick  # of the last of the states
        self._ins = [0]
        self._outs = [0]

    def exact_in(self, amount: int) -> Moved:
        """Return the swap of `amount` in; less comes in where the limit is reached first."""
        ins = self._ins
        while ins[-1] < amount and self._take_step():
            pass
        at = bisect_left(ins, amount)
        if at == len(ins):
            return Moved(ins[-1], self._outs[-1], self._states[-1])
        if ins[at] == amount:
            return Moved(amount, self._outs[at], self._states[at])
        moved = self._partial_in(self._states[at - 1], amount - ins[at - 1])
        return Moved(amount, self._outs[at - 1] + moved.amount_out, moved.state)

    def exact_out(self, amount: int) -> Moved:
        """Return the swap for `amount` out; less goes out where the limit is reached first."""
        outs = self._outs
        while outs[-1] < amount and self._take_step():
            pass
        at = bisect_left(outs, amount)
        if at == len(outs):
            return Moved(self._ins[-1], outs[-1], self._states[-1])
        if outs[at] == amount:
            return Moved(self._ins[at], amount, self._states[at])
        moved = self._partial_out(self._states[at - 1], amount - outs[at - 1])
        if moved.state.sqrt_price_x96 == self._states[at].sqrt_price_x96:
            # Rounding brought the price to the step's very end: the contract has crossed its tick.
            return Moved(self._ins[at], amount, self._states[at])
        return Moved(self._ins[at - 1] + moved.amount_in, amount, moved.state)

    def steps(self) -> Iterator[tuple[int, int, int]]:
        """Yield the whole steps, from the start to the limit.

        Of each the square-root price that it starts at, its liquidity, and what it takes in, fee included.
        """
        states, ins, at = self._states, self._ins, 0
        while at + 1 < len(states) or self._take_step():
            price, liquidity, _ = states[at]
            yield price, liquidity, ins[at + 1] - ins[at]
            at += 1

    def _take_step(self) -> bool:
        """Append one more whole step, and return whether there was one."""
        price, liquidity, below = self._states[-1]
        if price == self._limit_x96:
            return False
        end_tick, initialised_at = self._step_end(self._tick, whole_word=liquidity != 0)
        end_tick_price = sqrt_ratio_at_tick(end_tick)
        if self._zero_for_one:
            target = max(end_tick_price, self._limit_x96)
            amount_in = amount0_up(target, price, liquidity)
            amount_out = amount1_down(target, price, liquidity)
        else:
            target = min(end_tick_price, self._limit_x96)
            amount_in = amount1_up(price, target, liquidity)
            amount_out = amount0_down(price, target, liquidity)
        if target != end_tick_price:
            end = State(target, liquidity, below and target == price)
        elif self._zero_for_one:
            end = State(target, liquidity - self._net(initialised_at), below=True)
            self._tick = end_tick - 1
        else:
            end = State(target, liquidity + self._net(initialised_at))
            self._tick = end_tick
        self._states.append(end)
        self._ins.append(self._ins[-1] + amount_in + self._fee_up(amount_in))
        self._outs.append(self._outs[-1] + amount_out)
        return True

    def _net(self, initialised_at: int | None) -> int:
        return 0 if initialised_at is None else self._ticks.liquidity_net[initialised_at]

    def _step_end(self, tick: int, *, whole_word: bool) -> tuple[int, int | None]:
        """Return the tick that a step from `tick` aims at, and its place if it is initialised.

        Mirrors ``TickBitmap.nextInitializedTickWithinOneWord``. Without liquidity no step moves any amount,
        so that the boundaries of words need not be stopped at.
        """
        ticks = self._ticks
        word = 256 * ticks.spacing
        at = bisect_right(ticks.initialised, tick)
        if self._zero_for_one:
            at -= 1
            end = max(tick // word * word, MIN_TICK) if whole_word else ticks.lowest
            if at >= 0 and ticks.initialised[at] >= end:
                return ticks.initialised[at], at
            return end, None
        first = tick // ticks.spacing * ticks.spacing + ticks.spacing
        end = min(first // word * word + word - ticks.spacing, MAX_TICK) if whole_word else ticks.highest
        if at < len(ticks.initialised) and ticks.initialised[at] <= end:
            return ticks.initialised[at], at
        return end, None

    def _partial_in(self, state: State, amount: int) -> Moved:
        """Return the step that `amount` in ends in, before it reaches its end."""
        price, liquidity, _ = state
        net_of_fee = amount * (PPM - self._fee_ppm) // PPM
        if self._zero_for_one:
            after = price_after_amount0_in(price, liquidity, net_of_fee)
            amount_out = amount1_down(after, price, liquidity)
        else:
            after = price_after_amount1_in(price, liquidity, net_of_fee)
            amount_out = amount0_down(price, after, liquidity)
        return Moved(amount, amount_out, _moved_to(after, state))

    def _partial_out(self, state: State, amount: int) -> Moved:
        """Return the step that `amount` out ends in, before it reaches its end."""
        price, liquidity, _ = state
        if self._zero_for_one:
            after = price_after_amount1_out(price, liquidity, amount)
            amount_in = amount0_up(after, price, liquidity)
        else:
            after = price_after_amount0_out(price, liquidity, amount)
            amount_in = amount1_up(price, after, liquidity)
        return Moved(amount_in + self._fee_up(amount_in), amount, _moved_to(after, state))

    def _fee_up(self, amount_in: int) -> int:
        return -(-amount_in * self._fee_ppm // (PPM - self._fee_ppm))


def _moved_to(price_x96: int, state: State) -> State:
    return state if price_x96 == state.sqrt_price_x96 else State(price_x96, state.liquidity)
