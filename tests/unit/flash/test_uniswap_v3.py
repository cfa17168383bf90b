from __future__ import annotations

import pytest

from keeper.abi import load
from keeper.domain.address import word
from keeper.domain.funding import Offer
from keeper.flash.uniswap_v3 import UniswapV3Flash
from keeper.query import run
from tests.unit.flash.lending import AT, DAI, EXECUTOR, LENDER, POOL, USDC, WETH, Holding

_GET_POOL = load("uniswap_v3_factory").function("getPool")
_LIQUIDITY = load("uniswap_v3_pool").function("liquidity").encode()


def world(*, liquidity: int = 9) -> Holding:
    """A factory, LENDER, with one pool of WETH and USDC at 0.05 %."""
    asked = [
        (pair, fee) for pair in ((WETH, USDC), (WETH, DAI), (USDC, DAI)) for fee in (100, 500)
    ]  # each the lower address first
    found = {
        (LENDER, _GET_POOL.encode(*pair, fee)): int.from_bytes(POOL) * (pair == (WETH, USDC) and fee == 500)
        for pair, fee in asked
    }
    return Holding({(WETH, POOL): 7, (USDC, POOL): 8}, {**found, (POOL, _LIQUIDITY): liquidity})


async def test_load__first_and_again__each_side_of_each_pool() -> None:
    lender, at_first, again = UniswapV3Flash(factory=LENDER, beside=(USDC, WETH)), world(), world()
    offers = await run(lender.load([WETH, USDC, DAI]), AT, at_first)
    assert offers == tuple(
        Offer(token=token, available_raw=raw, premium_wad=5 * 10**14, pool=POOL)
        for token, raw in ((WETH, 7), (USDC, 8))
    )
    assert await run(lender.load([WETH, USDC, DAI]), AT, again) == offers
    assert (at_first.rounds, again.rounds) == (2, 1)


async def test_load__pool_without_liquidity_in_range__lends_nothing() -> None:
    lender = UniswapV3Flash(factory=LENDER, beside=(USDC, WETH))
    assert await run(lender.load([WETH, USDC]), AT, world(liquidity=0)) == ()


@pytest.mark.parametrize("callback", ["uniswapV3FlashCallback", "pancakeV3FlashCallback"])
async def test_call__either_side__asks_for_it_and_pays_the_pool_back(callback: str) -> None:
    lender = UniswapV3Flash(factory=LENDER, beside=(USDC, WETH), callback=callback)
    for place, offer in enumerate(await run(lender.load([WETH, USDC]), AT, world())):
        call = lender.call(offer, amount_raw=3_001, executor=EXECUTOR)
        amounts = (3_001, 0) if place == 0 else (0, 3_001)
        assert call.target == POOL
        assert call.data == load("uniswap_v3_flash").function("flash").encode(EXECUTOR, *amounts, b"")
        assert call.callback is not None and call.callback.payback is not None
        assert call.callback.selector == load("uniswap_v3_flash").function(callback).selector
        assert call.callback.payback.target == offer.token
        owed = (3_001 + 2).to_bytes(32)  # 1.5005, rounded up
        assert call.callback.payback.data == bytes.fromhex("a9059cbb") + word(POOL) + owed


def test_call__offer_of_no_pool_of_its__raises() -> None:
    lender = UniswapV3Flash(factory=LENDER, beside=())
    with pytest.raises(ValueError, match="none of these pools"):
        lender.call(Offer(token=WETH, available_raw=1, pool=POOL), amount_raw=1, executor=EXECUTOR)
