from __future__ import annotations

import pytest
from eth_abi.abi import decode

from keeper.domain.address import Address, checksum
from keeper.domain.calls import BalanceWord, Spend
from keeper.domain.depth import Hop, Route
from keeper.ports import Venue
from keeper.venues.uniswap_v3 import UniswapV3
from tests.unit.venues.uniswap_v3.chain import FACTORY, ROUTER, selector

A, B, C, RECIPIENT = (Address(bytes([at]) * 20) for at in (0x0A, 0x0B, 0x0C, 0x0E))
FIRST = Hop(pool=Address(b"\x01" * 20), venue="uniswap-v3", token_in=A, token_out=B, fee_ppm=500)
SECOND = Hop(pool=Address(b"\x02" * 20), venue="uniswap-v3", token_in=B, token_out=C, fee_ppm=3_000)
ONE, TWO, NONE = Route(hops=(FIRST,)), Route(hops=(FIRST, SECOND)), Route(hops=())
VENUE: Venue = UniswapV3(factory=FACTORY, router=ROUTER)

SINGLE = "(address,address,uint24,address,uint256,uint256,uint160)"
PATH = "(bytes,address,uint256,uint256)"
TOKENS = tuple(checksum(token).lower() for token in (A, B, C, RECIPIENT))


def arguments(data: bytes, signature: str, struct: str) -> tuple[object, ...]:
    assert data[:4] == selector(f"{signature}({struct})")
    (values,) = decode([struct], data[4:])
    return tuple(values)


def test_sell__one_pool__calls_exact_input_single_with_the_balance() -> None:
    call = VENUE.sell(ONE, amount_in_raw=10**18, least_out_raw=7, recipient=RECIPIENT)
    a, b, _, recipient = TOKENS
    assert arguments(call.data, "exactInputSingle", SINGLE) == (a, b, 500, recipient, 10**18, 7, 0)
    assert call.target == ROUTER
    assert call.spend == Spend(token=A, amount_raw=10**18)
    assert call.balance_word is not None and call.callback is None


def test_sell__two_pools__calls_exact_input_with_the_path() -> None:
    call = VENUE.sell(TWO, amount_in_raw=10**18, least_out_raw=7, recipient=RECIPIENT)
    path = A + (500).to_bytes(3) + B + (3_000).to_bytes(3) + C
    assert arguments(call.data, "exactInput", PATH) == (path, TOKENS[3], 10**18, 7)


@pytest.mark.parametrize("route", [ONE, TWO])
def test_sell__balance_word__is_where_the_amount_in_stands(route: Route) -> None:
    call = VENUE.sell(route, amount_in_raw=0x1234, least_out_raw=7, recipient=RECIPIENT)
    assert call.balance_word is not None
    offset = call.balance_word.offset
    assert call.balance_word == BalanceWord(token=A, offset=offset, minimum_raw=0x1234)
    balance = 0x5678
    replaced = call.data[:offset] + balance.to_bytes(32) + call.data[offset + 32 :]
    assert replaced == VENUE.sell(route, amount_in_raw=balance, least_out_raw=7, recipient=RECIPIENT).data


def test_buy__one_pool__calls_exact_output_single() -> None:
    call = VENUE.buy(ONE, amount_out_raw=5, most_in_raw=10**18, recipient=RECIPIENT)
    a, b, _, recipient = TOKENS
    assert arguments(call.data, "exactOutputSingle", SINGLE) == (a, b, 500, recipient, 5, 10**18, 0)
    assert call.spend == Spend(token=A, amount_raw=10**18)
    assert call.balance_word is None


def test_buy__two_pools__calls_exact_output_with_the_path_backwards() -> None:
    call = VENUE.buy(TWO, amount_out_raw=5, most_in_raw=10**18, recipient=RECIPIENT)
    path = C + (3_000).to_bytes(3) + B + (500).to_bytes(3) + A
    assert arguments(call.data, "exactOutput", PATH) == (path, TOKENS[3], 5, 10**18)
    assert call.spend == Spend(token=A, amount_raw=10**18)


def test_sell_and_buy__empty_route__raise() -> None:
    with pytest.raises(ValueError, match="empty route"):
        VENUE.sell(NONE, amount_in_raw=1, least_out_raw=0, recipient=RECIPIENT)
    with pytest.raises(ValueError, match="empty route"):
        VENUE.buy(NONE, amount_out_raw=1, most_in_raw=1, recipient=RECIPIENT)


def test_sell__nothing__raises_for_the_router_would_sell_its_own_balance() -> None:
    with pytest.raises(ValueError, match="cannot be sold"):
        VENUE.sell(ONE, amount_in_raw=0, least_out_raw=0, recipient=RECIPIENT)
