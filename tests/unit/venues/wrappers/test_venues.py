"""What wrappers are asked, and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from eth_utils.crypto import keccak

from keeper.domain.address import Address, Hash32, word
from keeper.domain.calls import BalanceWord
from keeper.domain.depth import Hop, Route
from keeper.domain.state import Mined, StateRef
from keeper.ports import Venue
from keeper.query import Answer, Ask, Call, Reverted, run
from keeper.venues.wrappers import Erc20Wrappers, Erc4626, Wrapper, WstEth

AT = Mined(hash=Hash32(bytes(32)))
VAULT, ASSET, WSTETH, STETH, PLAIN, HOLDER, EXECUTOR = (Address(bytes([at]) * 20) for at in range(1, 8))


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


class Chain:
    """A vault of the asset, Lido's two tokens, and a plain wrapper that has 900 of the asset."""

    def __init__(self, preview: Callable[[int], int] = lambda shares: shares * 11 // 10) -> None:
        self.preview = preview
        self.limit_raw: Answer = (500).to_bytes(32)
        self.held_raw = 600
        self.rounds = 0

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        self.rounds += 1
        return tuple(self._answer(ask) for ask in asks if isinstance(ask, Call))

    def _answer(self, call: Call) -> Answer:
        argument = int.from_bytes(call.data[4:36])
        match call.to, call.data[:4]:
            case (to, known) if to == VAULT and known == selector("asset()"):
                return word(ASSET)
            case (to, known) if to == VAULT and known == selector("previewRedeem(uint256)"):
                return self.preview(argument).to_bytes(32)
            case (to, known) if to == VAULT and known == selector("maxRedeem(address)"):
                return self.limit_raw
            case (to, known) if to == VAULT and known == selector("balanceOf(address)"):
                return self.held_raw.to_bytes(32)
            case (to, known) if to == WSTETH and known == selector("stETH()"):
                return word(STETH)
            case (to, known) if to == STETH and known == selector("getTotalPooledEther()"):
                return (12 * 10**24).to_bytes(32)
            case (to, known) if to == STETH and known == selector("getTotalShares()"):
                return (10**25).to_bytes(32)
            case (to, known) if to == PLAIN and known == selector("underlying()"):
                return word(ASSET)
            case (to, known) if to == ASSET and known == selector("balanceOf(address)"):
                return (900 if argument == int.from_bytes(PLAIN) else 0).to_bytes(32)
            case (to, _) if to == PLAIN:
                return b"\1" * 64  # says something to everything
            case _:
                return Reverted(b"")


async def loaded(venue: Venue, chain: Chain, token: Address) -> Wrapper:
    found = await run(venue.discover([(token, ASSET)]), AT, chain)
    assert found == (token,)
    pool = (await run(venue.load(found), AT, chain))[token]
    assert isinstance(pool, Wrapper)
    return pool


async def test_erc4626__tokens_of_all_kinds__only_the_vault_is_one() -> None:
    pairs = [(VAULT, ASSET), (WSTETH, PLAIN), (STETH, HOLDER)]
    chain = Chain()
    assert await run(Erc4626().discover(pairs), AT, chain) == (VAULT,)
    assert chain.rounds == 1


@pytest.mark.parametrize(
    "preview",
    [
        lambda shares: shares,
        lambda shares: shares * 11 // 10,
        lambda shares: shares * 1_234_567_890_123 // 10**24,
        lambda shares: shares * (10**24 + 1) // (7 * 10**23 + 10**6),
        lambda shares: shares * 999 * 1_043_219_876_543_210_987_654_321_000 // (1_000 * 10**27),
    ],
)
async def test_erc4626__any_line__its_slope_to_the_unit(preview: Callable[[int], int]) -> None:
    chain = Chain(preview)
    pool = await loaded(Erc4626(), chain, VAULT)
    for shares in (1, 9, 10, 999_999, 10**18, 3 * 10**25 + 1, 7 * 10**26):
        assert pool.sell(VAULT, shares).amount_out_raw == preview(shares)


@pytest.mark.parametrize(
    "preview",
    [
        lambda shares: max(shares - 10**9, 0),
        lambda shares: min(shares, 10**20),
        lambda shares: -(-shares * 11 // 10),
    ],
    ids=["a fixed fee", "a ceiling", "rounded up"],
)
async def test_erc4626__no_line__is_left_out(preview: Callable[[int], int]) -> None:
    venue, chain = Erc4626(), Chain(preview)
    await run(venue.discover([(VAULT, ASSET)]), AT, chain)
    assert await run(venue.load([VAULT]), AT, chain) == {}


async def test_erc4626__limit__is_what_a_holder_could_redeem() -> None:
    chain = Chain()
    assert (await loaded(Erc4626(), chain, VAULT)).most_raw > 10**30
    assert (await loaded(Erc4626(holders=(HOLDER,)), chain, VAULT)).most_raw == 500
    chain.limit_raw = Reverted(b"")
    assert (await loaded(Erc4626(holders=(HOLDER,)), chain, VAULT)).most_raw == 0
    chain.held_raw = 0
    assert (await loaded(Erc4626(holders=(HOLDER,)), chain, VAULT)).most_raw > 10**30


async def test_wsteth__its_rate__is_that_of_the_shares() -> None:
    chain, venue = Chain(), WstEth(wsteth=WSTETH)
    assert await run(venue.discover([(VAULT, ASSET)]), AT, chain) == ()
    pool = await loaded(venue, chain, WSTETH)
    assert pool.asset == STETH
    assert pool.sell(WSTETH, 10**18).amount_out_raw == 12 * 10**17
    chain.rounds = 0
    assert await run(venue.load([WSTETH]), AT, chain) == {WSTETH: pool}
    assert chain.rounds == 1


async def test_erc20_wrapper__configured__one_for_one_up_to_what_lies_in_it() -> None:
    pool = await loaded(Erc20Wrappers(wrappers=(PLAIN,)), Chain(), PLAIN)
    assert (pool.most_raw, pool.sell(PLAIN, 700).amount_out_raw) == (900, 700)
    assert await run(Erc20Wrappers(wrappers=()).discover([(PLAIN, ASSET)]), AT, Chain()) == ()


CALLS = [
    (Erc4626(), VAULT, "redeem(uint256,address,address)", 4, "withdraw(uint256,address,address)"),
    (WstEth(wsteth=WSTETH), WSTETH, "unwrap(uint256)", 4, "unwrap(uint256)"),
    (
        Erc20Wrappers(wrappers=(PLAIN,)),
        PLAIN,
        "withdrawTo(address,uint256)",
        36,
        "withdrawTo(address,uint256)",
    ),
]


@pytest.mark.parametrize(
    ("venue", "token", "sells", "offset", "buys"), CALLS, ids=["erc4626", "wsteth", "erc20-wrapper"]
)
async def test_calls__every_wrapper__unwraps_to_the_executor_and_approves_nothing(
    venue: Venue, token: Address, sells: str, offset: int, buys: str
) -> None:
    route = Route(hops=(Hop(pool=token, venue=venue.name, token_in=token, token_out=ASSET, fee_ppm=0),))
    sell = venue.sell(route, amount_in_raw=77, least_out_raw=0, recipient=EXECUTOR)
    assert (sell.target, sell.data[:4], sell.spend) == (token, selector(sells), None)
    assert sell.balance_word == BalanceWord(token=token, offset=offset, minimum_raw=77)
    assert int.from_bytes(sell.data[offset : offset + 32]) == 77
    if isinstance(venue, WstEth):
        with pytest.raises(ValueError, match="never read"):
            venue.buy(route, amount_out_raw=66, most_in_raw=60, recipient=EXECUTOR)
        await run(venue.load([WSTETH]), AT, Chain())
    buy = venue.buy(route, amount_out_raw=66, most_in_raw=60, recipient=EXECUTOR)
    assert (buy.target, buy.data[:4], buy.spend, buy.balance_word) == (token, selector(buys), None, None)
    asked = 55 if buys.startswith("unwrap") else 66
    assert asked.to_bytes(32) in buy.data
    for others in (Route(hops=()), Route(hops=route.hops * 2)):
        with pytest.raises(ValueError, match="a wrapper is one hop"):
            venue.sell(others, amount_in_raw=77, least_out_raw=0, recipient=EXECUTOR)
