"""Several endpoints of one chain as one: reads move on when one fails or is slow; sends never are repeated.

Which is asked first is told in :mod:`keeper.node.standing`. Each is asked for its chain before it is
believed, so one that is on another chain answers nothing; and from head to head they are surveyed: how far
each is, how quick, and whether they are of one mind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from keeper.domain.errors import ConfigError, Inconsistent, Unavailable
from keeper.domain.head import Head
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Reply, Request, Throttled, Unreachable
from keeper.node.standing import Standing, in_order, newest_number, outvoted

T = TypeVar("T")

_log = logging.getLogger(__name__)

_UNKNOWN_STATE_ROUNDS = 4
# Behind one address there are often several nodes, and the news of a block outruns the block.
_GRACE_S = 0.25
"""How much longer than the first one's the other answers to a sending are waited for."""
_SURVEY_S = 1.0
"""Whoever does not tell its head within that time does not answer."""


def everyone(_: Endpoint) -> bool:
    """Return that an endpoint may be asked, whichever it is."""
    return True


def trusted(endpoint: Endpoint) -> bool:
    """Return whether what is not public yet may be simulated there."""
    return endpoint.is_trusted


def private(endpoint: Endpoint) -> bool:
    """Return whether what is not public yet may be sent there."""
    return endpoint.is_private


class Endpoints:
    """One or more endpoints of one chain, the preferred one first."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        chain_id: int | None = None,
        patience_s: float = 8.0,
        hedge_s: float = 0.7,
        max_head_age_s: int | None = None,
    ) -> None:
        """`chain_id` is what they must be on: where it is None, the first that answers says.

        `patience_s` bounds how long a read is tried again. One that has not answered within `hedge_s` is not
        waited for alone: the next is asked as well. `max_head_age_s` is how old a head is believed.
        """
        if not any(endpoint.answers_reads for endpoint in endpoints):
            raise ConfigError(
                "KEEPER_RPC_URLS: expected at least one http:// or https:// endpoint that is no sequencer"
            )
        self._standings = [Standing(endpoint) for endpoint in endpoints]
        self._underway: set[asyncio.Task[Reply | Unavailable]] = set()
        """Sendings that go on although nobody waits for their answer."""
        self._chain_id = chain_id
        self._patience_s = patience_s
        self._hedge_s = hedge_s
        self._max_head_age_s = max_head_age_s

    def __repr__(self) -> str:
        return f"Endpoints({', '.join(str(one.endpoint) for one in self._standings)})"

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Return how each stands, in the operator's order."""
        return tuple(self._standings)

    @property
    def newest_number(self) -> int:
        """Return the number of the newest block that one which is believed told of; 0 before a survey."""
        return newest_number(self._in_order(_reading))

    async def close(self) -> None:
        """Close every connection."""
        for task in self._underway:
            task.cancel()
        await asyncio.gather(*self._underway, return_exceptions=True)
        for one in self._standings:
            await one.endpoint.close()

    # --- reads ----------------------------------------------------------------------------------------------

    async def read(
        self,
        job: Callable[[Endpoint], Awaitable[T]],
        *,
        only: Callable[[Endpoint], bool] = everyone,
        hedged: bool = True,
    ) -> T:
        """Return what `job` makes of the first endpoint on which it succeeds. It must only read.

        `only` says which may be asked: what is not public yet goes to trusted ones alone. What takes long by
        its nature is not `hedged`: then the next is asked only where one has failed.
        Raises Unavailable where none answers in time, Inconsistent where none knows the state asked about,
        ConfigError where all are on another chain.
        """
        attempts = AsyncRetrying(
            retry=retry_if_exception_type((Unavailable, Inconsistent)),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            stop=self._enough,
            reraise=True,
        )
        return await attempts(self._once, job, only, self._hedge_s if hedged else None)

    async def ask(self, *requests: Request) -> tuple[Reply, ...]:
        """Return the reply to each request, all from one endpoint."""
        return await self.read(lambda endpoint: endpoint.read(requests))

    async def chain_id(self) -> int:
        """Return the chain that they are on."""
        return await self.read(_chain_id)

    async def block(self, block: int | str) -> Head:
        """Return a block's header, by number or by a name such as ``latest``.

        Raises Unavailable where there is none, as in a node that is behind.
        """
        name = block if isinstance(block, str) else hex(block)

        async def job(endpoint: Endpoint) -> Head:
            (reply,) = await endpoint.read([Request("eth_getBlockByNumber", (name, False))])
            if isinstance(reply, RpcError):
                raise Unavailable(f"{endpoint}: {reply}")
            head = wire.head(reply)
            if head is None:
                raise Unavailable(f"{endpoint}: has no block {block}")
            return head

        return await self.read(job)

    def _enough(self, state: RetryCallState) -> bool:
        if state.outcome is not None and isinstance(state.outcome.exception(), Inconsistent):
            return state.attempt_number >= _UNKNOWN_STATE_ROUNDS
        return (state.seconds_since_start or 0.0) >= self._patience_s

    async def _once(
        self, job: Callable[[Endpoint], Awaitable[T]], only: Callable[[Endpoint], bool], hedge_s: float | None
    ) -> T:
        """Return the job's result from the first endpoint that has it, or raise why none has."""
        waiting = deque(self._in_order(lambda endpoint: endpoint.answers_reads and only(endpoint)))
        if not waiting:
            raise self._nobody()
        problem: Unavailable | Inconsistent | ConfigError | None = None
        running: set[asyncio.Task[T]] = set()
        try:
            while waiting or running:
                if waiting:
                    running.add(asyncio.create_task(self._attempt(waiting.popleft(), job)))
                done, running = await asyncio.wait(
                    running, timeout=hedge_s if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    try:
                        return task.result()
                    except ConfigError:  # on another chain: the others are asked, and it is not again
                        problem = problem or self._nobody()
                    except Unavailable as error:
                        problem = problem if isinstance(problem, Unavailable) else error
                    except Inconsistent as error:
                        problem = error
        finally:
            if running:
                for task in running:
                    task.cancel()
                await asyncio.gather(*running, return_exceptions=True)
        raise problem or self._nobody()

    async def _attempt(self, one: Standing, job: Callable[[Endpoint], Awaitable[T]]) -> T:
        began_s = time.monotonic()
        try:
            await self._verify(one)
            result = await job(one.endpoint)
        except Unavailable as error:
            self._failed(one, error)
            raise
        except asyncio.CancelledError:  # another was quicker
            one.latency_s = max(one.latency_s, time.monotonic() - began_s)
            raise
        self._answered(one)
        return result

    def _nobody(self) -> Unavailable | ConfigError:
        """Return why no endpoint can be asked."""
        if all(one.foreign for one in self._standings):
            return ConfigError(*(one.foreign for one in self._standings))
        waits_s = [one.throttled_until_s - time.monotonic() for one in self._standings]
        if max(waits_s) > 0:
            return Unavailable(f"every endpoint asks to be left alone, for {max(waits_s):.0f} s more")
        return Unavailable("no endpoint may be asked this")

    # --- surveys --------------------------------------------------------------------------------------------

    async def survey(self, head: Head | None = None) -> str:
        """Ask each endpoint how far it is, and what block it has at `head`'s height.

        Returns why `head` is doubted: at least as many have another block there as have this one. Empty
        where it is not, or nobody else was asked. Raises nothing: what fails counts as no answer.
        """
        now_s = time.monotonic()
        asked = [
            one
            for one in self._standings
            if one.endpoint.answers_reads
            and not one.foreign
            and max(one.rests_until_s, one.throttled_until_s) <= now_s
        ]
        told = await asyncio.gather(*(self._surveyed(one, head) for one in asked))
        for one, outvoted_ in zip(asked, outvoted(told), strict=True):
            if outvoted_ and not one.off_branch:
                _log.warning("%s has another block than most: it is not believed", one.endpoint)
            one.off_branch = outvoted_
        if head is None:
            return ""
        others = [block.hash for block in told if block is not None and block.hash != head.hash]
        agree = sum(block is not None and block.hash == head.hash for block in told)
        if not others or agree > len(others):
            return ""
        return f"of {len(others) + agree} endpoints {len(others)} have another block {head.number}"

    async def _surveyed(self, one: Standing, head: Head | None) -> Head | None:
        """Return the block that it has at the head's height, or its newest where no head is asked about."""
        names = ["latest"] if head is None else ["latest", hex(head.number)]
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(_SURVEY_S):
                await self._verify(one)
                replies = await one.endpoint.read(
                    [Request("eth_getBlockByNumber", (name, False)) for name in names]
                )
            blocks = [None if isinstance(reply, RpcError) else wire.head(reply) for reply in replies]
        except TimeoutError:
            self._failed(one, Unavailable(f"{one.endpoint}: no head within {_SURVEY_S:g} s"))
        except Unavailable as error:
            self._failed(one, error)
        except ConfigError:  # on another chain: noted, and never asked again
            pass
        else:
            one.took(time.monotonic() - began_s)
            one.head = blocks[0] or one.head
            self._answered(one)
            return blocks[-1]
        return None

    # --- sends ----------------------------------------------------------------------------------------------

    async def send(self, request: Request, *, only: Callable[[Endpoint], bool] = everyone) -> Reply:
        """Return the reply to a request that reaches at most one endpoint, at most once.

        `only` says which may see it: a private plan goes to private ones alone.
        Raises Unreachable where certainly none received it, Unavailable where one may have.
        """
        problem = Unreachable("no endpoint was asked")
        for one in self._in_order(only):
            try:
                await self._verify(one)
            except ConfigError as error:
                problem = Unreachable(str(error))
                continue
            except Unavailable as error:  # nothing was sent yet
                self._failed(one, error)
                problem = Unreachable(str(error))
                continue
            try:
                reply = await one.endpoint.send(request)
            except Unreachable as error:
                self._failed(one, error)
                problem = error
            except Unavailable as error:
                self._failed(one, error)
                raise
            else:
                self._answered(one)
                return reply
        raise problem

    async def send_all(
        self, request: Request, *, only: Callable[[Endpoint], bool] = everyone
    ) -> tuple[Reply | Unavailable, ...]:
        """Return the reply of each endpoint that `only` allows, or why it has none: one sending to each.

        Once one has answered, the others are not waited for long. An Unreachable among them certainly did not
        receive it.
        """

        async def to(one: Standing) -> Reply | Unavailable:
            try:
                await self._verify(one)
            except ConfigError as error:
                return Unreachable(str(error))
            except Unavailable as error:  # nothing was sent yet
                self._failed(one, error)
                return Unreachable(str(error))
            try:
                reply = await one.endpoint.send(request)
            except Unavailable as error:
                self._failed(one, error)
                return error
            self._answered(one)
            return reply

        sending = [asyncio.create_task(to(one)) for one in self._in_order(only)]
        self._underway.update(sending)
        for task in sending:
            task.add_done_callback(self._underway.discard)
        for first in asyncio.as_completed(sending):
            if not isinstance(await first, Unavailable):
                await asyncio.wait(sending, timeout=_GRACE_S)
                break
        return tuple(
            task.result() if task.done() else Unavailable("not answered by the time that others had")
            for task in sending
        )

    # --- which to ask ---------------------------------------------------------------------------------------

    def _in_order(self, only: Callable[[Endpoint], bool]) -> list[Standing]:
        """Return those that may be asked now, the best first."""
        oldest_s = None if self._max_head_age_s is None else time.time() - self._max_head_age_s
        return in_order(self._standings, only=only, now_s=time.monotonic(), oldest_s=oldest_s)

    def _failed(self, one: Standing, error: Unavailable) -> None:
        if one.failures == 0:
            _log.warning("an endpoint fails: %s", error)
        if isinstance(error, Throttled):
            one.throttled(time.monotonic(), error.wait_s)
        else:
            one.failed(time.monotonic())

    def _answered(self, one: Standing) -> None:
        if one.failures:
            _log.warning("%s answers again", one.endpoint)
        one.answered()

    async def _verify(self, one: Standing) -> None:
        """Hold the endpoint to the chain, once. Raises ConfigError where it is on another.

        A sequencer can't be asked: a signature names its chain, so another one refuses what it is sent.
        """
        if one.on_chain or not one.endpoint.answers_reads:
            return
        chain_id = await _chain_id(one.endpoint)
        if self._chain_id is None:
            self._chain_id = chain_id
        if chain_id != self._chain_id:
            one.foreign = f"KEEPER_RPC_URLS: {one.endpoint} is on chain {chain_id}, expected {self._chain_id}"
            _log.error("%s: it is not asked any more", one.foreign)
            raise ConfigError(one.foreign)
        one.on_chain = True


def _reading(endpoint: Endpoint) -> bool:
    return endpoint.answers_reads


async def _chain_id(endpoint: Endpoint) -> int:
    (reply,) = await endpoint.read([Request("eth_chainId", ())])
    if isinstance(reply, RpcError):
        raise Unavailable(f"{endpoint}: {reply}")
    return wire.quantity(reply)
