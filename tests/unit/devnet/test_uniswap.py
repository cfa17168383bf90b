from __future__ import annotations

from keeper.devnet.uniswap import sqrt_price_x96

_PRICES = {"WETH": 3_000 * 10**8, "USDC": 10**8, "WBTC": 90_000 * 10**8}


def test_sqrt_price_x96__either_order__squares_to_the_price() -> None:
    forth, back = sqrt_price_x96("WETH", "USDC", _PRICES), sqrt_price_x96("USDC", "WETH", _PRICES)
    assert (forth / 2**96) ** 2 * 10**12 - 3_000 < 1e-9
    assert abs(forth * back / 2**192 - 1) < 1e-12


def test_sqrt_price_x96__perfect_square__is_exact() -> None:
    assert sqrt_price_x96("USDC", "WETH", {"WETH": 25 * 10**7, "USDC": 10**9}) == 2 * 10**6 * 2**96
