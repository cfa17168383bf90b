"""Amounts between two square-root prices, and prices after an amount.

Mirrors ``SqrtPriceMath``, @uniswap/v3-core 1.0.1. Prices are Q64.96, `low` never above `high`; amounts are
raw units; liquidity is positive where a price is asked for. Overflow of 256 bits is modelled only where
the contract rounds differently because of it.
"""

from __future__ import annotations

Q96 = 1 << 96
_UINT256 = 1 << 256


def amount0_down(low_x96: int, high_x96: int, liquidity: int) -> int:
    """Return the token0 between two prices, floored."""
    return (liquidity << 96) * (high_x96 - low_x96) // high_x96 // low_x96


def amount0_up(low_x96: int, high_x96: int, liquidity: int) -> int:
    """Return the token0 between two prices, rounded up."""
    return -(-(liquidity << 96) * (high_x96 - low_x96) // high_x96 // low_x96)


def amount1_down(low_x96: int, high_x96: int, liquidity: int) -> int:
    """Return the token1 between two prices, floored."""
    return liquidity * (high_x96 - low_x96) >> 96


def amount1_up(low_x96: int, high_x96: int, liquidity: int) -> int:
    """Return the token1 between two prices, rounded up."""
    return -(-liquidity * (high_x96 - low_x96) >> 96)


def price_after_amount0_in(price_x96: int, liquidity: int, amount: int) -> int:
    """Return the lower price once `amount` of token0 has come in, rounded up.

    Where amount * price, or the denominator, would overflow 256 bits the contract divides first, and
    so does this.
    """
    scaled = liquidity << 96
    product = amount * price_x96
    if product < _UINT256 and scaled + product < _UINT256:
        return -(-scaled * price_x96 // (scaled + product))
    return -(-scaled // (scaled // price_x96 + amount))


def price_after_amount1_in(price_x96: int, liquidity: int, amount: int) -> int:
    """Return the higher price once `amount` of token1 has come in, floored."""
    return price_x96 + (amount << 96) // liquidity


def price_after_amount0_out(price_x96: int, liquidity: int, amount: int) -> int:
    """Return the higher price once `amount` of token0, less than there is, has gone out, rounded up."""
    scaled = liquidity << 96
    return -(-scaled * price_x96 // (scaled - amount * price_x96))


def price_after_amount1_out(price_x96: int, liquidity: int, amount: int) -> int:
    """Return the lower price once `amount` of token1, less than there is, has gone out, floored."""
    return price_x96 + (-amount << 96) // liquidity
