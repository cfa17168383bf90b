"""Several endpoints of one chain as one: reads move on when one fails, and are tried again; sends never are.

The order is the operator's. An endpoint that failed rests for a while, longer each time. Each is asked for
its chain before it is believed, so one that is on another chain answers nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from keeper.domain.errors import ConfigError, Inconsistent, Unavailable
from keeper.domain.head import Head
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Reply, Request, Unreachable

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FIRST_REST_S = 0.5
_LONGEST_REST_S = 30.0
_UNKNOWN_STATE_ROUNDS = 4
# Behind one address there are often several nodes, and the news of a block outruns the block.


def everyone(_: Endpoint) -> bool:
    """Return that an endpoint may be asked, whichever it is."""
    return True


@dataclass(slots=True)
class _Ranked:
    """An endpoint, and how it did lately."""

    endpoint: Endpoint
    on_chain: bool = False
    """It said that it is on the chain."""
    failures: int = 0
    rests_until_s: float = 0.0


class Endpoints:
    """One or more endpoints of one chain, the preferred one first."""

    def __init__(
        self, endpoints: Sequence[Endpoint], *, chain_id: int | None = None, patience_s: float = 8.0
    ) -> None:
        """`chain_id` is what they must be on: where it is None, the first that answers says.

        `patience_s` bounds how long a read is tried again.
        """
        if not any(endpoint.answers_reads for endpoint in endpoints):
            raise ConfigError(
                "KEEPER_RPC_URLS: expected at least one http:// or https:// endpoint that is no sequencer"
            )
        self._ranked = [_Ranked(endpoint) for endpoint in endpoints]
        self._chain_id = chain_id
        self._patience_s = patience_s

    def __repr__(self) -> str:
        return f"Endpoints({', '.join(str(one.endpoint) for one in self._ranked)})"

    async def close(self) -> None:
        """Close every connection."""
        for one in self._ranked:
            await one.endpoint.close()

    # --- reads ----------------------------------------------------------------------------------------------

    async def read(
        self, job: Callable[[Endpoint], Awaitable[T]], *, only: Callable[[Endpoint], bool] = everyone
    ) -> T:
        """Return what `job` makes of the first endpoint on which it succeeds. It must only read.

        `only` says which may be asked: what is not public yet goes to trusted ones alone.
        Raises Unavailable where none answers in time, Inconsistent where none knows the state asked about,
        ConfigError where one turns out to be on another chain.
        """
        attempts = AsyncRetrying(
            retry=retry_if_exception_type((Unavailable, Inconsistent)),
            wait=wait_random_exponential(multiplier=0.05, max=2.0),
            stop=self._enough,
            reraise=True,
        )
        return await attempts(self._once, job, only)

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

    async def _once(self, job: Callable[[Endpoint], Awaitable[T]], only: Callable[[Endpoint], bool]) -> T:
        """Return the job's result from the first endpoint that has it, or raise why none has."""
        problem: Unavailable | Inconsistent | None = None
        for one in self._in_order(lambda endpoint: endpoint.answers_reads and only(endpoint)):
            try:
                await self._verify(one)
                result = await job(one.endpoint)
            except Unavailable as error:
                self._failed(one, error)
                problem = problem or error
            except Inconsistent as error:
                problem = error
            else:
                self._answered(one)
                return result
        raise problem or Unavailable("no endpoint was asked")

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

    # --- which to ask ---------------------------------------------------------------------------------------

    def _in_order(self, only: Callable[[Endpoint], bool]) -> list[_Ranked]:
        """Return the rested ones in the operator's order; all of them, where none is rested."""
        now_s = time.monotonic()
        allowed = [one for one in self._ranked if only(one.endpoint)]
        rested = [one for one in allowed if one.rests_until_s <= now_s]
        return rested or sorted(allowed, key=lambda one: one.rests_until_s)

    def _failed(self, one: _Ranked, error: Unavailable) -> None:
        if one.failures == 0:
            _log.warning("an endpoint fails: %s", error)
        rest_s = min(_FIRST_REST_S * 2**one.failures, _LONGEST_REST_S)
        one.failures = min(one.failures + 1, 10)
        one.rests_until_s = time.monotonic() + rest_s

    def _answered(self, one: _Ranked) -> None:
        if one.failures:
            _log.warning("%s answers again", one.endpoint)
        one.failures = 0
        one.rests_until_s = 0.0

    async def _verify(self, one: _Ranked) -> None:
        """Hold the endpoint to the chain, once. Raises ConfigError where it is on another.

        A sequencer can't be asked: a signature names its chain, so another one refuses what it is sent.
        """
        if one.on_chain or not one.endpoint.answers_reads:
            return
        chain_id = await _chain_id(one.endpoint)
        if self._chain_id is None:
            self._chain_id = chain_id
        if chain_id != self._chain_id:
            raise ConfigError(
                f"KEEPER_RPC_URLS: {one.endpoint} is on chain {chain_id}, expected {self._chain_id}"
            )
        one.on_chain = True


async def _chain_id(endpoint: Endpoint) -> int:
    (reply,) = await endpoint.read([Request("eth_chainId", ())])
    if isinstance(reply, RpcError):
        raise Unavailable(f"{endpoint}: {reply}")
    return wire.quantity(reply)
