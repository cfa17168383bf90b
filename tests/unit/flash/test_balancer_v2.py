from __future__ import annotations

from keeper.abi import load
from keeper.domain.address import word
from keeper.domain.funding import Offer
from keeper.flash.balancer_v2 import BalancerV2Flash
from keeper.query import run
from tests.unit.flash.lending import AT, COLLECTOR, EXECUTOR, LENDER, USDC, WETH, Holding

_VAULT = load("balancer_v2_vault")
_FEE = load("balancer_v2_fees_collector").function("getFlashLoanFeePercentage").encode()


def world(*, fee_wad: int = 0, paused: int = 0) -> Holding:
    return Holding(
        {(WETH, LENDER): 7, (USDC, LENDER): 0},
        {
            (LENDER, _VAULT.function("getProtocolFeesCollector").encode()): int.from_bytes(COLLECTOR),
            (LENDER, _VAULT.function("getPausedState").encode()): paused,
            (COLLECTOR, _FEE): fee_wad,
        },
    )


async def test_load__first_and_again__what_lies_in_it_at_the_fee_of_the_moment() -> None:
    lender, at_first = BalancerV2Flash(vault=LENDER), world()
    assert await run(lender.load([WETH, USDC]), AT, at_first) == (Offer(token=WETH, available_raw=7),)
    dearer = world(fee_wad=10**15)
    (offer,) = await run(lender.load([WETH, USDC]), AT, dearer)
    assert (offer.fee_raw(1), offer.fee_raw(1_000), offer.fee_raw(1_001)) == (1, 1, 2)
    assert (at_first.rounds, dearer.rounds) == (2, 1)


async def test_load__paused__nothing() -> None:
    assert await run(BalancerV2Flash(vault=LENDER).load([WETH]), AT, world(paused=1)) == ()


def test_call__loan__is_transferred_back_with_its_fee() -> None:
    offer = Offer(token=WETH, available_raw=10**6, premium_wad=10**15)
    call = BalancerV2Flash(vault=LENDER).call(offer, amount_raw=1_001, executor=EXECUTOR)
    assert call.data[:4].hex() == "5c38449e"  # flashLoan(address,address[],uint256[],bytes)
    assert call.data[-32:] == bytes(32)
    assert call.callback is not None and call.callback.repay is None
    assert call.callback.selector.hex() == "f04f2707"
    assert call.callback.program_argument == 3
    payback = call.callback.payback
    assert payback is not None and payback.target == WETH
    assert payback.data == bytes.fromhex("a9059cbb") + word(LENDER) + (1_003).to_bytes(32)
