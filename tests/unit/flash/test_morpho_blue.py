from __future__ import annotations

from keeper.domain.calls import Spend
from keeper.domain.funding import Offer
from keeper.flash.morpho_blue import MorphoBlueFlash
from keeper.query import run
from tests.unit.flash.lending import AT, DAI, EXECUTOR, LENDER, USDC, WETH, Holding


async def test_load__tokens_it_has_and_has_not__all_it_has_for_nothing_in_one_round() -> None:
    world = Holding({(WETH, LENDER): 7, (USDC, LENDER): 0})
    offers = await run(MorphoBlueFlash(morpho=LENDER).load([WETH, USDC, DAI]), AT, world)
    assert offers == (Offer(token=WETH, available_raw=7),)
    assert offers[0].fee_raw(7) == 0 and offers[0].pool is None
    assert world.rounds == 1


def test_call__loan__is_pulled_back_and_ends_in_an_empty_program() -> None:
    call = MorphoBlueFlash(morpho=LENDER).call(
        Offer(token=WETH, available_raw=7), amount_raw=5, executor=EXECUTOR
    )
    assert call.target == LENDER and call.data[-32:] == bytes(32) and call.spend is None
    assert call.data[:4].hex() == "e0232b42"  # flashLoan(address,uint256,bytes)
    assert call.callback is not None and call.callback.payback is None
    assert call.callback.selector.hex() == "31f57072"  # onMorphoFlashLoan(uint256,bytes)
    assert (call.callback.caller, call.callback.program_argument) == (LENDER, 1)
    assert call.callback.repay == Spend(token=WETH, amount_raw=5)
