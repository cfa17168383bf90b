"""A World that holds nothing but Uniswap V3 pools, written with a general ABI codec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.state import Mined, StateRef
from keeper.query import Answer, Ask, Call, Reverted
from keeper.venues.uniswap_v3 import V3Pool

AT = Mined(hash=Hash32(bytes(32)))
FACTORY, ROUTER = Address(b"\xfa" * 20), Address(b"\x40" * 20)


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


class Chain:
    """Answers for these pools as the contracts do, and keeps what it was asked, batch by batch."""

    def __init__(self, pools: Sequence[V3Pool], *, odd: Mapping[Address, Answer] | None = None) -> None:
        self._pools = {pool.address: pool for pool in pools}
        self._odd = odd or {}
        self.batches: list[list[Call]] = []

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        calls = [ask for ask in asks if isinstance(ask, Call)]
        assert len(calls) == len(asks) and at == AT
        self.batches.append(calls)
        return tuple(self._answer(call) for call in calls)

    def _answer(self, call: Call) -> Answer:
        if call.to in self._odd:
            return self._odd[call.to]
        if call.to == FACTORY:
            return self._get_pool(call.data)
        pool = self._pools.get(call.to)
        if pool is None:
            return b""
        key, ticks, state = pool.key, pool.ticks, pool.state
        match call.data[:4], call.data[4:]:
            case (known, _) if known == selector("token0()"):
                return encode(["address"], [key.token0])
            case (known, _) if known == selector("token1()"):
                return encode(["address"], [key.token1])
            case (known, _) if known == selector("fee()"):
                return encode(["uint24"], [key.fee_ppm])
            case (known, _) if known == selector("tickSpacing()"):
                return encode(["int24"], [key.tick_spacing])
            case (known, _) if known == selector("liquidity()"):
                return encode(["uint128"], [state.liquidity])
            case (known, _) if known == selector("slot0()"):
                types = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
                tick = state.tick if state.sqrt_price_x96 else 0
                return encode(types, [state.sqrt_price_x96, tick, 0, 1, 1, 0, True])
            case (known, argument) if known == selector("tickBitmap(int16)"):
                (word,) = decode(["int16"], argument)
                places = [divmod(tick // key.tick_spacing, 256) for tick in ticks.initialised]
                return encode(["uint256"], [sum(1 << bit for at, bit in places if at == word)])
            case (known, argument) if known == selector("ticks(int24)"):
                (tick,) = decode(["int24"], argument)
                net = dict(zip(ticks.initialised, ticks.liquidity_net, strict=True)).get(tick, 0)
                types = ["uint128", "int128", "uint256", "uint256", "int56", "uint160", "uint32", "bool"]
                return encode(types, [abs(net), net, 0, 0, 0, 0, 0, net != 0])
            case _:
                return Reverted(b"")

    def _get_pool(self, data: bytes) -> bytes:
        assert data[:4] == selector("getPool(address,address,uint24)")
        one, other, fee = decode(["address", "address", "uint24"], data[4:])
        tokens = {bytes.fromhex(one[2:]), bytes.fromhex(other[2:])}
        found = [p.address for p in self._pools.values() if set(p.tokens) == tokens and p.fee_ppm == fee]
        return encode(["address"], [found[0] if found else ZERO_ADDRESS])
