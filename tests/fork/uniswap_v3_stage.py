"""A devnet with pools in every fee tier, a World over it, and the real QuoterV2 to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from keeper.devnet.devnet import Devnet
from keeper.devnet.uniswap import pool_interface, sqrt_price_x96
from keeper.domain.address import ZERO_ADDRESS, Address, Hash32, address_of
from keeper.domain.depth import Pool, Route
from keeper.domain.state import Mined, StateRef
from keeper.node.blocking_rpc import RpcError
from keeper.query import Answer, Ask, Call, Query, Reverted, run
from keeper.venues.uniswap_v3 import UniswapV3, V3Pool
from keeper.venues.uniswap_v3.calls import encoded_path
from keeper.venues.uniswap_v3.tick_math import tick_at_sqrt_ratio

SPACING_BY_FEE_PPM = {100: 1, 500: 10, 3_000: 60, 10_000: 200}
_GAS = hex(10**9)
"""A swap to the end of the prices passes thousands of bitmap words."""

REACH_TICKS = 25_000
"""Further than any liquidity on this devnet: pools are read whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What QuoterV2 answers: the other amount, and the price of each pool afterwards, in the path's order."""

    amount_raw: int
    prices_after_x96: tuple[int, ...]


class Stage:
    """A World that answers calls by JSON-RPC, and counts its rounds."""

    def __init__(self, devnet: Devnet) -> None:
        self.devnet = devnet
        self.addresses = devnet.addresses
        self.venue = UniswapV3(
            factory=self.addresses.factory, router=self.addresses.router, reach_ticks=REACH_TICKS
        )
        self.rounds = 0

    # --- reading, as the keeper reads

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        """Answer a query's calls at one block, in one batch."""
        self.rounds += 1
        calls = [ask for ask in asks if isinstance(ask, Call)]
        assert len(calls) == len(asks)
        block = {"blockHash": _hex(at.hash)}
        requests = [("eth_call", ({"to": _hex(call.to), "data": _hex(call.data)}, block)) for call in calls]
        try:
            return tuple(bytes.fromhex(reply[2:]) for reply in self.devnet.anvil.rpc.batch(requests))
        except RpcError:  # one of them reverts
            return tuple(self.call(call.to, call.data) for call in calls)

    async def ask(self, query: Query[Any]) -> Any:
        """Return a query's result at the head."""
        head = self.devnet.anvil.rpc("eth_getBlockByNumber", "latest", False)
        return await run(query, Mined(hash=Hash32(bytes.fromhex(head["hash"][2:]))), self)

    async def pools(self, *pairs: tuple[str, str]) -> Mapping[Address, Pool]:
        """Return the pools of these pairs, found and read by the venue's own queries."""
        tokens = self.addresses.tokens
        named = [(tokens[one], tokens[other]) for one, other in pairs]
        found = await self.ask(self.venue.discover(named))
        loaded: Mapping[Address, Pool] = await self.ask(self.venue.load(found))
        return loaded

    # --- the real contracts' answers

    def quote(self, route: Route, *, exact_in: bool, amount: int) -> Quote | None:
        """Return QuoterV2's answer, None where it reverts."""
        answer = self.call(self.addresses.quoter, _quote_data(route, exact_in, amount))
        if isinstance(answer, Reverted):
            return None
        if len(route.hops) > 1:
            out, prices, _, _ = decode(["uint256", "uint160[]", "uint32[]", "uint256"], answer)
            return Quote(amount_raw=out, prices_after_x96=tuple(prices))
        out, price, _, _ = decode(["uint256", "uint160", "uint32", "uint256"], answer)
        return Quote(amount_raw=out, prices_after_x96=(price,))

    def call(self, to: Address, data: bytes, *, sender: Address = ZERO_ADDRESS) -> bytes | Reverted:
        """Return what a call would return to `sender` at the head."""
        call = {"from": _hex(sender), "to": _hex(to), "data": _hex(data), "gas": _GAS}
        try:
            return bytes.fromhex(self.devnet.anvil.rpc("eth_call", call, "latest")[2:])
        except RpcError as error:
            if "revert" not in str(error):
                raise
            return Reverted(b"")

    # --- pools of its own

    def make_pool(self, base: str, quote: str, fee_ppm: int, *, seed: int) -> None:
        """Create a pool at the devnet's prices, with two dozen random ranges around them."""
        draw = Random(seed)
        market, tokens = self.devnet.market.address, self.addresses.tokens
        token0, token1 = sorted((base, quote), key=lambda symbol: tokens[symbol])
        pair = (tokens[token0], tokens[token1], fee_ppm)
        self._send("factory", "createPool(address,address,uint24)", *pair)
        word = self.call(self.addresses.factory, _data("getPool(address,address,uint24)", *pair))
        assert isinstance(word, bytes)
        pool = self.devnet.contract(address_of(word), pool_interface())
        price_x96 = sqrt_price_x96(token0, token1, self.devnet.prices_base())
        pool.send("initialize", price_x96, sender=market)
        spacing = SPACING_BY_FEE_PPM[fee_ppm]
        middle = tick_at_sqrt_ratio(price_x96)
        for _ in range(24):
            lower = (middle + draw.randint(-4_000, 3_000)) // spacing
            upper = lower + draw.randint(1, max(2, 2_500 // spacing))
            liquidity_usd = 10 ** draw.uniform(5, 6.5)
            prices = self.devnet.prices_base()
            amounts = [
                int(liquidity_usd * 10**8 * 10 ** _DECIMALS[symbol] / prices[symbol])
                for symbol in (token0, token1)
            ]
            struct = "(address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256)"
            mint = (*pair, lower * spacing, upper * spacing, *amounts, 0, 0, market, 2**40)
            self._send("position_manager", f"mint({struct})", mint)

    def _send(self, contract: str, signature: str, *arguments: object) -> None:
        to: Address = getattr(self.addresses, contract)
        self.devnet.chain.send(self.devnet.market.address, to, _data(signature, *arguments), doing=signature)


_DECIMALS = {"WETH": 18, "WBTC": 8, "USDC": 6, "USDT": 6, "wstETH": 18}


@contextmanager
def staged() -> Iterator[Stage]:
    """Return a devnet with four further pools, one of each tier; it ends with the test."""
    with Devnet.start() as devnet:
        stage = Stage(devnet)
        for at, fee_ppm in enumerate(SPACING_BY_FEE_PPM):
            stage.make_pool("WBTC", "USDT", fee_ppm, seed=at)
        yield stage


def ticks_crossed(before: Pool, after: Pool) -> int:
    """Return how many initialised ticks lie between two states of a pool."""
    assert isinstance(before, V3Pool) and isinstance(after, V3Pool)
    low, high = sorted((before.state.tick, after.state.tick))
    return sum(low < tick <= high for tick in before.ticks.initialised)


def _quote_data(route: Route, exact_in: bool, amount: int) -> bytes:
    if len(route.hops) > 1:
        name = "quoteExactInput" if exact_in else "quoteExactOutput"
        return _data(f"{name}(bytes,uint256)", encoded_path(route, backwards=not exact_in), amount)
    (hop,) = route.hops
    name = "quoteExactInputSingle" if exact_in else "quoteExactOutputSingle"
    struct = "(address,address,uint256,uint24,uint160)"
    return _data(f"{name}({struct})", (hop.token_in, hop.token_out, amount, hop.fee_ppm, 0))


def _data(signature: str, *arguments: object) -> bytes:
    types = signature[signature.index("(") :]
    inner = types[1:-1] if arguments and isinstance(arguments[0], tuple) else None
    listed = [inner] if inner is not None else types[1:-1].split(",")
    return keccak(text=signature)[:4] + encode(listed, arguments)


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()
