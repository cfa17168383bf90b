"""A JSON-RPC server that says what a test wants said: a real one, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class Server:
    """Where it listens, and what it was sent."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


Answer = Callable[[Any], "bytes | web.Response"]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    """Yield a server that answers each HTTP request by what `answer` makes of its JSON."""
    server = Server()

    async def handle(request: web.Request) -> web.Response:
        body = await request.read()
        server.bodies.append(body)
        server.headers.append(dict(request.headers))
        said = answer(json.loads(body))
        return said if isinstance(said, web.Response) else web.Response(body=said)

    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def result(asked: dict[str, Any], value: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": asked["id"], "result": value}


def error(asked: dict[str, Any], code: int, message: str, data: object = None) -> dict[str, object]:
    return {
        "jsonrpc": "2.0",
        "id": asked["id"],
        "error": {"code": code, "message": message, **({} if data is None else {"data": data})},
    }


def each(one: Callable[[dict[str, Any]], dict[str, object]]) -> Callable[[Any], bytes]:
    """Answer batches and single requests alike, request by request."""

    def answer(asked: Any) -> bytes:
        said = [one(request) for request in asked] if isinstance(asked, list) else one(asked)
        return json.dumps(said).encode()

    return answer
