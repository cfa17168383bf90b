"""What the pool lends, for what, and the call: its answers here are a World's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.abi import load
from keeper.domain.address import Address, Hash32, word
from keeper.domain.calls import Spend
from keeper.domain.errors import Broken
from keeper.domain.funding import Offer
from keeper.domain.state import Mined, StateRef
from keeper.flash.aave_v3 import AaveV3Flash
from keeper.query import Answer, Ask, Call, Reverted, run

POOL = Address(b"\x99" * 20)
EXECUTOR = Address(b"\x77" * 20)
LENT, UNLISTED, PAUSED, INACTIVE, CLOSED = (Address(bytes([n]) * 20) for n in range(1, 6))
A_TOKEN = Address(b"\xa0" * 20)
_ABI = load("aave_v3_pool")
_ACTIVE, _PAUSED, _LENDS = 1 << 56, 1 << 60, 1 << 63
_BITMAPS = {
    LENT: _ACTIVE | _LENDS,
    UNLISTED: 0,
    PAUSED: _ACTIVE | _LENDS | _PAUSED,
    INACTIVE: _LENDS,
    CLOSED: _ACTIVE,
}


class Pool:
    """A World in which a pool of these reserves, each with 500 of cash, answers."""

    def __init__(self, *, revision: int = 10) -> None:
        self.rounds = 0
        self.revision = revision

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return tuple(self._one(ask) for ask in asks)

    def _one(self, ask: Ask) -> Answer:
        assert isinstance(ask, Call)
        if ask.data == load("erc20").function("balanceOf").encode(A_TOKEN) and ask.to in _BITMAPS:
            return (400).to_bytes(32, "big")
        if ask.to != POOL:
            return Reverted(b"")
        if ask.data == _ABI.function("POOL_REVISION").encode():
            return self.revision.to_bytes(32, "big")
        if ask.data == _ABI.function("FLASHLOAN_PREMIUM_TOTAL").encode():
            return (5).to_bytes(32, "big")
        if ask.data.startswith(_ABI.function("getReserveData").selector):
            words = [0] * 15
            words[0], words[8] = _BITMAPS[Address(ask.data[-20:])], int.from_bytes(A_TOKEN)
            return b"".join(each.to_bytes(32, "big") for each in words)
        assert ask.data.startswith(_ABI.function("getVirtualUnderlyingBalance").selector)
        return Reverted(b"") if self.revision < 4 else (500).to_bytes(32, "big")


async def test_load__reserves_of_every_kind__only_those_that_lend_in_one_round() -> None:
    world = Pool()
    query = AaveV3Flash(pool=POOL).load([LENT, UNLISTED, PAUSED, INACTIVE, CLOSED])
    offers = await run(query, Mined(hash=Hash32(bytes(32))), world)
    assert offers == (Offer(token=LENT, available_raw=500, premium_wad=5 * 10**14, holder=A_TOKEN),)
    assert world.rounds == 1


async def test_load__pool_without_virtual_balances__lends_what_its_a_tokens_have() -> None:
    world = Pool(revision=1)
    query = AaveV3Flash(pool=POOL).load([LENT, UNLISTED, PAUSED])
    offers = await run(query, Mined(hash=Hash32(bytes(32))), world)
    assert offers == (
        Offer(token=LENT, available_raw=400, premium_wad=5 * 10**14, half_up=True, holder=A_TOKEN),
    )
    assert world.rounds == 2


@pytest.mark.parametrize(("revision", "half_up"), [(1, True), (7, True), (8, True), (9, False), (11, False)])
async def test_load__pool_revision__says_how_the_premium_rounds(revision: int, half_up: bool) -> None:
    query = AaveV3Flash(pool=POOL).load([LENT])
    offers = await run(query, Mined(hash=Hash32(bytes(32))), Pool(revision=revision))
    assert [offer.half_up for offer in offers] == [half_up]


async def test_load__no_pool_there__is_broken() -> None:
    with pytest.raises(Broken):
        await run(AaveV3Flash(pool=EXECUTOR).load([LENT]), Mined(hash=Hash32(bytes(32))), Pool())


@pytest.mark.parametrize(
    ("amount_raw", "fee_raw"), [(0, 0), (1, 1), (2_000, 1), (2_001, 2), (10**18, 5 * 10**14)]
)
def test_fee_raw__premium_of_five_bps__rounds_up(amount_raw: int, fee_raw: int) -> None:
    assert Offer(token=LENT, available_raw=0, premium_wad=5 * 10**14).fee_raw(amount_raw) == fee_raw


@pytest.mark.parametrize(("amount_raw", "fee_raw"), [(0, 0), (999, 0), (1_000, 1), (2_999, 1), (3_000, 2)])
def test_fee_raw__pool_that_rounds_half_up__does_too(amount_raw: int, fee_raw: int) -> None:
    offer = Offer(token=LENT, available_raw=0, premium_wad=5 * 10**14, half_up=True)
    assert offer.fee_raw(amount_raw) == fee_raw


def test_call__loan__ends_in_an_empty_program_and_names_its_callback() -> None:
    call = AaveV3Flash(pool=POOL).call(
        Offer(token=LENT, available_raw=0, premium_wad=5 * 10**14), amount_raw=1_000, executor=EXECUTOR
    )
    assert call.target == POOL
    assert call.spend is None
    assert call.data == bytes.fromhex("42b0b77c") + word(EXECUTOR) + word(LENT) + b"".join(
        number.to_bytes(32, "big") for number in (1_000, 5 * 32, 0, 0)
    )
    assert call.callback is not None
    assert call.callback.caller == POOL
    assert call.callback.selector.hex() == "1b11d0ff"
    assert (call.callback.initiator_argument, call.callback.program_argument) == (3, 4)
    assert call.callback.answer == (1).to_bytes(32, "big")
    assert call.callback.repay == Spend(token=LENT, amount_raw=1_001)


def test_name__pool__protocol_and_checksummed_address() -> None:
    assert (
        AaveV3Flash(pool=Address(b"\xaa" * 20)).name == "aave-v3:0xaAaAaAaaAaAaAaaAaAAAAAAAAaaaAaAaAaaAaaAa"
    )
