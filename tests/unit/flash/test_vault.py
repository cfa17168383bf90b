from __future__ import annotations

import pytest

from keeper.abi import load
from keeper.domain.address import word
from keeper.domain.funding import Offer
from keeper.flash.vault import VaultFlash
from keeper.query import run
from tests.unit.flash.lending import AT, DAI, EXECUTOR, LENDER, USDC, WETH, Holding

_ABI = load("vault_loans")
TOKENS = [WETH, USDC, DAI]


@pytest.mark.parametrize(
    ("lends", "caps_raw", "offered"),
    [
        (1, (100, 0, 50), {WETH: 70, DAI: 50}),
        (1, (10, 5, 0), {WETH: 10, USDC: 5}),
        (1, (0, 0, 0), {}),
        (0, (100, 100, 100), {}),
    ],
    ids=["up to what lies there", "up to the caps", "no caps", "not to this executor"],
)
async def test_load__caps__as_the_owner_set_them(
    lends: int, caps_raw: tuple[int, ...], offered: dict[bytes, int]
) -> None:
    caps = {
        (LENDER, _ABI.function("cap").encode(token)): cap for token, cap in zip(TOKENS, caps_raw, strict=True)
    }
    lends_to = {(LENDER, _ABI.function("lendsTo").encode(EXECUTOR)): lends}
    world = Holding({(WETH, LENDER): 70, (USDC, LENDER): 60, (DAI, LENDER): 80}, {**caps, **lends_to})
    offers = await run(VaultFlash(vault=LENDER, executor=EXECUTOR).load(TOKENS), AT, world)
    assert {offer.token: offer.available_raw for offer in offers} == offered
    assert world.rounds == 1


def test_call__loan__is_transferred_back_as_it_was() -> None:
    call = VaultFlash(vault=LENDER, executor=EXECUTOR).call(
        Offer(token=WETH, available_raw=70), amount_raw=50, executor=EXECUTOR
    )
    assert call.data == _ABI.function("lend").encode(WETH, 50, b"")
    assert call.callback is not None and call.callback.payback is not None
    assert (call.callback.caller, call.callback.program_argument, call.callback.repay) == (LENDER, 2, None)
    assert call.callback.payback.data == bytes.fromhex("a9059cbb") + word(LENDER) + (50).to_bytes(32)
