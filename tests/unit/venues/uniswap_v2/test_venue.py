"""What a V2 venue asks the chain, and what it has the executor call."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from keeper.domain.address import ZERO_ADDRESS, Address, Hash32, checksum, word
from keeper.domain.calls import BalanceWord, Spend
from keeper.domain.depth import Hop, Route
from keeper.domain.state import Mined, StateRef
from keeper.ports import Venue
from keeper.query import Answer, Ask, Call, Reverted, run
from keeper.venues.uniswap_v2 import UniswapV2, V2Pool

A, B, C, RECIPIENT = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C, 0x0E))
FACTORY, ROUTER, AB, BC = (Address(bytes([at]) * 20) for at in (0xFA, 0x40, 0x51, 0x52))
AT = Mined(hash=Hash32(bytes(32)))
RESERVES = {AB: (10**20, 3 * 10**11), BC: (7, 0)}
ONE = Route(hops=(Hop(pool=AB, venue="uniswap-v2", token_in=A, token_out=B, fee_ppm=3_000),))
TWO = Route(
    hops=(*ONE.hops, Hop(pool=BC, venue="uniswap-v2", token_in=B, token_out=C, fee_ppm=3_000)),
)


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


class Chain:
    """Answers for a factory with two pairs, and keeps what it was asked, batch by batch."""

    def __init__(self, *, reserves: bytes | None = None) -> None:
        self.batches: list[list[Ask]] = []
        self._reserves = reserves

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.batches.append(list(asks))
        return tuple(self._answer(ask) for ask in asks if isinstance(ask, Call))

    def _answer(self, call: Call) -> Answer:
        if call.to == FACTORY:
            assert call.data[:4] == selector("getPair(address,address)")
            return word({A + B: AB, B + C: BC}.get(call.data[16:36] + call.data[48:68], ZERO_ADDRESS))
        if call.to not in RESERVES:
            return Reverted(b"")
        if call.data == selector("getReserves()"):
            return (
                encode(["uint112", "uint112", "uint32"], [*RESERVES[call.to], 9])
                if not self._reserves
                else self._reserves
            )
        assert call.data in (selector("token0()"), selector("token1()"))
        tokens = {AB: (A, B), BC: (B, C)}[call.to]
        return word(tokens[call.data == selector("token1()")])


def venue() -> UniswapV2:
    return UniswapV2(factory=FACTORY, router=ROUTER)


async def test_discover__pairs_either_way_round__each_once_in_one_round() -> None:
    chain = Chain()
    found = await run(venue().discover([(B, A), (A, B), (C, B), (A, C)]), AT, chain)
    assert found == (AB, BC)
    assert [len(batch) for batch in chain.batches] == [3]


async def test_load__first_and_again__its_tokens_are_asked_for_once() -> None:
    there, chain = venue(), Chain()
    first = await run(there.load([AB, BC, AB]), AT, chain)
    again = await run(there.load([AB, BC]), AT, chain)
    assert first == again
    assert first[AB] == V2Pool(
        address=AB,
        venue="uniswap-v2",
        token0=A,
        token1=B,
        reserve0_raw=10**20,
        reserve1_raw=3 * 10**11,
        fee_ppm=3_000,
    )
    assert [len(batch) for batch in chain.batches] == [6, 2]


@pytest.mark.parametrize("odd", [b"\0" * 31, b"\0" * 32])
async def test_load__no_pair__is_left_out(odd: bytes) -> None:
    assert await run(venue().load([Address(b"\x99" * 20)]), AT, Chain()) == {}
    assert await run(venue().load([AB]), AT, Chain(reserves=odd)) == {}


def test_fork__other_name_and_fee__its_pairs_have_them() -> None:
    fork: Venue = UniswapV2(factory=FACTORY, router=ROUTER, name="pancake-v2", fee_ppm=2_500)
    assert fork.name == "pancake-v2"


@pytest.mark.parametrize(("route", "path"), [(ONE, (A, B)), (TWO, (A, B, C))])
def test_sell__route__the_whole_balance_along_its_path(route: Route, path: tuple[Address, ...]) -> None:
    call = venue().sell(route, amount_in_raw=0x1234, least_out_raw=7, recipient=RECIPIENT)
    signature = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
    assert call.data[:4] == selector(signature)
    amount, least, tokens, to, deadline = decode(
        ["uint256", "uint256", "address[]", "address", "uint256"], call.data[4:]
    )
    assert (amount, least, to) == (0x1234, 7, checksum(RECIPIENT).lower())
    assert tokens == tuple(checksum(token).lower() for token in path)
    assert deadline > 10**12
    assert call.target == ROUTER
    assert call.spend == Spend(token=A, amount_raw=0x1234)
    assert call.balance_word == BalanceWord(token=A, offset=4, minimum_raw=0x1234)
    more = venue().sell(route, amount_in_raw=0x5678, least_out_raw=7, recipient=RECIPIENT)
    assert call.data[:4] + (0x5678).to_bytes(32) + call.data[36:] == more.data


def test_buy__route__exactly_so_much_for_at_most_so_much() -> None:
    call = venue().buy(TWO, amount_out_raw=5, most_in_raw=900, recipient=RECIPIENT)
    assert call.data[:4] == selector("swapTokensForExactTokens(uint256,uint256,address[],address,uint256)")
    assert decode(["uint256", "uint256"], call.data[4:68]) == (5, 900)
    assert call.spend == Spend(token=A, amount_raw=900)
    assert call.balance_word is None


def test_calls__empty_route__raises() -> None:
    with pytest.raises(ValueError, match="empty route"):
        venue().sell(Route(hops=()), amount_in_raw=1, least_out_raw=0, recipient=RECIPIENT)
    with pytest.raises(ValueError, match="empty route"):
        venue().buy(Route(hops=()), amount_out_raw=1, most_in_raw=1, recipient=RECIPIENT)
