"""Forks: how their pools are found and told apart, and how their routers are called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_abi.abi import decode, encode

from keeper.domain.address import ZERO_ADDRESS, Address, checksum, word
from keeper.domain.depth import Hop, Route
from keeper.domain.state import StateRef
from keeper.query import Answer, Ask, Call, Reverted, run
from keeper.venues.uniswap_v3 import PANCAKE, SLIPSTREAM, SUSHI, UNISWAP, Fork, UniswapV3
from keeper.venues.uniswap_v3.tick_math import sqrt_ratio_at_tick
from tests.unit.venues.uniswap_v3.chain import AT, FACTORY, ROUTER, selector

A, B, C, RECIPIENT, POOL = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C, 0x0E, 0x77))
FORKS = (UNISWAP, SUSHI, PANCAKE, SLIPSTREAM)
TEXT = {token: checksum(token).lower() for token in (A, B, C, RECIPIENT)}


class Slipstream:
    """One pool of tick spacing 100, whose slot0 has six words, and whose fee is what is said now."""

    def __init__(self) -> None:
        self.fee_ppm = 400

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        return tuple(self._answer(ask) for ask in asks if isinstance(ask, Call))

    def _answer(self, call: Call) -> Answer:
        if call.to == FACTORY:
            assert call.data[:4] == selector("getPool(address,address,int24)")
            return word(POOL if int.from_bytes(call.data[-32:]) == 100 else ZERO_ADDRESS)
        match call.data[:4]:
            case known if known == selector("slot0()"):
                types = ["uint160", "int24", "uint16", "uint16", "uint16", "bool"]
                return encode(types, [sqrt_ratio_at_tick(0), 0, 0, 1, 1, True])
            case known if known == selector("liquidity()"):
                return encode(["uint128"], [10**18])
            case known if known == selector("fee()"):
                return encode(["uint24"], [self.fee_ppm])
            case known if known == selector("tickSpacing()"):
                return encode(["int24"], [100])
            case known if known == selector("token0()"):
                return word(A)
            case known if known == selector("token1()"):
                return word(B)
            case known if known == selector("tickBitmap(int16)"):
                return bytes(32)
            case _:
                return Reverted(b"")


async def test_discover__slipstream__asks_by_tick_spacing() -> None:
    venue = UniswapV3(factory=FACTORY, router=ROUTER, fork=SLIPSTREAM)
    assert await run(venue.discover([(B, A)]), AT, Slipstream()) == (POOL,)


async def test_load__fee_that_changes__is_the_one_of_the_moment() -> None:
    venue, chain = UniswapV3(factory=FACTORY, router=ROUTER, fork=SLIPSTREAM), Slipstream()
    first = (await run(venue.load([POOL]), AT, chain))[POOL]
    chain.fee_ppm = 2_000
    again = (await run(venue.load([POOL]), AT, chain))[POOL]
    assert (first.fee_ppm, again.fee_ppm) == (400, 2_000)
    assert (first.tier, again.tier) == (100, 100)
    assert (first.venue, first.tokens) == ("slipstream", (A, B))
    assert first.sell(A, 10**15).amount_out_raw > again.sell(A, 10**15).amount_out_raw


def hop(token_in: Address, token_out: Address, *, fee_ppm: int, tier: int | None = None) -> Hop:
    return Hop(
        pool=POOL, venue="uniswap-v3", token_in=token_in, token_out=token_out, fee_ppm=fee_ppm, tier=tier
    )


@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.name)
def test_calls__every_fork__name_the_pool_and_the_amounts_as_its_router_reads_them(fork: Fork) -> None:
    venue = UniswapV3(factory=FACTORY, router=ROUTER, fork=fork)
    tier = 100 if fork.by_tick_spacing else None
    one = Route(hops=(hop(A, B, fee_ppm=500, tier=tier),))
    two = Route(hops=(*one.hops, hop(B, C, fee_ppm=500, tier=tier)))
    kind = "int24" if fork.by_tick_spacing else "uint24"
    deadline = ["uint256"] if fork.routers_deadline else []
    single = ["address", "address", kind, "address", *deadline, "uint256", "uint256", "uint160"]
    path = ["bytes", "address", *deadline, "uint256", "uint256"]
    told = tier or 500

    def arguments(data: bytes, name: str, types: list[str]) -> tuple[object, ...]:
        struct = f"({','.join(types)})"
        assert data[:4] == selector(f"{name}({struct})")
        (values,) = decode([struct], data[4:])
        values = tuple(values)
        if not deadline:
            return values
        at = len(types) - (4 if types[-1] == "uint160" else 3)
        assert values[at] > 10**12
        return values[:at] + values[at + 1 :]

    sell = venue.sell(one, amount_in_raw=77, least_out_raw=7, recipient=RECIPIENT)
    pool = (TEXT[A], TEXT[B], told, TEXT[RECIPIENT])
    assert arguments(sell.data, "exactInputSingle", single) == (*pool, 77, 7, 0)
    sell_on = venue.sell(two, amount_in_raw=77, least_out_raw=7, recipient=RECIPIENT)
    way = A + told.to_bytes(3) + B + told.to_bytes(3) + C
    assert arguments(sell_on.data, "exactInput", path) == (way, TEXT[RECIPIENT], 77, 7)
    buy = venue.buy(one, amount_out_raw=7, most_in_raw=77, recipient=RECIPIENT)
    assert arguments(buy.data, "exactOutputSingle", single) == (*pool, 7, 77, 0)
    buy_on = venue.buy(two, amount_out_raw=7, most_in_raw=77, recipient=RECIPIENT)
    way = C + told.to_bytes(3) + B + told.to_bytes(3) + A
    assert arguments(buy_on.data, "exactOutput", path) == (way, TEXT[RECIPIENT], 7, 77)
    for call in (sell, sell_on):
        assert call.balance_word is not None
        at = call.balance_word.offset
        assert int.from_bytes(call.data[at : at + 32]) == 77


def test_forks__by_name__are_told_apart() -> None:
    assert len({fork.name for fork in FORKS}) == len(FORKS)
