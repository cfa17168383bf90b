"""Ticks to square-root prices and back. Mirrors ``TickMath``, @uniswap/v3-core 1.0.1.

A square-root price is sqrt(token1 per token0), in Q64.96.
"""

from __future__ import annotations

from functools import lru_cache

MIN_TICK = -887_272
MAX_TICK = -MIN_TICK
MIN_SQRT_RATIO = 4_295_128_739
MAX_SQRT_RATIO = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_342

_UINT256_MAX = 2**256 - 1

# 1.0001 ** (-(2 ** bit) / 2) in Q128.128, for each bit of a tick's magnitude.
_FACTORS = (
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9,
    0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)
_LOG_SQRT10001_PER_LOG2 = 255738958999603826347141
_TICK_LOW_ERROR = 3402992956809132418596140100660247210
_TICK_HIGH_ERROR = 291339464771989622907027621153398088495


@lru_cache(maxsize=1 << 15)
def sqrt_ratio_at_tick(tick: int) -> int:
    """Return the square-root price at `tick`, in Q64.96, rounded up.

    Raises ValueError beyond MIN_TICK and MAX_TICK. The same few hundred ticks are asked for at every head,
    hence the cache.
    """
    magnitude = abs(tick)
    if magnitude > MAX_TICK:
        raise ValueError(f"tick {tick} is beyond ±{MAX_TICK}")
    ratio = 1 << 128
    bit = 0
    while magnitude:
        if magnitude & 1:
            ratio = ratio * _FACTORS[bit] >> 128
        magnitude >>= 1
        bit += 1
    if tick > 0:
        ratio = _UINT256_MAX // ratio
    return -(-ratio >> 32)


def tick_at_sqrt_ratio(sqrt_price_x96: int) -> int:
    """Return the greatest tick whose square-root price is at most `sqrt_price_x96`.

    Raises ValueError outside [MIN_SQRT_RATIO, MAX_SQRT_RATIO).
    """
    if not MIN_SQRT_RATIO <= sqrt_price_x96 < MAX_SQRT_RATIO:
        raise ValueError(f"square-root price {sqrt_price_x96} is beyond the ticks")
    msb = sqrt_price_x96.bit_length() + 31  # of the price in Q128.128
    r = sqrt_price_x96 << 32
    r = r >> (msb - 127) if msb >= 128 else r << (127 - msb)
    log2_x64 = (msb - 128) << 64
    for bit in range(63, 49, -1):
        r = r * r >> 127
        if r >> 128:
            log2_x64 |= 1 << bit
            r >>= 1
    log_sqrt10001 = log2_x64 * _LOG_SQRT10001_PER_LOG2
    low = (log_sqrt10001 - _TICK_LOW_ERROR) >> 128
    high = (log_sqrt10001 + _TICK_HIGH_ERROR) >> 128
    return high if low != high and sqrt_ratio_at_tick(high) <= sqrt_price_x96 else low
