"""Several endpoints as one: reads move on and are tried again, sends reach at most one, at most once."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from keeper.devnet.faults import Delay, DropAnswer, DropRequest, Say
from keeper.devnet.proxy import Proxy
from keeper.domain.errors import ConfigError, Inconsistent, Unavailable
from keeper.domain.role import Role
from keeper.domain.secret import Secret
from keeper.node import wire
from keeper.node.anvil import Anvil
from keeper.node.endpoint import Endpoint, Request, Unreachable
from keeper.node.endpoints import Endpoints
from tests.rpc_server import each, result, serving

SEND = Request("eth_sendRawTransaction", ["0x02"])
NOBODY = "http://127.0.0.1:1"


def node(asked: dict[str, Any]) -> dict[str, object]:
    return result(asked, "0x1" if asked["method"] == "eth_chainId" else asked["params"])


@asynccontextmanager
async def proxied(count: int = 2) -> AsyncIterator[list[Proxy]]:
    """Yield proxies in front of one well-behaved server."""
    async with serving(each(node)) as server:
        proxies = [await Proxy(server.url).__aenter__() for _ in range(count)]
        try:
            yield proxies
        finally:
            for proxy in proxies:
                await proxy.__aexit__(None, None, None)


@asynccontextmanager
async def joined(*urls: str, timeout_s: float = 2.0, **options: Any) -> AsyncIterator[Endpoints]:
    endpoints = Endpoints([Endpoint(Secret(url), timeout_s=timeout_s) for url in urls], **options)
    try:
        yield endpoints
    finally:
        await endpoints.close()


async def ask(endpoints: Endpoints) -> object:
    (reply,) = await endpoints.ask(Request("m", [1]))
    assert isinstance(reply, msgspec.Raw)
    return msgspec.json.decode(reply)


# --- reads --------------------------------------------------------------------------------------------------


async def test_ask__first_is_well__second_is_not_asked() -> None:
    async with proxied() as (one, two), joined(one.url, two.url) as endpoints:
        assert await ask(endpoints) == [1]
        assert (one.count("m"), two.count("m")) == (1, 0)


@pytest.mark.parametrize("fault", [DropRequest(), DropAnswer(), Say(503), Say(200, b"garbage"), Delay(9.0)])
async def test_ask__first_fails__second_answers_and_first_rests(fault: Any) -> None:
    async with proxied() as (one, two), joined(one.url, two.url, timeout_s=0.5) as endpoints:
        one.add(None, fault)
        assert await ask(endpoints) == [1]
        seen = len(one.seen)
        assert await ask(endpoints) == [1]
        assert len(one.seen) == seen
        assert two.count("m") == 2


async def test_ask__first_is_well_again__preferred_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with proxied() as (one, two), joined(one.url, two.url) as endpoints:
        one.add("m", Say(500), times=1)
        await ask(endpoints)
        time.sleep(0.6)  # its rest
        await ask(endpoints)
        assert (one.count("m"), two.count("m")) == (1, 1)
    assert [record.message.split()[-1] for record in caplog.records] == ["500", "again"]


async def test_ask__only_one_and_it_stumbles__tried_again() -> None:
    async with proxied(1) as (one,), joined(one.url) as endpoints:
        one.add("m", DropAnswer(), times=3)
        assert await ask(endpoints) == [1]
        assert one.count("m") == 4


async def test_ask__all_down__unavailable_once_patience_is_over() -> None:
    async with joined(NOBODY, NOBODY, patience_s=0.3) as endpoints:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="no connection"):
            await ask(endpoints)
        assert 0.2 < time.monotonic() - began < 3.0


async def test_read__state_unknown_to_one_node__asked_of_the_others_and_again() -> None:
    async with proxied() as (one, two), joined(one.url, two.url) as endpoints:
        asked: list[str] = []

        async def job(endpoint: Endpoint) -> str:
            asked.append(str(endpoint))
            if len(asked) < 4:
                raise Inconsistent("not here yet")
            return "here"

        assert await endpoints.read(job) == "here"


async def test_read__state_unknown_to_all__inconsistent_soon() -> None:
    async with proxied() as (one, two), joined(one.url, two.url) as endpoints:

        async def job(_: Endpoint) -> str:
            raise Inconsistent("gone")

        began = time.monotonic()
        with pytest.raises(Inconsistent, match="gone"):
            await endpoints.read(job)
        assert time.monotonic() - began < 2.0


# --- which chain --------------------------------------------------------------------------------------------


async def test_chain_id__asked__is_the_nodes() -> None:
    with Anvil(chain_id=10) as anvil:
        async with joined(anvil.url) as endpoints:
            assert await endpoints.chain_id() == 10


async def test_ask__on_another_chain_than_configured__names_endpoint_and_chains() -> None:
    with Anvil(chain_id=10) as anvil:
        async with joined(anvil.url, chain_id=1) as endpoints:
            with pytest.raises(ConfigError, match=r"KEEPER_RPC_URLS: .* is on chain 10, expected 1"):
                await ask(endpoints)


async def test_ask__stand_in_is_on_another_chain__it_answers_nothing() -> None:
    async with proxied(1) as (one,):
        with Anvil(chain_id=10) as anvil:
            async with joined(one.url, anvil.url, patience_s=0.2) as endpoints:
                assert await ask(endpoints) == [1]
                one.add(None, Say(500))
                with pytest.raises(Unavailable, match="HTTP 500"):
                    await endpoints.block("latest")
                assert "is on chain 10, expected 1" in endpoints.standings[1].foreign


async def test_block__by_number_and_name__its_header() -> None:
    with Anvil(timestamp_s=2_000_000_000) as anvil:
        anvil.rpc("evm_mine")
        async with joined(anvil.url) as endpoints:
            first, latest = await endpoints.block(0), await endpoints.block("latest")
        raw = anvil.rpc("eth_getBlockByNumber", "latest", False)
    assert (first.number, latest.number, latest.parent) == (0, 1, first.hash)
    assert latest.timestamp_s == int(raw["timestamp"], 16)
    assert latest.base_fee_wei == int(raw["baseFeePerGas"], 16)


async def test_block__not_there__unavailable() -> None:
    with Anvil() as anvil:
        async with joined(anvil.url, patience_s=0.1) as endpoints:
            with pytest.raises(Unavailable, match="has no block 99"):
                await endpoints.block(99)


# --- sends --------------------------------------------------------------------------------------------------


async def test_send__first_gone__second_gets_it_once() -> None:
    async with proxied() as (one, two), joined(one.url, two.url) as endpoints:
        await ask(endpoints)
        await one.stop()
        assert isinstance(await endpoints.send(SEND), msgspec.Raw)
        assert two.count("eth_sendRawTransaction") == 1


@pytest.mark.parametrize("fault", [DropRequest(), DropAnswer(), Say(503), Say(200, b"{"), Delay(9.0)])
async def test_send__answer_lost__nobody_else_gets_it(fault: Any) -> None:
    async with proxied() as (one, two), joined(one.url, two.url, timeout_s=0.5) as endpoints:
        await ask(endpoints)
        one.add("eth_sendRawTransaction", fault)
        with pytest.raises(Unavailable) as raised:
            await endpoints.send(SEND)
        assert not isinstance(raised.value, Unreachable)
        assert [proxy.seen.count(("eth_sendRawTransaction",)) for proxy in (one, two)] == [1, 0]


async def test_send__all_gone__certainly_not_sent() -> None:
    async with proxied() as (one, two), joined(one.url, two.url) as endpoints:
        await ask(endpoints)
        await one.stop()
        await two.stop()
        with pytest.raises(Unreachable, match="Connection refused"):
            await endpoints.send(SEND)


async def test_send__first_request_of_all__chain_is_asked_before() -> None:
    async with proxied(1) as (one,), joined(one.url) as endpoints:
        await endpoints.send(SEND)
        assert one.seen == [("eth_chainId",), ("eth_sendRawTransaction",)]


async def test_send__chain_can_not_be_asked__certainly_not_sent() -> None:
    async with proxied(1) as (one,), joined(one.url) as endpoints:
        one.add("eth_chainId", DropAnswer())
        with pytest.raises(Unreachable):
            await endpoints.send(SEND)
        assert one.count("eth_sendRawTransaction") == 0


async def test_send__only_private_ones__the_others_never_see_it() -> None:
    async with proxied(3) as (public, private, sequencer):
        endpoints = Endpoints(
            [
                Endpoint(Secret(public.url)),
                Endpoint(Secret(private.url), roles=[Role.PRIVATE]),
                Endpoint(Secret(sequencer.url), roles=[Role.SEQUENCER]),
            ]
        )
        await endpoints.send(SEND, only=lambda endpoint: endpoint.is_private)
        await private.stop()
        await endpoints.send(SEND, only=lambda endpoint: endpoint.is_private)
        await sequencer.stop()
        with pytest.raises(Unreachable):
            await endpoints.send(SEND, only=lambda endpoint: endpoint.is_private)
        await endpoints.close()
        assert [one.count("eth_sendRawTransaction") for one in (public, private, sequencer)] == [0, 1, 1]
        assert sequencer.seen == [("eth_sendRawTransaction",)]


async def test_read__only_trusted_ones__the_others_never_see_it() -> None:
    async with proxied() as (public, trusted):
        endpoints = Endpoints(
            [Endpoint(Secret(public.url)), Endpoint(Secret(trusted.url), roles=[Role.TRUSTED])]
        )
        await endpoints.read(
            lambda endpoint: endpoint.read([Request("m", [1])]), only=lambda endpoint: endpoint.is_trusted
        )
        await endpoints.close()
        assert (public.count("m"), trusted.count("m")) == (0, 1)


def test_endpoints__none__says_what_is_missing() -> None:
    with pytest.raises(ConfigError, match="KEEPER_RPC_URLS"):
        Endpoints([])


async def test_ask__block_number__decoded() -> None:
    with Anvil() as anvil:
        async with joined(anvil.url) as endpoints:
            (reply,) = await endpoints.ask(Request("eth_blockNumber", ()))
            assert isinstance(reply, msgspec.Raw)
            assert wire.quantity(reply) == 0
