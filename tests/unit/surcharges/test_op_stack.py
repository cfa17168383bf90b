"""The OP stack's fees as lines over what a transaction's data and gas are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from keeper.abi import load
from keeper.domain.address import Hash32
from keeper.domain.errors import Broken
from keeper.domain.state import Mined, StateRef
from keeper.query import Answer, Ask, Call, Reverted, run
from keeper.surcharges.op_stack import GAS_PRICE_ORACLE, OpStackSurcharge

AT = Mined(hash=Hash32(bytes(32)))
_ABI = load("op_gas_price_oracle")


class Oracle:
    """Of a chain that knows the bound, the fee of given data, the operator's fee, or only some of them."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.rounds = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return tuple(self._answer(ask) for ask in asks if isinstance(ask, Call))

    def _answer(self, call: Call) -> Answer:
        assert call.to == GAS_PRICE_ORACLE
        (name,) = (one.name for one in _ABI.functions if one.selector == call.data[:4])
        if name not in self.known:
            return Reverted(b"")
        (argument,) = _ABI.function(name).arguments(call.data)
        match name:
            case "getL1FeeUpperBound":
                return (1_000 + 7 * argument).to_bytes(32)
            case "getL1Fee":
                assert len(set(argument)) > 100, "data that does not compress"
                return (2_000 + 9 * len(argument)).to_bytes(32)
            case _:
                return (argument * 3 * 100 + 50).to_bytes(32)


@pytest.mark.parametrize(
    ("known", "wei"),
    [
        (("getL1FeeUpperBound", "getL1Fee", "getOperatorFee"), 1_000 + 7 * 560 + 300 * 10**6 + 50),
        (("getL1FeeUpperBound", "getL1Fee"), 1_000 + 7 * 560),
        (("getL1Fee",), 2_000 + 9 * 560),
    ],
    ids=["Isthmus", "Fjord", "before"],
)
async def test_load__every_upgrade__the_fees_it_has_in_one_round(known: tuple[str, ...], wei: int) -> None:
    oracle = Oracle(*known)
    surcharge = await run(OpStackSurcharge().load(), AT, oracle)
    assert surcharge.wei(calldata_bytes=500, gas_used=10**6) == wei
    assert oracle.rounds == 1


async def test_load__no_oracle__is_broken() -> None:
    with pytest.raises(Broken, match="tells no fee"):
        await run(OpStackSurcharge().load(), AT, Oracle())
