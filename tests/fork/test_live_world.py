"""The live World on a real chain: asks answered at one block, in one request, as the node itself would."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from keeper.devnet import Devnet
from keeper.devnet.faults import DropAnswer, Replace
from keeper.devnet.proxy import Proxy
from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Inconsistent, Unavailable
from keeper.domain.head import NextBlock
from keeper.domain.role import Role
from keeper.domain.secret import Secret
from keeper.domain.state import Mined
from keeper.live import LiveWorld
from keeper.node.anvil import Anvil
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints, trusted
from keeper.ports import NewHead, Tick
from keeper.query import (
    Account,
    AccountState,
    Answer,
    Ask,
    Call,
    Log,
    LogRange,
    Logs,
    Reverted,
    Simulate,
    Simulated,
    SimulatedCall,
)
from tests.rpc_server import error, result, serving


def address(n: int) -> Address:
    return Address(n.to_bytes(20, "big"))


# Hand-written contracts, as small as what they are for.
ECHO = address(0xEC0)  # returns its call data
COUNTER = address(0xC07)  # adds one to slot 0, returns it, and logs it
CONTEXT = address(0xC0E)  # returns number, timestamp, base fee, coinbase, gas price
REVERTS = address(0xBAD)  # reverts with 0xdeadbeef
SILENT = address(0xB1A)  # reverts with nothing
BURNS = address(0xB02)  # INVALID: burns all the gas it is given
NOBODY = address(0x0B0)
SENDER = Address(b"\x5e" * 20)

CODES = {
    ECHO: "365f5f37365ff3",
    COUNTER: "5f5460010180" + "5f55" + "5f52" + "7f" + "77" * 32 + "60205fa1" + "60205ff3",
    CONTEXT: "435f52" + "42602052" + "48604052" + "41606052" + "3a608052" + "60a05ff3",
    REVERTS: "63deadbeef5f526004601cfd",
    SILENT: "5f5ffd",
    BURNS: "fe",
}
COUNTED = Hash32(b"\x77" * 32)
FAR_AHEAD = NextBlock(number=10**6, timestamp_s=10**10, base_fee_wei=1, coinbase=NOBODY)


@pytest.fixture
def anvil(devnet: Devnet) -> Anvil:
    """Return the devnet's Anvil, with Aave, Uniswap and Multicall3, and the contracts above."""
    for to, code in CODES.items():
        devnet.anvil.rpc("anvil_setCode", "0x" + to.hex(), "0x" + code)
    devnet.anvil.rpc("evm_mine")
    return devnet.anvil


@asynccontextmanager
async def world_of(*urls: str, **options: Any) -> AsyncIterator[LiveWorld]:
    endpoints = Endpoints([Endpoint(Secret(url), timeout_s=5.0) for url in urls], patience_s=1.0)
    try:
        yield LiveWorld(endpoints, **options)
    finally:
        await endpoints.close()


def block(anvil: Anvil, which: str = "latest") -> dict[str, str]:
    found: dict[str, str] = anvil.rpc("eth_getBlockByNumber", which, False)
    return found


def at(anvil: Anvil, which: str = "latest") -> Mined:
    return Mined(hash=Hash32(bytes.fromhex(block(anvil, which)["hash"][2:])))


def number(anvil: Anvil) -> int:
    return int(block(anvil)["number"], 16)


def count(devnet: Devnet, times: int = 1) -> None:
    """Have the counter count, each time in a block of its own."""
    for _ in range(times):
        devnet.chain.send(devnet.operator.address, COUNTER, b"")


def plain_call(anvil: Anvil, call: Call) -> bytes | Reverted:
    params = ({"to": "0x" + call.to.hex(), "data": "0x" + call.data.hex()}, "latest")
    try:
        return bytes.fromhex(anvil.rpc("eth_call", *params)[2:])
    except RpcError as error:
        return Reverted(bytes.fromhex(str(error.data or "0x")[2:]))


async def ask(anvil: Anvil, *asks: Ask, state: Mined | None = None) -> tuple[Answer, ...]:
    async with world_of(anvil.url) as world:
        return await world.answer(asks, state or at(anvil))


# --- one request --------------------------------------------------------------------------------------------


async def test_answer__everything_a_head_needs__one_request(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet)
    asks: list[Ask] = [Call(ECHO, n.to_bytes(36, "big")) for n in range(620)]
    asks += [
        Logs((COUNTER, ECHO), (COUNTED,)),
        Account(devnet.operator.address),
        Simulate((SimulatedCall(SENDER, COUNTER, b""),), next_block(anvil)),
    ]
    async with Proxy(anvil.url) as proxy, world_of(proxy.url) as world:
        await world.answer(asks[:1], at(anvil))  # which chain it is, is asked once
        proxy.seen.clear()
        found = await world.answer(asks, at(anvil))
        assert len(proxy.seen) == 1
    assert list(found[:620]) == [n.to_bytes(36, "big") for n in range(620)]
    assert len(found) == 623


async def test_answer__calls_of_a_market__same_as_the_nodes_own(devnet: Devnet, anvil: Anvil) -> None:
    """Multicall3 and a plain eth_call agree, reverts and their bytes included."""
    pool = devnet.addresses.pool
    data = bytes.fromhex("bf92857c")  # getUserAccountData(address)
    calls = [Call(pool, data + one.rjust(32, b"\0")) for one in (*devnet.addresses.borrowers, NOBODY)]
    calls += [Call(pool, bytes.fromhex("12345678")), Call(REVERTS, b""), Call(ECHO, b"x"), Call(NOBODY, b"x")]
    state = at(anvil)
    found = await ask(anvil, *calls, state=state)
    for call, answer in zip(calls, found, strict=True):
        assert answer == plain_call(anvil, call)
    print(f"{len(calls)} calls, {sum(isinstance(one, Reverted) for one in found)} reverts")
    assert sum(isinstance(one, Reverted) for one in found) >= 2


# --- at the block that was asked for ------------------------------------------------------------------------


async def test_answer__older_block__everything_as_it_was_there(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet, 2)
    older = at(anvil)
    nonce = int(anvil.rpc("eth_getTransactionCount", "0x" + devnet.operator.address.hex(), "latest"), 16)
    count(devnet, 3)
    logs, account, (simulated,) = await ask(
        anvil,
        Logs((COUNTER,)),
        Account(devnet.operator.address),
        Simulate((SimulatedCall(SENDER, COUNTER, b""),), next_block(anvil)),
        state=older,
    )
    assert [log.data for log in logs] == [(2).to_bytes(32, "big")]
    assert isinstance(account, AccountState)
    assert account.nonce == nonce
    assert isinstance(simulated, Simulated)
    assert int.from_bytes(simulated.returned, "big") == 3


async def test_answer__account__as_the_node_has_it(devnet: Devnet, anvil: Anvil) -> None:
    operator, counter = await ask(anvil, Account(devnet.operator.address), Account(COUNTER))
    balance_wei = int(anvil.rpc("eth_getBalance", "0x" + devnet.operator.address.hex(), "latest"), 16)
    assert isinstance(operator, AccountState)
    assert (operator.balance_wei, operator.code) == (balance_wei, b"")
    assert counter == AccountState(0, 0, bytes.fromhex(CODES[COUNTER]))


async def test_answer__logs__of_that_block_those_emitters_and_topics(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet, 2)
    mine, other_topic, other_emitter = await ask(
        anvil, Logs((COUNTER,)), Logs((COUNTER,), (Hash32(bytes(32)),)), Logs((ECHO,))
    )
    (log,) = mine
    assert (log.emitter, log.topics, log.data) == (COUNTER, (COUNTED,), (2).to_bytes(32, "big"))
    assert log.block_number == number(anvil)
    assert (other_topic, other_emitter) == ((), ())


@pytest.mark.parametrize(
    "asks",
    [
        (Call(ECHO, b"x"),),
        (Call(ECHO, b"x"), Call(ECHO, b"y")),
        (Logs((COUNTER,)),),
        (Account(NOBODY),),
        (Simulate((SimulatedCall(SENDER, ECHO, b""),), FAR_AHEAD),),
        (LogRange((COUNTER,), (), 0, 1),),
    ],
    ids=["call", "calls", "logs", "account", "simulation", "range"],
)
async def test_answer__block_that_nobody_knows__inconsistent(anvil: Anvil, asks: tuple[Ask, ...]) -> None:
    with pytest.raises(Inconsistent):
        await ask(anvil, *asks, state=Mined(hash=Hash32(b"\x11" * 32)))


@pytest.mark.parametrize("ask_", [Call(ECHO, b"x"), Logs((COUNTER,)), LogRange((COUNTER,), (), 0, 1)])
async def test_answer__block_that_a_reorg_dropped__inconsistent(anvil: Anvil, ask_: Ask) -> None:
    anvil.rpc("anvil_mine", "0x3")
    dropped = at(anvil)
    anvil.rpc("anvil_reorg", 2, [])
    assert at(anvil) != dropped
    with pytest.raises(Inconsistent):
        await ask(anvil, ask_, state=dropped)


# --- calls that fail ----------------------------------------------------------------------------------------


async def test_answer__one_call_burns_all_gas__the_others_are_answered(anvil: Anvil) -> None:
    calls = [Call(ECHO, bytes([n])) for n in range(60)]
    calls[5:5] = [Call(BURNS, b""), Call(SILENT, b""), Call(REVERTS, b"")]
    async with Proxy(anvil.url) as proxy, world_of(proxy.url) as world:
        for rounds in (4, 1):  # in one pack, with a probe, in small ones, alone; then it is known
            proxy.seen.clear()
            found = await world.answer(calls, at(anvil))
            assert found[5:8] == (Reverted(b""), Reverted(b""), Reverted(b"\xde\xad\xbe\xef"))
            assert [*found[:5], *found[8:]] == [bytes([n]) for n in range(60)]
            assert len([methods for methods in proxy.seen if "eth_call" in methods]) == rounds


async def test_answer__no_multicall_on_the_chain__answers_all_the_same() -> None:
    with Anvil() as bare:
        bare.rpc("anvil_setCode", "0x" + ECHO.hex(), "0x" + CODES[ECHO])
        calls = [Call(ECHO, bytes([n])) for n in range(120)]
        assert await ask(bare, *calls) == tuple(bytes([n]) for n in range(120))


async def test_answer__more_gas_than_a_call_may_use__answered_in_smaller_packs(anvil: Anvil) -> None:
    # each call copies a megabyte about: a dozen of them use up an eth_call's gas
    hungry, code = address(0x6A5), bytes.fromhex("620fffff5f5f3960205ff3")
    anvil.rpc("anvil_setCode", "0x" + hungry.hex(), "0x" + code.hex())
    calls = [Call(hungry, n.to_bytes(4, "big")) for n in range(120)]
    assert await ask(anvil, *calls) == (code.ljust(32, b"\0"),) * 120


# --- simulations --------------------------------------------------------------------------------------------


def next_block(anvil: Anvil, *, base_fee_wei: int = 7 * 10**9) -> NextBlock:
    head = block(anvil)
    return NextBlock(
        number=int(head["number"], 16) + 1,
        timestamp_s=int(head["timestamp"], 16) + 12,
        base_fee_wei=base_fee_wei,
        coinbase=Address(b"\xcb" * 20),
    )


async def test_answer__simulation__runs_in_the_next_blocks_context(anvil: Anvil) -> None:
    expected = next_block(anvil)
    ((simulated,),) = await ask(anvil, Simulate((SimulatedCall(SENDER, CONTEXT, b""),), expected))
    assert isinstance(simulated, Simulated)
    words = [simulated.returned[at : at + 32] for at in range(0, 160, 32)]
    seen = [int.from_bytes(word, "big") for word in words]
    assert seen == [
        expected.number,
        expected.timestamp_s,
        expected.base_fee_wei,
        int.from_bytes(expected.coinbase, "big"),
        expected.base_fee_wei,
    ]


async def test_answer__simulation_of_several__each_sees_those_before_it(anvil: Anvil) -> None:
    calls = [SimulatedCall(SENDER, to, b"") for to in (COUNTER, REVERTS, COUNTER, SILENT, COUNTER)]
    (found,) = await ask(anvil, Simulate(tuple(calls), next_block(anvil)))
    returned = [(one.reverted, one.returned) for one in found if isinstance(one, Simulated)]
    assert returned == [
        (False, (1).to_bytes(32, "big")),
        (True, b"\xde\xad\xbe\xef"),
        (False, (2).to_bytes(32, "big")),
        (True, b""),
        (False, (3).to_bytes(32, "big")),
    ]


async def test_answer__simulation__gas_equals_the_transactions_own(devnet: Devnet, anvil: Anvil) -> None:
    (simulated,) = (
        await ask(anvil, Simulate((SimulatedCall(devnet.operator.address, COUNTER, b""),), next_block(anvil)))
    )[0]
    count(devnet)
    (hash_,) = anvil.rpc("eth_getBlockByNumber", "latest", False)["transactions"]
    assert isinstance(simulated, Simulated)
    assert simulated.gas_used == int(anvil.rpc("eth_getTransactionReceipt", hash_)["gasUsed"], 16)


async def test_answer__sender_without_a_coin__is_simulated_all_the_same(anvil: Anvil) -> None:
    penniless = Address(b"\x9e" * 20)
    dear = next_block(anvil, base_fee_wei=10**12)
    ((simulated,),) = await ask(anvil, Simulate((SimulatedCall(penniless, ECHO, b"x"),), dear))
    assert simulated == Simulated(False, simulated.gas_used, b"x")  # type: ignore[union-attr]


# --- ranges of logs -----------------------------------------------------------------------------------------


async def test_answer__range__all_logs_in_their_order(devnet: Devnet, anvil: Anvil) -> None:
    first = number(anvil) + 1
    count(devnet, 12)
    (found,) = await ask(anvil, LogRange((COUNTER,), (COUNTED,), first + 2, first + 9))
    assert [log.data for log in found] == [n.to_bytes(32, "big") for n in range(3, 11)]


@pytest.mark.parametrize("most", [1, 3, 50])
async def test_answer__range_refused__shrinks_and_loses_nothing(
    devnet: Devnet, anvil: Anvil, most: int
) -> None:
    count(devnet, 30)
    state, last = at(anvil), number(anvil)
    widths: list[int] = []

    def picky(asked: Any) -> bytes:
        said = []
        for one in asked if isinstance(asked, list) else [asked]:
            if one["method"] == "eth_getLogs":
                (wanted,) = one["params"]
                width = int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) + 1
                widths.append(width)
                if width > most:
                    said.append(error(one, -32005, f"query exceeds max block range {most}"))
                    continue
            said.append(result(one, anvil.rpc(one["method"], *one["params"])))
        return json.dumps(said if isinstance(asked, list) else said[0]).encode()

    async with serving(picky) as server, world_of(server.url) as world:
        (found,) = await world.answer([LogRange((COUNTER,), (COUNTED,), 0, last)], state)
    assert [log.data for log in found] == [n.to_bytes(32, "big") for n in range(1, 31)]
    refused = sum(width > most for width in widths)
    print(f"{len(widths)} ranges asked for, {refused} refused")
    assert refused < len(widths)


async def test_answer__range_too_slow_to_answer__shrinks(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet, 8)
    state, last = at(anvil), number(anvil)
    async with Proxy(anvil.url) as proxy:
        proxy.add("eth_getLogs", DropAnswer(), times=2)
        async with world_of(proxy.url) as world:
            (found,) = await world.answer([LogRange((COUNTER,), (), 0, last)], state)
    assert len(found) == 8


async def test_answer__single_block_refused__unavailable_with_the_nodes_words(anvil: Anvil) -> None:
    def refusing(asked: Any) -> bytes:
        said = [
            error(one, -32005, "query returned more than 10000 results")
            if one["method"] == "eth_getLogs"
            else result(one, anvil.rpc(one["method"], *one["params"]))
            for one in (asked if isinstance(asked, list) else [asked])
        ]
        return json.dumps(said if isinstance(asked, list) else said[0]).encode()

    state, last = at(anvil), number(anvil)
    async with serving(refusing) as server, world_of(server.url) as world:
        with pytest.raises(Unavailable, match=r"logs of block 0 are refused: .*more than 10000 results"):
            await world.answer([LogRange((COUNTER,), (), 0, last)], state)


@pytest.mark.parametrize("most", [500, 512])
async def test_answer__range_cut_off_in_silence__halved_until_all_are_there(most: int) -> None:
    """A node that leaves off what is beyond a round number: the rest is found, and nothing twice."""
    made = [log_at(block_number=n // 7, place=n % 7) for n in range(7 * 300)]
    blocks = {"number": "0x12b", **HEADER}

    def cutting(asked: Any) -> bytes:
        said = []
        for one in asked if isinstance(asked, list) else [asked]:
            if one["method"] == "eth_getLogs":
                (wanted,) = one["params"]
                low, high = int(wanted["fromBlock"], 16), int(wanted["toBlock"], 16)
                within = [each for each in made if low <= int(each["blockNumber"], 16) <= high]
                said.append(result(one, within[:most]))
            else:
                said.append(result(one, "0x1" if one["method"] == "eth_chainId" else blocks))
        return json.dumps(said if isinstance(asked, list) else said[0]).encode()

    async with serving(cutting) as server, world_of(server.url) as world:
        state = Mined(hash=Hash32(bytes.fromhex(HEADER["hash"][2:])))
        (found,) = await world.answer([LogRange((COUNTER,), (), 0, 299)], state)
    places = [(log.block_number, log.log_index) for log in found if isinstance(log, Log)]
    assert places == [(n // 7, n % 7) for n in range(7 * 300)]


HEADER = {
    "hash": "0x" + "ab" * 32,
    "parentHash": "0x" + "aa" * 32,
    "timestamp": "0x1",
    "gasUsed": "0x0",
    "gasLimit": "0x0",
    "miner": "0x" + "00" * 20,
}


def log_at(*, block_number: int, place: int) -> dict[str, Any]:
    return {
        "address": "0x" + COUNTER.hex(),
        "topics": [],
        "data": "0x",
        "blockNumber": hex(block_number),
        "logIndex": hex(place),
        "transactionHash": "0x" + "01" * 32,
        "blockHash": "0x" + "02" * 32,
    }


# --- nodes that lie -----------------------------------------------------------------------------------------


async def test_answer__logs_of_another_block__unavailable(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet)
    hash_ = block(anvil)["hash"].encode()
    async with Proxy(anvil.url) as proxy, world_of(proxy.url) as world:
        await world.answer([Account(NOBODY)], at(anvil))
        proxy.add("eth_getLogs", Replace(hash_, b"0x" + b"11" * 32))
        with pytest.raises(Unavailable, match="another block"):
            await world.answer([Logs((COUNTER,))], at(anvil))


async def test_answer__logs_left_off__the_bloom_tells_and_all_are_asked_for(
    devnet: Devnet, anvil: Anvil
) -> None:
    count(devnet)
    (told,) = await ask(anvil, Logs((COUNTER,)))
    assert len(told) == 1

    def forgetful(asked: Any) -> bytes:
        """Answer as the node does, but of a filtered block nothing."""
        said = [
            result(one, [])
            if one["method"] == "eth_getLogs" and "address" in one["params"][0]
            else result(one, anvil.rpc(one["method"], *one["params"]))
            for one in (asked if isinstance(asked, list) else [asked])
        ]
        return json.dumps(said if isinstance(asked, list) else said[0]).encode()

    async with serving(forgetful) as server, world_of(server.url) as world:
        assert await world.answer([Logs((COUNTER,)), Logs((ECHO,))], at(anvil)) == (told, ())


async def test_answer__a_node_that_insists_on_no_logs__not_believed(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet)

    def denying(asked: Any) -> bytes:
        said = [
            result(one, [])
            if one["method"] == "eth_getLogs"
            else result(one, anvil.rpc(one["method"], *one["params"]))
            for one in (asked if isinstance(asked, list) else [asked])
        ]
        return json.dumps(said if isinstance(asked, list) else said[0]).encode()

    async with serving(denying) as server, world_of(server.url) as world:
        with pytest.raises(Unavailable, match="do not make up its bloom"):
            await world.answer([Logs((COUNTER,))], at(anvil))
    async with serving(denying) as server, world_of(server.url, anvil.url) as world:
        assert len((await world.answer([Logs((COUNTER,))], at(anvil)))[0]) == 1  # the next one is asked


async def test_answer__logs_for_several__one_request_told_apart(devnet: Devnet, anvil: Anvil) -> None:
    count(devnet)
    asks = [
        Logs((COUNTER,)),
        Logs((COUNTER,), (COUNTED,)),
        Logs((COUNTER,), (Hash32(bytes(32)),)),
        Logs((ECHO,)),
    ]
    async with Proxy(anvil.url) as proxy, world_of(proxy.url) as world:
        one, same, none, others = await world.answer(asks, at(anvil))
        assert len([methods for methods in proxy.seen if "eth_getLogs" in methods]) == 1
    assert one == same != ()
    assert none == others == ()


async def test_answer__first_endpoint_does_not_know_the_block__second_is_asked(anvil: Anvil) -> None:
    with Anvil(chain_id=int(anvil.rpc("eth_chainId"), 16)) as behind:
        async with world_of(behind.url, anvil.url) as world:
            assert await world.answer([Call(ECHO, b"x")], at(anvil)) == (b"x",)


# --- signals ------------------------------------------------------------------------------------------------


async def test_signals__heads_and_silence__new_heads_and_ticks(anvil: Anvil) -> None:
    async with world_of(anvil.url, poll_s=0.02, tick_s=0.1) as world, aclosing(world.signals()) as signals:
        first = await anext(signals)
        assert isinstance(first, NewHead)
        assert first.head.number == number(anvil)
        assert abs(first.seen_at_s - time.time()) < 5.0
        assert isinstance(await anext(signals), Tick)
        await asyncio.to_thread(anvil.rpc, "evm_mine")
        async with asyncio.timeout(5.0):
            while not isinstance(signal := await anext(signals), NewHead):
                pass
        assert signal.head.parent == first.head.hash


async def test_signals__endpoint_down__ticks_go_on(anvil: Anvil) -> None:
    async with (
        Proxy(anvil.url) as proxy,
        world_of(proxy.url, poll_s=0.02, tick_s=0.05) as world,
        aclosing(world.signals()) as signals,
    ):
        while not isinstance(await anext(signals), NewHead):
            pass
        await proxy.stop()
        assert [type(await anext(signals)) for _ in range(3)] == [Tick] * 3


async def test_signals__left__nothing_goes_on_behind(anvil: Anvil) -> None:
    before = asyncio.all_tasks()
    async with Proxy(anvil.url) as proxy, world_of(proxy.url, poll_s=0.02) as world:
        async with aclosing(world.signals()) as signals:
            await anext(signals)
        proxy.seen.clear()
        await asyncio.sleep(0.2)
        assert proxy.seen == []
    assert not {task for task in asyncio.all_tasks() - before if "signals" in repr(task)}


async def test_answer__simulations_for_trusted_endpoints_alone__no_other_one_sees_them(anvil: Anvil) -> None:
    asks = (Simulate((SimulatedCall(SENDER, ECHO, b"\x01"),), next_block(anvil)), Call(ECHO, b"\x02"))
    async with Proxy(anvil.url) as public, Proxy(anvil.url) as own:
        endpoints = Endpoints(
            [Endpoint(Secret(public.url)), Endpoint(Secret(own.url), roles=(Role.TRUSTED,))], patience_s=0.5
        )
        world = LiveWorld(endpoints, simulates=trusted)
        try:
            (simulated,), called = await world.answer(asks, at(anvil))
            await own.stop()
            with pytest.raises(Unavailable):
                await world.answer(asks, at(anvil))
            assert await world.answer(asks[1:], at(anvil)) == (b"\x02",)
        finally:
            await endpoints.close()
        assert isinstance(simulated, Simulated)
        assert (simulated.returned, called) == (b"\x01", b"\x02")
        assert own.count("eth_simulateV1") == 1
        assert not any("eth_simulateV1" in methods for methods in public.seen)
