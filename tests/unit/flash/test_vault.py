from __future__ import annotations

import pytest

from keeper.abi import load
from keeper.domain.address import ZERO_ADDRESS, Address, word
from keeper.domain.funding import Offer
from keeper.flash.vault import VaultCarry, VaultFlash
from keeper.query import run
from tests.unit.flash.lending import AT, DAI, EXECUTOR, LENDER, USDC, WETH, Holding

_ABI = load("vault_loans")
TOKENS = [WETH, USDC, DAI]
ORACLE = Address(b"\x0c" * 20)
CARRIER = VaultCarry(vault=LENDER, executor=EXECUTOR, tokens=(DAI,))


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


def _terms(left_raw: int, least_wad: int, oracle: Address) -> bytes:
    return left_raw.to_bytes(32) + least_wad.to_bytes(32) + word(oracle) + word(ORACLE)


@pytest.mark.parametrize("trusted", [True, False])
async def test_load__what_the_owner_allows__as_far_as_anything_is_left(trusted: bool) -> None:
    asked: dict[tuple[Address, bytes], int | bytes] = {
        (LENDER, _ABI.function("lendsTo").encode(EXECUTOR)): int(trusted),
        (LENDER, _ABI.function("carriage").encode(WETH, DAI)): _terms(50, 7, ORACLE),
        (LENDER, _ABI.function("carriage").encode(USDC, DAI)): _terms(0, 7, ZERO_ADDRESS),
    }
    world = Holding({(WETH, LENDER): 70, (USDC, LENDER): 60}, asked)
    found = await run(CARRIER.load([WETH, USDC, DAI]), AT, world)
    assert world.rounds == 1
    assert [(one.spent, one.carried, one.left_raw, one.stock_raw, one.least_wad) for one in found] == (
        [(WETH, DAI, 50, 70, 7)] if trusted else []
    )
    assert all(one.by_oracle for one in found)
