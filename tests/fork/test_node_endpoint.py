"""One endpoint, and everything that a server can do to it, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from aiohttp import web

from keeper.devnet.faults import Delay, DropAnswer, DropRequest, Say, Truncate
from keeper.devnet.proxy import Proxy
from keeper.domain.errors import Unavailable
from keeper.domain.secret import Secret
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request, Unreachable
from tests.rpc_server import Answer, each, error, result, serving

NUMBER = Request("eth_blockNumber", ())
TOKEN = "s3cr3t-t0ken-of-16-or-more"


def echo(asked: dict[str, Any]) -> dict[str, object]:
    return result(asked, asked["params"])


def params(replies: tuple[object, ...]) -> list[object]:
    return [msgspec.json.decode(reply) for reply in replies if isinstance(reply, msgspec.Raw)]


async def read_from(answer: Answer, *requests: Request, timeout_s: float = 5.0) -> tuple[object, ...]:
    async with serving(answer) as server:
        endpoint = Endpoint(Secret(server.url), timeout_s=timeout_s)
        try:
            return await endpoint.read(requests or (NUMBER,))
        finally:
            await endpoint.close()


# --- what a decent node does --------------------------------------------------------------------------------


async def test_read__several__one_batch_replies_in_their_order() -> None:
    def shuffled(asked: Any) -> bytes:
        return json.dumps([echo(one) for one in reversed(asked)]).encode()

    async with serving(shuffled) as server:
        endpoint = Endpoint(Secret(server.url))
        replies = await endpoint.read([Request("m", [n]) for n in range(50)])
        await endpoint.close()
    assert params(replies) == [[n] for n in range(50)]
    assert len(server.bodies) == 1


async def test_read__one__is_no_batch() -> None:
    async with serving(each(echo)) as server:
        endpoint = Endpoint(Secret(server.url))
        await endpoint.read([Request("m", [1])])
        await endpoint.close()
    assert json.loads(server.bodies[0])["method"] == "m"


async def test_read__too_much_for_one_body__several_bodies() -> None:
    requests = [Request("m", [n, "x" * 400_000]) for n in range(7)]
    async with serving(each(lambda asked: result(asked, asked["params"][0]))) as server:
        endpoint = Endpoint(Secret(server.url))
        replies = await endpoint.read(requests)
        await endpoint.close()
    assert params(replies) == list(range(7))
    assert len(server.bodies) == 4
    assert max(map(len, server.bodies)) <= 1_000_000


async def test_read__node_refuses_one__its_code_message_and_data() -> None:
    def refuse(asked: dict[str, Any]) -> dict[str, object]:
        return error(asked, 3, "execution reverted", "0xdead") if asked["params"] else result(asked, "0x1")

    first, second = await read_from(each(refuse), Request("eth_call", [1]), NUMBER)
    assert isinstance(first, RpcError)
    assert (first.method, first.code, first.message, first.data) == (
        "eth_call",
        3,
        "execution reverted",
        "0xdead",
    )
    assert params((second,)) == ["0x1"]


async def test_read__error_told_with_http_400__is_the_nodes_own() -> None:
    def refuse(asked: Any) -> web.Response:
        return web.json_response(error(asked, -32602, "invalid params"), status=400)

    (reply,) = await read_from(refuse)
    assert isinstance(reply, RpcError)
    assert reply.code == -32602


async def test_read__error_without_id_to_a_single_request__is_its_error() -> None:
    (reply,) = await read_from(
        lambda _: b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse"}}'
    )
    assert isinstance(reply, RpcError)


@pytest.mark.parametrize("most", [1, 7, 40])
async def test_read__batches_of_limited_size__found_and_kept_to(most: int) -> None:
    def limited(asked: Any) -> bytes:
        if isinstance(asked, list) and len(asked) > most:
            return json.dumps({"id": None, "error": {"code": -32014, "message": "batch too large"}}).encode()
        return each(echo)(asked)

    async with serving(limited) as server:
        endpoint = Endpoint(Secret(server.url))
        requests = [Request("m", [n]) for n in range(90)]
        assert params(await endpoint.read(requests)) == [[n] for n in range(90)]
        learning = len(server.bodies)
        assert params(await endpoint.read(requests)) == [[n] for n in range(90)]
        await endpoint.close()
    sizes = [len(asked) if isinstance(asked := json.loads(body), list) else 1 for body in server.bodies]
    assert max(sizes[learning:]) <= most


# --- what no node should do ---------------------------------------------------------------------------------

BATCH = (NUMBER, NUMBER)


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        (b"", (NUMBER,)),
        (b"<html>502 Bad Gateway</html>", (NUMBER,)),
        (b'{"jsonrpc":"2.0","id":0,"resul', (NUMBER,)),
        (b'{"jsonrpc":"2.0","id":0}', (NUMBER,)),
        (b'{"jsonrpc":"2.0","id":7,"result":"0x1"}', (NUMBER,)),
        (b'{"jsonrpc":"2.0","id":0,"error":"no"}', (NUMBER,)),
        (b'"0x1"', (NUMBER,)),
        (b"null", (NUMBER,)),
        (b"[]", (NUMBER,)),
        (b"[]", BATCH),
        (b'[{"id":0,"result":"0x1"}]', BATCH),
        (b'[{"id":0,"result":"0x1"},{"id":0,"result":"0x1"}]', BATCH),
        (b'[{"id":0,"result":"0x1"},null]', BATCH),
        (b'{"id":0,"result":"0x1"}', BATCH),
        (b"\xff\xfe\x00", (NUMBER,)),
        (b'{"id":0,"error":{"code":429,"message":"slow down"}}', (NUMBER,)),
        (b'{"id":null,"error":{"code":-32005,"message":"rate limit exceeded"}}', BATCH),
        (b'[{"id":0,"result":"0x1"},{"id":1,"error":{"code":429,"message":"slow down"}}]', BATCH),
    ],
)
async def test_read__garbage__unavailable(answer: bytes, requests: tuple[Request, ...]) -> None:
    with pytest.raises(Unavailable):
        await read_from(lambda _: answer, *requests)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 413, 429, 500, 502, 503])
async def test_read__http_error__unavailable_with_its_status(status: int) -> None:
    location = {"Location": "http://127.0.0.1:1/"} if status == 301 else {}
    with pytest.raises(Unavailable, match=f"HTTP {status}"):
        await read_from(lambda _: web.Response(status=status, text="no", headers=location))


async def test_read__rate_limit_with_a_json_body__unavailable() -> None:
    def limit(asked: Any) -> web.Response:
        return web.json_response(result(asked, "0x1"), status=429)

    with pytest.raises(Unavailable, match="HTTP 429"):
        await read_from(limit)


async def test_read__hangs__unavailable_in_time() -> None:
    async with serving(each(echo)) as server, Proxy(server.url) as proxy:
        proxy.add(None, Delay(30.0))
        endpoint = Endpoint(Secret(proxy.url), timeout_s=0.3)
        began = time.monotonic()
        with pytest.raises(Unavailable, match=r"no answer within 0\.3 s"):
            await endpoint.read([NUMBER])
        assert time.monotonic() - began < 2.0
        await endpoint.close()


async def test_read__trickles_for_ever__unavailable_in_time() -> None:
    gone = asyncio.Event()

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        gone.set()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        endpoint = Endpoint(Secret(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), timeout_s=0.3)
        with pytest.raises(Unavailable, match="no answer within"):
            await endpoint.read([NUMBER])
        await endpoint.close()
        await gone.wait()


@pytest.mark.parametrize("fault", [DropRequest(), DropAnswer(), Truncate(), Say(200, b"\x00" * 100)])
async def test_read__connection_cut_or_bent__unavailable_then_well_again(fault: Any) -> None:
    async with serving(each(echo)) as server, Proxy(server.url) as proxy:
        proxy.add(None, fault, times=1)
        endpoint = Endpoint(Secret(proxy.url))
        with pytest.raises(Unavailable):
            await endpoint.read([Request("m", [1])])
        assert params(await endpoint.read([Request("m", [1])])) == [[1]]
        await endpoint.close()


async def test_read__nobody_listens__unreachable() -> None:
    endpoint = Endpoint(Secret("http://127.0.0.1:1"))
    with pytest.raises(Unreachable, match="no connection: Connection refused"):
        await endpoint.read([NUMBER])
    await endpoint.close()


async def test_read__no_such_host__unreachable() -> None:
    endpoint = Endpoint(Secret("http://no-such-host.invalid"))
    with pytest.raises(Unreachable):
        await endpoint.read([NUMBER])
    await endpoint.close()


# --- sending ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [DropRequest(), DropAnswer(), Say(503), Say(200, b"{"), Delay(3.0)])
async def test_send__any_fault__is_sent_once_and_its_fate_left_open(fault: Any) -> None:
    async with serving(each(echo)) as server, Proxy(server.url) as proxy:
        endpoint = Endpoint(Secret(proxy.url), timeout_s=0.5)
        await endpoint.send(Request("warm", []))  # so that a connection is there to be reused
        proxy.add("eth_sendRawTransaction", fault)
        with pytest.raises(Unavailable) as raised:
            await endpoint.send(Request("eth_sendRawTransaction", ["0x02"]))
        assert not isinstance(raised.value, Unreachable)
        await asyncio.sleep(0.1)
        assert proxy.seen.count(("eth_sendRawTransaction",)) == 1
        await endpoint.close()


# --- secrets ------------------------------------------------------------------------------------------------


async def test_errors_and_repr__key_in_the_url__shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def quoting(asked: Any) -> web.Response:
        return web.json_response(error(asked, -32000, f"invalid key {TOKEN} for /v3/{TOKEN}"))

    said: list[str] = []
    async with serving(quoting) as server:
        host = server.url.removeprefix("http://")
        urls = [
            f"http://{host}/v3/{TOKEN}",
            f"http://{host}/?apikey={TOKEN}",
            f"http://{TOKEN}:{TOKEN}@{host}/",
            f"http://127.0.0.1:1/v3/{TOKEN}",
            f"http://no-such-host.invalid/{TOKEN}",
        ]
        for url in urls:
            endpoint = Endpoint(Secret(url, shown="http://host/…", parts=[TOKEN]), timeout_s=2.0)
            said += [repr(endpoint), str(endpoint)]
            try:
                (reply,) = await endpoint.read([NUMBER])
                said += [str(reply), repr(reply)]
            except Unavailable as problem:
                said += [str(problem), repr(problem), repr(problem.__cause__)]
            await endpoint.close()
    assert any("invalid key ***" in one for one in said)
    assert any("no connection" in one for one in said)
    assert TOKEN not in " ".join(said) + caplog.text


async def test_read__password_in_the_url__reaches_the_server() -> None:
    async with serving(each(echo)) as server:
        url = server.url.replace("http://", f"http://user:{TOKEN}@")
        endpoint = Endpoint(Secret(url))
        await endpoint.read([NUMBER])
        await endpoint.close()
    assert server.headers[0]["Authorization"].startswith("Basic ")
