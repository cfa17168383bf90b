"""Heads of a real Anvil, by polling and by WebSocket: none left out, none twice, whatever breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from keeper.devnet.faults import Delay, DropAnswer, Say
from keeper.devnet.proxy import Proxy
from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.node import heads as heads_module
from keeper.node.anvil import Anvil
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.node.head_socket import HeadSocket
from keeper.node.heads import Heads
from tests.fork.sockets import answering
from tests.rpc_server import each, error, result, serving


class Follower:
    """Collects what `Heads` yields."""

    def __init__(self, heads: Heads) -> None:
        self._stream = heads.follow()
        self.heads: list[Head] = []
        self._came = asyncio.Condition()
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async with aclosing(self._stream):
            async for head in self._stream:
                async with self._came:
                    self.heads.append(head)
                    self._came.notify_all()

    async def until(self, number: int, *, within_s: float = 5.0) -> Head:
        """Return the first head of that height, once it came."""
        async with asyncio.timeout(within_s), self._came:
            await self._came.wait_for(lambda: any(head.number == number for head in self.heads))
        return next(head for head in self.heads if head.number == number)

    @property
    def numbers(self) -> list[int]:
        return [head.number for head in self.heads]

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def following(
    url: str, *, ws_url: str | None = None, poll_s: float = 0.02, silence_s: float = 30.0
) -> AsyncIterator[Follower]:
    endpoints = Endpoints([Endpoint(Secret(url), timeout_s=1.0)], patience_s=0.2)
    socket = None if ws_url is None else HeadSocket(Secret(ws_url), silence_s=silence_s, timeout_s=1.0)
    follower = Follower(Heads(endpoints, socket=socket, poll_s=poll_s))
    try:
        yield follower
    finally:
        await follower.stop()
        await endpoints.close()


def mine(anvil: Anvil, blocks: int = 1) -> None:
    anvil.rpc("anvil_mine", hex(blocks))


@pytest.fixture
def anvil() -> Any:
    with Anvil() as running:
        yield running


@pytest.mark.parametrize("by", ["polling", "websocket"])
async def test_follow__blocks_one_by_one__each_once_linked_and_whole(anvil: Anvil, by: str) -> None:
    async with following(anvil.url, ws_url=anvil.ws_url if by == "websocket" else None) as follower:
        await follower.until(0)
        for number in range(1, 6):
            await asyncio.to_thread(mine, anvil)
            head = await follower.until(number)
            raw = await asyncio.to_thread(anvil.rpc, "eth_getBlockByNumber", hex(number), False)
            assert "0x" + head.hash.hex() == raw["hash"]
            assert head.base_fee_wei == int(raw["baseFeePerGas"], 16)
            assert head.timestamp_s == int(raw["timestamp"], 16)
        assert follower.numbers == [0, 1, 2, 3, 4, 5]
        assert all(b.parent == a.hash for a, b in zip(follower.heads, follower.heads[1:], strict=False))


async def test_follow__websocket_works__endpoint_is_not_polled(anvil: Anvil) -> None:
    async with Proxy(anvil.url) as proxy, following(proxy.url, ws_url=anvil.ws_url) as follower:
        await follower.until(0)
        await asyncio.sleep(0.5)
        for number in range(1, 4):
            await asyncio.to_thread(mine, anvil)
            await follower.until(number)
        assert proxy.count("eth_getBlockByNumber") <= 2


async def test_follow__several_blocks_between_two_looks__all_passed_on_in_order(anvil: Anvil) -> None:
    async with following(anvil.url) as follower:
        await follower.until(0)
        await asyncio.to_thread(mine, anvil, 20)
        await follower.until(20)
        assert follower.numbers == list(range(21))


async def test_follow__gap_too_wide__only_the_newest(anvil: Anvil) -> None:
    async with following(anvil.url, poll_s=0.3) as follower:
        await follower.until(0)
        await asyncio.to_thread(mine, anvil, heads_module._WIDEST_GAP + 5)
        await follower.until(heads_module._WIDEST_GAP + 5)
        assert len(follower.heads) == 2


def _block(number: int) -> dict[str, str]:
    return {
        "number": hex(number),
        "hash": "0x" + number.to_bytes(32, "big").hex(),
        "parentHash": "0x" + (number - 1).to_bytes(32, "big").hex(),
        "timestamp": hex(number),
        "gasUsed": "0x0",
        "gasLimit": "0x1",
        "miner": "0x" + "00" * 20,
        "baseFeePerGas": "0x1",
    }


@pytest.mark.parametrize("between", ["refused", "nowhere", "of another branch"])
async def test_follow__gap_can_not_be_filled__newest_is_passed_on_all_the_same(between: str) -> None:
    latest = 10

    def block(asked: dict[str, Any]) -> dict[str, object]:
        if asked["method"] == "eth_chainId":
            return result(asked, "0x1")
        if asked["params"][0] == "latest":
            return result(asked, _block(latest))
        if between == "refused":
            return error(asked, -32603, "internal error")
        wrong = _block(int(asked["params"][0], 16)) | {"hash": "0x" + "99" * 32}
        return result(asked, None if between == "nowhere" else wrong)

    async with serving(each(block)) as server, following(server.url) as follower:
        await follower.until(10)
        latest = 15
        await follower.until(15)
        assert follower.numbers == [10, 15]
        assert any(len(json.loads(body)) == 4 for body in server.bodies), "it was asked for"


@pytest.mark.parametrize("by", ["polling", "websocket"])
async def test_follow__reorg__new_branch_is_passed_on(anvil: Anvil, by: str) -> None:
    mine(anvil, 5)
    async with following(anvil.url, ws_url=anvil.ws_url if by == "websocket" else None) as follower:
        old = await follower.until(5)
        await asyncio.to_thread(anvil.rpc, "anvil_reorg", 3, [])
        await asyncio.to_thread(mine, anvil)
        newest = await follower.until(6)
        canonical = await asyncio.to_thread(anvil.rpc, "eth_getBlockByNumber", "0x5", False)
        assert canonical["hash"] != "0x" + old.hash.hex()
        assert "0x" + newest.parent.hex() == canonical["hash"]
        hashes = [head.hash for head in follower.heads]
        assert len(hashes) == len(set(hashes))


async def test_follow__chain_goes_back__the_lower_head_is_passed_on(anvil: Anvil) -> None:
    mine(anvil, 5)
    async with following(anvil.url) as follower:
        await follower.until(5)
        await asyncio.to_thread(anvil.rpc, "anvil_rollback", 2)
        await asyncio.to_thread(anvil.rpc, "evm_increaseTime", 7)
        await asyncio.to_thread(mine, anvil)
        await asyncio.sleep(0.1)
        await asyncio.to_thread(mine, anvil, 2)
        await follower.until(6)
        hashes = [head.hash for head in follower.heads]
        assert len(hashes) == len(set(hashes))
        assert follower.heads[-1].number == 6


@pytest.mark.parametrize("fault", [Say(500), DropAnswer(), Say(200, b"{"), Say(429), Delay(2.0)])
async def test_follow__endpoint_fails_for_a_while__goes_on_with_what_was_missed(
    anvil: Anvil, fault: Any
) -> None:
    async with Proxy(anvil.url) as proxy, following(proxy.url) as follower:
        await follower.until(0)
        proxy.add(None, fault, times=4)
        await asyncio.to_thread(mine, anvil, 3)
        await follower.until(3, within_s=15.0)
        assert follower.numbers == [0, 1, 2, 3]


async def test_follow__anvil_hangs__goes_on_when_it_wakes(anvil: Anvil) -> None:
    async with following(anvil.url) as follower:
        await follower.until(0)
        anvil.pause()
        await asyncio.sleep(1.5)
        anvil.resume()
        await asyncio.to_thread(mine, anvil)
        await follower.until(1, within_s=10.0)


# --- sockets that fail --------------------------------------------------------------------------------------


@asynccontextmanager
async def socket_server(anvil: Anvil, *, mode: str) -> AsyncIterator[str]:
    """Yield the URL of a WebSocket that misbehaves: ``deaf``, ``cut``, ``garbage``, ``refuse``, ``http``."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if mode == "http":
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if mode == "cut":
            await socket.receive()
            await socket.close()
            return socket
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(
                    {
                        "deaf": '{"jsonrpc":"2.0","id":1,"result":"0x1"}',
                        "garbage": '{"params":{"result":{"number":"zzz"}}}',
                        "refuse": '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}',
                    }[mode]
                )
        return socket

    async with answering(handle) as url:
        yield url


@pytest.mark.parametrize("mode", ["deaf", "cut", "garbage", "refuse", "http"])
async def test_follow__socket_that_misbehaves__heads_come_by_polling(anvil: Anvil, mode: str) -> None:
    async with (
        socket_server(anvil, mode=mode) as ws_url,
        following(anvil.url, ws_url=ws_url, silence_s=0.2) as follower,
    ):
        await follower.until(0)
        for number in range(1, 4):
            await asyncio.to_thread(mine, anvil)
            await follower.until(number)
        assert follower.numbers == [0, 1, 2, 3]


async def test_follow__socket_breaks_and_comes_back__is_used_again(
    anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads_module, "_SOCKET_REST_S", 0.3)
    links: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", int(anvil.url.rsplit(":", 1)[1]))
        links.extend((writer, to))

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pipe(reader, to), pipe(there, writer), return_exceptions=True)

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with following(anvil.url, ws_url=f"ws://127.0.0.1:{port}") as follower:
            await follower.until(0)
            await asyncio.to_thread(mine, anvil)
            await follower.until(1)
            for link in links:
                link.close()
            links.clear()
            for number in (2, 3):
                await asyncio.to_thread(mine, anvil)
                await follower.until(number)
            await asyncio.sleep(0.6)
            assert links, "it connected again"
            await asyncio.to_thread(mine, anvil)
            await follower.until(4)
            assert follower.numbers == [0, 1, 2, 3, 4]
        for link in links:
            link.close()
