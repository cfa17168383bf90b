"""What the chain is asked about Uniswap V3: which pools there are, and what each holds.

A pool's depth takes three rounds, each depending on the one before: its price; the words of its tick bitmap
around that price; the ticks set in them. A pool that was read before takes one as a rule: what was
asked last time is asked again beside the price, and only what has changed place is left for later rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from keeper.abi import load
from keeper.domain.address import ZERO_ADDRESS, Address, address_of
from keeper.domain.errors import Broken
from keeper.query import Call, Query, read
from keeper.venues.uniswap_v3.fork import Fork
from keeper.venues.uniswap_v3.pool import PoolKey, V3Pool
from keeper.venues.uniswap_v3.tick_math import (
    MAX_SQRT_RATIO,
    MAX_TICK,
    MIN_SQRT_RATIO,
    MIN_TICK,
    tick_at_sqrt_ratio,
)
from keeper.venues.uniswap_v3.walk import State, Ticks

_GET_POOL_BY_FEE = load("uniswap_v3_factory").function("getPool")
_GET_POOL_BY_TICK_SPACING = load("slipstream_factory").function("getPool")
_POOL = load("uniswap_v3_pool")
_KEY = tuple(_POOL.function(name).selector for name in ("token0", "token1", "tickSpacing"))
_STATE = tuple(_POOL.function(name).selector for name in ("slot0", "liquidity", "fee"))
_TICK_BITMAP = _POOL.function("tickBitmap").selector
_TICKS = _POOL.function("ticks").selector

_WORD_BYTES = 32
_WORD_BITS = 256


def existing_pools(
    factory: Address, pairs: Iterable[tuple[Address, Address]], fork: Fork
) -> Query[tuple[Address, ...]]:
    """Return the pools that the factory knows for these pairs, whichever way round, in the fork's tiers."""
    get_pool = _GET_POOL_BY_TICK_SPACING if fork.by_tick_spacing else _GET_POOL_BY_FEE
    sorted_pairs = dict.fromkeys((min(pair), max(pair)) for pair in pairs)
    calls = [Call(factory, get_pool.encode(*pair, tier)) for pair in sorted_pairs for tier in fork.tiers]
    pools = yield from read(calls, lambda answer: address_of(_word(answer, 0)))
    return tuple(pool for pool in pools if pool != ZERO_ADDRESS)


def loaded_pool(address: Address, *, fork: Fork, reach_ticks: int, before: V3Pool | None) -> Query[V3Pool]:
    """Return the pool with every tick within `reach_ticks` of its price, rounded out to bitmap words.

    `before` is the pool as it was read last: its tokens and spacing are taken from it, and what was asked
    then is asked at once. Raises Broken where there is no such pool, or one without a price yet.
    """
    selectors = (*_STATE, *_KEY) if before is None else _STATE
    guesses = [] if before is None else _depth_calls(before)
    calls = [Call(address, selector) for selector in selectors]
    slot0, liquidity, fee, *rest = yield from read([*calls, *guesses], bytes)
    fee_ppm = _unsigned(fee, 0)
    if before is None:
        key = _key(address, rest, fork=fork, fee_ppm=fee_ppm)
    else:
        key = before.key if before.key.fee_ppm == fee_ppm else replace(before.key, fee_ppm=fee_ppm)
    price_x96, tick = _unsigned(slot0, 0), _signed(slot0, 1)
    if not MIN_SQRT_RATIO <= price_x96 < MAX_SQRT_RATIO:
        raise Broken(f"the pool 0x{address.hex()} has no price yet")
    state = State(price_x96, _unsigned(liquidity, 0), below=tick < tick_at_sqrt_ratio(price_x96))
    words = _words_around(tick, spacing=key.tick_spacing, reach_ticks=reach_ticks)
    ticks = yield from _ticks(key, words)
    return V3Pool(key=key, ticks=ticks, state=state)


def _ticks(key: PoolKey, words: range) -> Query[Ticks]:
    """Return the initialised ticks in these words of the bitmap."""
    spacing = key.tick_spacing
    bitmap_calls = [_bitmap_call(key.address, word) for word in words]
    bitmaps = yield from read(bitmap_calls, lambda answer: _unsigned(answer, 0))
    initialised = tuple(
        (word * _WORD_BITS + bit) * spacing
        for word, bitmap in zip(words, bitmaps, strict=True)
        for bit in _bits(bitmap)
    )
    tick_calls = [_tick_call(key.address, tick) for tick in initialised]
    liquidity_net = yield from read(tick_calls, lambda answer: _signed(answer, 1))
    return Ticks(
        spacing=spacing,
        initialised=initialised,
        liquidity_net=liquidity_net,
        lowest=max(words.start * _WORD_BITS * spacing, MIN_TICK),
        highest=min((words.stop * _WORD_BITS - 1) * spacing, MAX_TICK),
    )


def _words_around(tick: int, *, spacing: int, reach_ticks: int) -> range:
    """Return the words that hold the ticks within reach, and the next one that a swap upwards looks for."""
    lowest, highest = max(tick - reach_ticks, MIN_TICK), min(tick + reach_ticks, MAX_TICK)
    return range(lowest // spacing // _WORD_BITS, (highest // spacing + 1) // _WORD_BITS + 1)


def _depth_calls(pool: V3Pool) -> list[Call]:
    """Return the calls that a pool's ticks were read by."""
    spacing, ticks = pool.key.tick_spacing, pool.ticks
    words = range(
        ticks.lowest // spacing // _WORD_BITS,
        ticks.highest // spacing // _WORD_BITS + 1,
    )
    return [
        *(_bitmap_call(pool.address, word) for word in words),
        *(_tick_call(pool.address, tick) for tick in ticks.initialised),
    ]


def _bitmap_call(pool: Address, word: int) -> Call:
    return Call(pool, _TICK_BITMAP + word.to_bytes(_WORD_BYTES, signed=True))


def _tick_call(pool: Address, tick: int) -> Call:
    return Call(pool, _TICKS + tick.to_bytes(_WORD_BYTES, signed=True))


def _key(address: Address, answers: Sequence[bytes], *, fork: Fork, fee_ppm: int) -> PoolKey:
    token0, token1, spacing = answers
    return PoolKey(
        address=address,
        token0=address_of(_word(token0, 0)),
        token1=address_of(_word(token1, 0)),
        fee_ppm=fee_ppm,
        tick_spacing=_unsigned(spacing, 0),
        venue=fork.name,
        by_tick_spacing=fork.by_tick_spacing,
    )


# Every answer is a row of words: slicing them is some thirty times faster than a general decoder, and
# there are hundreds a head.


def _word(answer: bytes, index: int) -> bytes:
    word = answer[index * _WORD_BYTES : (index + 1) * _WORD_BYTES]
    if len(word) < _WORD_BYTES:
        raise Broken(f"{len(answer)} bytes are no answer of a Uniswap V3 contract")
    return word


def _unsigned(answer: bytes, index: int) -> int:
    return int.from_bytes(_word(answer, index))


def _signed(answer: bytes, index: int) -> int:
    return int.from_bytes(_word(answer, index), signed=True)


def _bits(bitmap: int) -> Iterator[int]:
    """Yield the places of the bits that are set, lowest first."""
    while bitmap:
        lowest = bitmap & -bitmap
        yield lowest.bit_length() - 1
        bitmap ^= lowest
