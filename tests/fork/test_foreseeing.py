"""Pending reports on a real Anvil: whom they let fall is told before they are in a block, and is so then."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from keeper.devnet import Devnet
from keeper.devnet.own import compile_own
from keeper.domain.address import Address
from keeper.domain.events import Degraded, Event, Foreseen
from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.domain.state import Mined
from keeper.live.world import LiveWorld
from keeper.node.head_socket import HeadSocket
from keeper.node.pending_socket import PendingSocket
from keeper.query import run
from tests.fork.foreseer_stage import foreseer
from tests.fork.keeper_stage import Stage, aave_book, morpho_book, stage
from tests.fork.sockets import answering
from tests.fork.test_watcher_branches import options_for


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    books = [aave_book(manual_devnet), morpho_book(manual_devnet)]
    async with stage(manual_devnet, options_for(manual_devnet), books=books) as keeper:
        seen = await keeper.engine.observe(await keeper.head())
        pricing, world = keeper.watcher.pricing, LiveWorld(keeper.endpoints)
        await run(pricing.look(keeper.watcher.current), Mined(hash=seen.head.hash), world)
        yield keeper


@asynccontextmanager
async def foreseeing(on: Stage, url: str, *, most_a_second: int = 2_000) -> AsyncIterator[list[Event]]:
    """Yield what is heard of a socket's pending transactions."""
    socket = PendingSocket(Secret(url), most_a_second=most_a_second)
    async with foreseer(on, socket=socket) as (_, heard):
        await asyncio.sleep(0.2)  # until it listens
        yield heard


async def until(heard: list[Event], kind: type[Event], *, within_s: float = 5.0) -> Event:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := [event for event in heard if isinstance(event, kind)]:
            return found[0]
        await asyncio.sleep(0.01)
    raise AssertionError(f"no {kind.__name__} in {heard}")


def report(on: Stage, symbol: str, answer: int, *, sender: Address | None = None) -> str:
    """Post a feed's report, and return the transaction's hash."""
    aggregator = on.devnet.contract(
        on.devnet.addresses.aggregators[symbol], compile_own()["SettableAggregator"].interface
    )
    return aggregator.post("transmit", answer, sender=sender or on.devnet.market.address)


async def test_foreseer__a_report_is_pending__those_whom_it_lets_fall_are_known_before_it_is_mined(
    on: Stage,
) -> None:
    before = await on.head()
    standing = {one.position for one in (await on.engine.observe(before)).opportunities}
    async with foreseeing(on, on.devnet.anvil.ws_url) as heard:
        sent = report(on, "WETH", 2_500 * 10**8)
        seen = await until(heard, Foreseen)
    assert isinstance(seen, Foreseen)
    assert (await on.head(), "0x" + seen.transaction.hash.hex()) == (before, sent)
    assert {(one.token.symbol, one.loan.symbol if one.loan else None) for one in seen.prices} == {
        ("WETH", None),
        ("WETH", "USDC"),
        ("wstETH", "WETH"),
    }
    assert seen.positions
    on.devnet.mine()
    fallen = {one.position: one.health for one in (await on.engine.observe(await on.head())).opportunities}
    assert {position for position, _ in seen.positions} == fallen.keys() - standing
    for position, health_factor_wad in seen.positions:
        assert fallen[position].health_factor_wad == pytest.approx(health_factor_wad, rel=1e-7)


async def test_foreseer__reports_that_change_nothing_or_revert__nothing_is_told(on: Stage) -> None:
    market = on.watcher.books[0].market
    is_base = next(one.price_base for one in market.reserves.values() if one.token.symbol == "WETH")
    stranger = on.devnet.owner.address
    async with foreseeing(on, on.devnet.anvil.ws_url) as heard:
        for _ in range(40):
            report(on, "WETH", 1, sender=stranger)
        report(on, "WETH", is_base)
        report(on, "WBTC", 60_000 * 10**8)
        seen = await until(heard, Foreseen)
    assert isinstance(seen, Foreseen)
    assert {one.token.symbol for one in seen.prices} == {"WBTC"}
    assert [event for event in heard if not isinstance(event, Foreseen)] == []


# --- sockets that mean no good ------------------------------------------------------------------------------


@asynccontextmanager
async def saying(message: Callable[[int], str]) -> AsyncIterator[str]:
    """Yield the URL of a socket that says one thing after another, as fast as it is taken."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        number = 0
        while request.transport is not None and not request.transport.is_closing():
            await socket.send_str(message(number))
            number += 1
            await asyncio.sleep(0)
        return socket

    async with answering(handle) as url:
        yield url


def told(result: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": {"result": result}})


async def head_delays_s(on: Stage, count: int = 5) -> list[float]:
    """Return how long each of some heads took from being mined to being heard of."""
    delays: list[float] = []
    heads = HeadSocket(Secret(on.devnet.anvil.ws_url)).heads()
    assert await anext(heads) is None
    for _ in range(count):
        began_s = time.monotonic()
        await asyncio.to_thread(on.devnet.mine)
        while not isinstance(await anext(heads), Head):
            pass
        delays.append(time.monotonic() - began_s)
    await heads.aclose()
    return delays


async def test_foreseer__a_flood__heads_come_as_ever_and_the_rest_is_thrown_away(on: Stage) -> None:
    aggregator = "0x" + on.devnet.addresses.aggregators["WETH"].hex()

    def flood(number: int) -> str:
        """Calls to a feed that revert, and hashes of nothing."""
        if number % 3 == 0:
            return told(f"0x{number:064x}")
        sender = f"0x{number:040x}"
        return told({"hash": f"0x{number:064x}", "from": sender, "to": aggregator, "input": "0xdeadbeef"})

    quiet = await head_delays_s(on)
    async with saying(flood) as url, foreseeing(on, url, most_a_second=300) as heard:
        loud = await head_delays_s(on)
        complained = await until(heard, Degraded)
    assert "more come in a second than are read" in str(complained)
    assert not any(isinstance(event, Foreseen) for event in heard)
    assert max(loud) < max(quiet) + 1.0  # seconds: a thread that were starved would hear of none


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[]",
        "{}",
        "\x00" * 100,
        told(7),
        told("0x12"),
        told({"hash": "0x", "from": "0x", "to": "0x"}),
        told({"hash": "0x" + "zz" * 32, "from": "0x" + "aa" * 20, "to": "0x" + "aa" * 20}),
        told({"hash": "0x" + "11" * 32, "from": "0x" + "aa" * 20, "to": None}),
        told({"hash": "0x" + "11" * 32, "from": "0x" + "aa" * 20, "to": "0x" + "aa" * 20, "input": 5}),
    ],
    ids=range(10),
)
async def test_pending_socket__garbage__passed_over_and_listened_on(message: str) -> None:
    good = told("0x" + "ab" * 32)
    async with saying(lambda number: good if number == 50 else message) as url:
        found = PendingSocket(Secret(url), most_a_second=10**6).transactions()
        assert await asyncio.wait_for(anext(found), 5.0) == b"\xab" * 32
        await found.aclose()


async def test_foreseer__a_socket_that_refuses__said_once(on: Stage) -> None:
    refusal = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}})
    async with saying(lambda number: refusal) as url, foreseeing(on, url) as heard:
        refused = await until(heard, Degraded)
    assert isinstance(refused, Degraded)
    assert "does not tell of pending transactions" in refused.why
    assert len(heard) == 1
