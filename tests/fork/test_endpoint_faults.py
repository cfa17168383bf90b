"""What endpoints do to a keeper, each by itself: it goes on within two blocks of the fault's end.

Real Anvils, and a real proxy before them that misbehaves. Twins are Anvils of one genesis that mine the same
blocks when told to: so one can lag, or be on another branch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any

import pytest

from keeper.devnet.faults import ENDPOINT, Say
from keeper.devnet.proxy import Proxy
from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.live.world import LiveWorld
from keeper.node.anvil import Anvil
from keeper.node.endpoint import Endpoint, Request
from keeper.node.endpoints import Endpoints
from keeper.ports import Doubted, NewHead

GENESIS_S = 2_000_000_000


@contextmanager
def twins(count: int) -> Iterator[list[Anvil]]:
    """Yield Anvils of one and the same chain."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(Anvil(timestamp_s=GENESIS_S, no_mining=True, chain_id=31337))
            for _ in range(count)
        ]


def mine(number: int, *anvils: Anvil, late_s: int = 0) -> None:
    """Mine one block, the same on each; another one than elsewhere where it is `late_s`."""
    for anvil in anvils:
        anvil.rpc("evm_mine", GENESIS_S + 12 * number + late_s)


class Following:
    """What a live World tells, and the endpoints behind it."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.heads: list[Head] = []
        self.doubted: list[Head] = []
        self._world = LiveWorld(endpoints, poll_s=0.02)
        self._came = asyncio.Condition()
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async with aclosing(self._world.signals()) as signals:  # type: ignore[type-var]  # it is a generator
            async for signal in signals:
                async with self._came:
                    if isinstance(signal, NewHead):
                        self.heads.append(signal.head)
                    if isinstance(signal, Doubted):
                        self.doubted.append(signal.head)
                    self._came.notify_all()

    async def until(self, number: int, *, within_s: float = 10.0) -> Head:
        """Return the head of that height, once it came."""
        async with asyncio.timeout(within_s), self._came:
            await self._came.wait_for(lambda: any(head.number == number for head in self.heads))
        return next(head for head in self.heads if head.number == number)

    async def until_doubted(self, head: Head) -> None:
        async with asyncio.timeout(10.0), self._came:
            await self._came.wait_for(lambda: head in self.doubted)


@asynccontextmanager
async def following(*urls: str, **options: Any) -> AsyncIterator[Following]:
    endpoints = Endpoints(
        [Endpoint(Secret(url), timeout_s=1.0) for url in urls], patience_s=0.5, hedge_s=0.3, **options
    )
    follower = Following(endpoints)
    try:
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.gather(follower.task, return_exceptions=True)
        await endpoints.close()


# --- the only endpoint --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDPOINT)
async def test_only_endpoint__faulty_for_some_blocks__goes_on_within_two(name: str) -> None:
    with twins(1) as (anvil,):
        async with Proxy(anvil.url) as proxy, following(proxy.url) as follower:
            await follower.until(0)
            proxy.add(None, ENDPOINT[name]())
            for number in (1, 2, 3):
                mine(number, anvil)
                await asyncio.sleep(0.2)
            proxy.behave()
            mine(4, anvil)
            mine(5, anvil)
            await follower.until(5)
            assert [head.number for head in follower.heads] == [0, 1, 2, 3, 4, 5]


async def test_only_endpoint__killed_and_back__goes_on_within_two_blocks() -> None:
    with twins(1) as (anvil,):
        async with Proxy(anvil.url) as proxy, following(proxy.url) as follower:
            await follower.until(0)
            await proxy.stop()
            mine(1, anvil)
            await asyncio.sleep(0.5)
            await proxy.start()
            mine(2, anvil)
            mine(3, anvil)
            await follower.until(3)
            assert [head.number for head in follower.heads] == [0, 1, 2, 3]


async def test_only_endpoint__too_much_asked__left_alone_for_as_long_as_it_wants() -> None:
    with twins(1) as (anvil,):
        async with Proxy(anvil.url) as proxy:
            endpoints = Endpoints([Endpoint(Secret(proxy.url))], patience_s=0.3)
            await endpoints.chain_id()
            proxy.add(None, Say(429, headers={"Retry-After": "2"}), times=1)
            seen, began_s = len(proxy.seen), time.monotonic()
            with pytest.raises(Unavailable, match="left alone"):
                await endpoints.block("latest")
            assert len(proxy.seen) == seen + 1
            await asyncio.sleep(2.05 - (time.monotonic() - began_s))
            assert (await endpoints.block("latest")).number == 0
            await endpoints.close()


# --- one of two ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENDPOINT)
async def test_preferred_of_two__faulty__the_other_answers_within_a_second(name: str) -> None:
    with twins(1) as (anvil,):
        async with Proxy(anvil.url) as proxy, following(proxy.url, anvil.url) as follower:
            await follower.until(0)
            proxy.add(None, ENDPOINT[name]())
            mine(1, anvil)
            began_s = time.monotonic()
            answer = await follower.endpoints.block("latest")
            assert answer.number == 1
            assert time.monotonic() - began_s < 1.0
            mine(2, anvil)
            await follower.until(2, within_s=2.0)
            proxy.behave()
            mine(3, anvil)
            await follower.until(3)
            assert [head.number for head in follower.heads] == [0, 1, 2, 3]
            assert not follower.doubted


async def test_preferred_of_two__stands_still__left_for_the_one_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("keeper.live.world._SURVEY_EVERY_S", 0.2)
    with twins(2) as (still, going):
        async with following(still.url, going.url) as follower:
            await follower.until(0)
            for number in (1, 2, 3):
                mine(number, going)
            await follower.until(3)
            assert follower.endpoints.newest_number == 3
            mine(4, still, going)  # the one left behind is at 1 by now: it has another block there
            await follower.until(4)


async def test_second_of_two__lags__asked_nothing_that_it_does_not_know() -> None:
    with twins(2) as (going, lagging):
        async with following(going.url, lagging.url) as follower:
            await follower.until(0)
            for number in (1, 2, 3):
                mine(number, going)
                head = await follower.until(number)
                balance = Request("eth_getBalance", (f"0x{'11' * 20}", {"blockHash": "0x" + head.hash.hex()}))
                (reply,) = await follower.endpoints.ask(balance)
                assert bytes(memoryview(reply)) == b'"0x0"'  # type: ignore[arg-type]
            assert not follower.doubted


async def test_preferred_of_two__its_head_is_old__not_believed() -> None:
    with twins(1) as (fresh,), Anvil(timestamp_s=GENESIS_S - 1_000, chain_id=31337) as old:
        endpoints = Endpoints(
            [Endpoint(Secret(old.url)), Endpoint(Secret(fresh.url))],
            max_head_age_s=int(time.time() - GENESIS_S) + 500,
        )
        await endpoints.survey()
        assert (await endpoints.block("latest")).timestamp_s >= GENESIS_S
        await endpoints.close()


# --- branches -----------------------------------------------------------------------------------------------


async def test_two__of_two_minds__the_head_is_doubted() -> None:
    with twins(2) as (one, other):
        async with following(one.url, other.url) as follower:
            await follower.until(0)
            mine(1, other, late_s=5)
            mine(1, one)
            await follower.until_doubted(await follower.until(1))


async def test_three__one_on_a_branch_that_most_left__not_believed_until_it_comes_back() -> None:
    with twins(3) as (lone, two, three):
        async with following(lone.url, two.url, three.url) as follower:
            await follower.until(0)
            mine(1, lone, two, three)
            await follower.until(1)
            mine(2, two, three)
            mine(2, lone, late_s=5)
            await asyncio.sleep(0.5)
            for number in (3, 4):
                mine(number, two, three)
                await follower.until(number)
            alone, *others = follower.endpoints.standings
            assert alone.off_branch or (alone.head is not None and alone.head.number == 2)
            head = await follower.endpoints.block("latest")
            assert head.number == 4
            assert not any(other.off_branch for other in others)


async def test_three__survey__tells_who_is_outvoted() -> None:
    with twins(3) as (lone, two, three):
        mine(1, two, three)
        mine(1, lone, late_s=5)
        async with AsyncExitStack() as stack:
            endpoints = Endpoints([Endpoint(Secret(anvil.url)) for anvil in (lone, two, three)])
            stack.push_async_callback(endpoints.close)
            alone = Endpoints([Endpoint(Secret(lone.url))])
            stack.push_async_callback(alone.close)
            theirs = await alone.block("latest")
            why = await endpoints.survey(theirs)
            assert "of 3 endpoints 2 have another block 1" in why
            assert [one.off_branch for one in endpoints.standings] == [True, False, False]
            ours = await endpoints.block("latest")
            assert ours.hash != theirs.hash
            assert await endpoints.survey(ours) == ""
