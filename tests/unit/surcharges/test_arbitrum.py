from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_utils.crypto import keccak

from keeper.domain.address import Hash32
from keeper.domain.errors import Broken
from keeper.domain.state import Mined, StateRef
from keeper.query import Answer, Ask, Call, Reverted, run
from keeper.surcharges.arbitrum import ARB_GAS_INFO, ArbitrumSurcharge

AT = Mined(hash=Hash32(bytes(32)))


class GasInfo:
    def __init__(self, answer: Answer) -> None:
        self._told = answer

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        assert asks == [Call(ARB_GAS_INFO, keccak(text="getPricesInWei()")[:4])]
        return (self._told,)


async def test_load__prices__each_byte_and_the_envelope() -> None:
    told = b"".join(price.to_bytes(32) for price in (5, 11, 1, 2, 3, 5))
    surcharge = await run(ArbitrumSurcharge().load(), AT, GasInfo(told))
    assert surcharge.wei(calldata_bytes=0, gas_used=10**6) == 5 + 140 * 11
    assert surcharge.wei(calldata_bytes=700, gas_used=0) == 5 + 840 * 11


@pytest.mark.parametrize("answer", [Reverted(b""), b"", bytes(64)])
async def test_load__no_arbitrum__is_broken(answer: Answer) -> None:
    with pytest.raises(Broken):
        await run(ArbitrumSurcharge().load(), AT, GasInfo(answer))
