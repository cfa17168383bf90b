"""Hints of private reports before a real Anvil: what they let fall is known, and rubbish is passed over."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from keeper import contracts
from keeper.abi import interface
from keeper.devnet import Devnet
from keeper.devnet.oracle import Oracle, oracle
from keeper.domain.errors import Unavailable
from keeper.domain.events import Degraded, Event, Foreseen
from keeper.domain.observation import Observation
from keeper.domain.pending import Hint
from keeper.domain.plan import Plan
from keeper.domain.secret import Secret
from keeper.domain.state import Mined
from keeper.engine import Engine, Pace
from keeper.live.foreseeing import Foreseer
from keeper.live.world import LiveWorld
from keeper.node.event_stream import EventStream
from keeper.ports import Foresight
from keeper.query import run
from tests.fork.foreseer_stage import foreseer
from tests.fork.keeper_stage import Stage, aave_book, stage
from tests.fork.sockets import answering
from tests.fork.test_foreseeing import until
from tests.fork.test_watcher_branches import options_for

LOWER = 2_600 * 10**8


@asynccontextmanager
async def telling(*pieces: bytes, for_ever: bool = True) -> AsyncIterator[str]:
    """Yield the URL of a stream that tells this, and then nothing more, or ends."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        while for_ever and request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(0.05)
        return response

    async with answering(handle, scheme="http") as url:
        yield url


def event(told: object) -> bytes:
    return b"data: " + json.dumps(told).encode() + b"\n\n"


GOOD = {"hash": "0x" + "ab" * 32, "logs": None, "txs": None}
RUBBISH = (
    b"\xff\xfe\x00 not text\n\n",
    b"data: not json\n\n",
    b"data: " + b"x" * (2**20 + 1) + b"\n\n",
    event([]),
    event({"hash": 7}),
    event(GOOD | {"txs": [{"to": "0x", "callData": "0x"}]}),
    event(GOOD | {"logs": "none"}),
)


@pytest.fixture
async def on(manual_devnet: Devnet) -> AsyncIterator[Stage]:
    async with stage(
        manual_devnet,
        replace(options_for(manual_devnet), max_oracle_divergence_bps=2_500, max_slippage_bps=300),
        books=[aave_book(manual_devnet)],
    ) as keeper:
        yield keeper


async def looked(on: Stage) -> None:
    """Have the stage at the head, and know what prices are made of."""
    seen = await on.engine.observe(await on.head())
    await run(
        on.watcher.pricing.look(on.watcher.current), Mined(hash=seen.head.hash), LiveWorld(on.endpoints)
    )


def listening(on: Stage, url: str) -> AbstractAsyncContextManager[tuple[Foreseer, list[Event]]]:
    return foreseer(on, stream=EventStream(Secret(url)))


def hinted(there: Oracle, answer: int, number: int = 1) -> bytes:
    return event({"hash": f"0x{number:064x}", **there.hint(answer)})


async def test_hints__rubbish_and_a_hint_among_it__the_hint_is_told() -> None:
    async with telling(*RUBBISH, event(GOOD)) as url:
        stream = EventStream(Secret(url))
        async with aclosing(stream.hints()) as told:
            hint = await asyncio.wait_for(anext(told), 5.0)
    assert hint == Hint(hash=hint.hash, calls=(), logs=()) and hint.hash == b"\xab" * 32
    assert stream.unread == len(RUBBISH) - 1, "what has no data is no event"


async def test_hints__more_than_are_read_in_a_second__thrown_away_and_counted() -> None:
    async with telling(event(GOOD) * 1_000, for_ever=False) as url:
        stream = EventStream(Secret(url), most_a_second=10)
        found: list[Hint] = []

        async def listen() -> None:
            async for hint in stream.hints():
                found.append(hint)

        with pytest.raises(Unavailable, match="was ended"):
            await listen()
    assert 10 <= len(found) <= 30 and stream.unread == 1_000 - len(found)


async def test_hints__no_stream_or_a_silent_one__unavailable_and_why() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def broken(request: web.Request) -> web.Response:
        return web.Response(status=500)

    for handle, why in ((page, "is no event stream"), (broken, "answered 500")):
        async with answering(handle, scheme="http") as url:
            with pytest.raises(Unavailable, match=why):
                await EventStream(Secret(url)).connect()
    async with telling() as url:
        with pytest.raises(Unavailable, match="silent"):
            await anext(EventStream(Secret(url), silence_s=0.2).hints())
    with pytest.raises(Unavailable, match=r"broke|not there"):
        await EventStream(Secret("http://127.0.0.1:9/")).connect()


async def test_foreseer__a_hint__whom_it_lets_fall_is_as_the_chain_has_it_once_it_is_mined(on: Stage) -> None:
    there = oracle(on.devnet)
    await looked(on)
    standing = {one.position for one in (await on.engine.observe(await on.head())).opportunities}
    async with telling(hinted(there, LOWER)) as url, listening(on, url) as (working, heard):
        told = await until(heard, Foreseen)
        foresight = await asyncio.wait_for(working.foreseen(), 5.0)
    assert isinstance(told, Foreseen) and foresight.behind.raw is None
    on.devnet.anvil.rpc("eth_sendRawTransaction", "0x" + there.signed(LOWER).hex())
    on.devnet.mine()
    fallen = {one.position for one in (await on.engine.observe(await on.head())).opportunities}
    assert foresight.positions == {position for position, _ in told.positions} == fallen - standing
    assert foresight.positions


async def test_foreseer__a_hint_that_is_mined__not_looked_at_again(on: Stage) -> None:
    there = oracle(on.devnet)
    await looked(on)
    async with telling(hinted(there, LOWER)) as url, listening(on, url) as (working, heard):
        first = await asyncio.wait_for(working.foreseen(), 5.0)
        on.devnet.mine()
        await looked(on)
        working.upon(await on.head())
        again = await asyncio.wait_for(working.foreseen(), 5.0)
        assert again.head.number == first.head.number + 1 and again.positions == first.positions
        for answer in (LOWER, LOWER * 2):  # it lands, and another one after it
            on.devnet.anvil.rpc("eth_sendRawTransaction", "0x" + there.signed(answer).hex())
            on.devnet.mine()
        await looked(on)
        working.upon(await on.head())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(working.foreseen(), 0.5)
    assert sum(isinstance(one, Foreseen) for one in heard) == 1, "told once"


async def test_foreseer__made_up_without_end__only_so_many_are_handed_on_upon_one_head(on: Stage) -> None:
    there = oracle(on.devnet)
    await looked(on)
    flood = [hinted(there, LOWER - number, number) for number in range(1, 200)]
    async with telling(*flood) as url, listening(on, url) as (working, heard):
        await until(heard, Foreseen)
        await asyncio.sleep(0.5)
        handed_on = 0
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(working.foreseen(), 0.3)
                handed_on += 1
    assert 0 < handed_on <= 8
    assert not any(isinstance(one, Degraded) for one in heard)


async def test_decide__behind_a_hash__one_plan_for_all_and_the_best_alone_where_that_is_too_much(
    on: Stage,
) -> None:
    seen, foresight = await foretold(on, oracle(on.devnet))
    whole = replace(foresight, behind=replace(foresight.behind, raw=b"\x02"))  # then each goes by itself
    each = [one.decision for one in await on.engine.decide(seen, behind=whole)]
    single = [one for one in each if isinstance(one, Plan)]
    assert len(single) > 2
    (joined,) = [
        one.decision
        for one in await on.engine.decide(seen, behind=foresight)
        if isinstance(one.decision, Plan)
    ]
    assert len(joined.draft.others) == len(single) - 1
    assert joined.draft.waterfall.vault_wei == sum(one.draft.waterfall.vault_wei for one in single)
    assert joined.gas_used < sum(one.gas_used for one in single), "what all have in common is paid once"

    # the largest may be repaid, and not all of them together
    most_wei = max(repaid_wei(on, one) for one in single) * 12 // 10
    bound = Engine(
        world=LiveWorld(on.endpoints),
        watcher=on.watcher,
        planner=replace(on.planner, options=replace(on.planner.options, max_value_wei=most_wei)),
        journal=None,
        landing=None,
        listen=lambda event: None,
        clock=time.monotonic,
        pace=Pace(block_time_s=12, deadline_s=24, max_head_age_s=10**12),
    )
    (alone,) = await bound.decide(seen, behind=foresight)
    assert isinstance(alone.decision, Plan) and not alone.decision.draft.others
    assert alone.decision.waterfall.net_wei >= max(one.waterfall.net_wei for one in single)


async def test_decide__joined_and_one_is_closed_by_another_first__the_others_run_all_the_same(
    on: Stage,
) -> None:
    there = oracle(on.devnet)
    seen, foresight = await foretold(on, there)
    whole = replace(foresight, behind=replace(foresight.behind, raw=b"\x02"))
    single = [one.decision for one in await on.engine.decide(seen, behind=whole)]
    plans = [one for one in single if isinstance(one, Plan)]
    decided = [one.decision for one in await on.engine.decide(seen, behind=foresight)]
    (joined,) = [one for one in decided if isinstance(one, Plan)]
    assert joined.draft.positions == tuple(one.draft.position for one in plans) and len(plans) > 2
    assert joined.draft.floor_wei == min(one.draft.floor_wei for one in plans)

    in_pools_base = on.devnet.price_base("WETH")
    on.devnet.anvil.rpc("eth_sendRawTransaction", "0x" + there.signed(LOWER).hex())
    on.devnet.mine()
    as_it_is = on.devnet.anvil.rpc("evm_snapshot")
    on.devnet.arbitrage({"WETH": in_pools_base * 994 // 1_000})  # against all of them, by about as much
    before_wei = on.vault_wei()
    (receipt,) = on.execute([joined])
    left_out = failed_legs(receipt)
    floors_wei = [one.draft.floor_wei for at, one in enumerate(plans) if at not in left_out]
    assert 0 < len(left_out) < len(plans) and on.vault_wei() - before_wei >= sum(floors_wei)
    on.devnet.anvil.rpc("evm_revert", as_it_is)

    (rival,) = on.execute([plans[0]])
    assert rival["status"] == "0x1"
    before_wei = on.vault_wei()
    (receipt,) = on.execute([joined])
    assert receipt["status"] == "0x1", "one bad leg does not undo the others"
    assert failed_legs(receipt) == {0}
    expected_wei = sum(one.draft.waterfall.vault_wei for one in plans[1:])
    assert on.vault_wei() - before_wei == pytest.approx(expected_wei, rel=1e-3)
    assert int(receipt["gasUsed"], 16) < joined.gas_used

    before_wei = on.vault_wei()
    (receipt,) = on.execute([joined])  # by then nobody of them is left
    assert receipt["status"] == "0x0" and on.vault_wei() == before_wei
    assert int(receipt["gasUsed"], 16) < 60_000 + 40_000 * len(plans), "a lost race costs little"


async def foretold(on: Stage, there: Oracle) -> tuple[Observation, Foresight]:
    """Return those whom a hinted report lets fall, at its prices."""
    await looked(on)
    async with telling(hinted(there, LOWER)) as url, listening(on, url) as (working, _):
        foresight = await asyncio.wait_for(working.foreseen(), 5.0)
    block = foresight.head.next_block(block_time_s=12)
    seen = on.watcher.observe(block=block, deadline_s=block.timestamp_s + 240, prices=foresight.prices)
    theirs = tuple(one for one in seen.opportunities if one.position in foresight.positions)
    return replace(seen, opportunities=theirs), foresight


def failed_legs(receipt: dict[str, Any]) -> set[int]:
    """Return which parts of a transaction failed and were left out."""
    event = interface(contracts.executor().abi).event("LegFailed")
    ours = [log for log in receipt["logs"] if log["topics"][0] == "0x" + event.topic.hex()]
    return {int(log["data"][2:66], 16) for log in ours}


def repaid_wei(on: Stage, plan: Plan) -> int:
    """Return what a plan repays, in ether, by the feeds."""
    ether_base = on.devnet.price_base("WETH")
    return sum(
        close.repaid.raw
        * on.devnet.price_base(close.repaid.token.symbol)
        * 10**18
        // 10**close.repaid.token.decimals
        // ether_base
        for close in plan.draft.closes
    )
