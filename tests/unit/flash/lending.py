"""A World in which lenders hold tokens, and answer what else is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.abi import load
from keeper.domain.address import Address, Hash32
from keeper.domain.state import Mined, StateRef
from keeper.query import Answer, Ask, Call, Reverted

AT = Mined(hash=Hash32(bytes(32)))
WETH, USDC, DAI, LENDER, EXECUTOR, COLLECTOR, POOL = (Address(bytes([at]) * 20) for at in range(1, 8))
_BALANCE = load("erc20").function("balanceOf")


class Holding:
    """Answers balances by (token, holder), and other calls by (contract, data)."""

    def __init__(
        self,
        held_raw: Mapping[tuple[Address, Address], int],
        others: Mapping[tuple[Address, bytes], int | bytes] | None = None,
    ) -> None:
        self._held_raw = held_raw
        self._others = others or {}
        self.rounds = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return tuple(self._answer(ask) for ask in asks if isinstance(ask, Call))

    def _answer(self, call: Call) -> Answer:
        if (other := self._others.get((call.to, call.data))) is not None:
            return other if isinstance(other, bytes) else other.to_bytes(32)
        if call.data[:4] == _BALANCE.selector:
            held = self._held_raw.get((call.to, Address(call.data[-20:])))
            return Reverted(b"") if held is None else held.to_bytes(32)
        return Reverted(b"")
