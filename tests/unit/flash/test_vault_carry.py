from __future__ import annotations

import pytest

from keeper.abi import load
from keeper.domain.address import ZERO_ADDRESS, Address, word
from keeper.flash.vault_carry import VaultCarry
from keeper.query import run
from tests.unit.flash.lending import AT, DAI, EXECUTOR, LENDER, USDC, WETH, Holding

_ABI = load("vault_loans")
ORACLE = Address(b"\x0c" * 20)
CARRIER = VaultCarry(vault=LENDER, executor=EXECUTOR, tokens=(DAI,))


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
