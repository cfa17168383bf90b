"""`keeper run` and `keeper shadow`: the commands that follow the chain."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeVar

from keeper.app.arming import Armed, arm, odds_of, require_sound, take_up
from keeper.app.build import Assembled, assemble
from keeper.app.inspecting import observe
from keeper.app.taping import taping
from keeper.config import Settings, notify_socket
from keeper.domain.errors import ConfigError
from keeper.domain.events import Degraded, Event, Listener, Started, Stopped
from keeper.live.foreseeing import Foreseer
from keeper.live.heartbeat import Heartbeat
from keeper.live.recording import Recorder
from keeper.live.remembering import Remembering
from keeper.node.event_stream import EventStream
from keeper.node.pending_socket import PendingSocket
from keeper.store.checkpoint import Checkpoint
from keeper.store.journal import SqliteJournal
from keeper.store.lock import Lock

T = TypeVar("T")


async def run(settings: Settings, *, listener: Listener, stop: asyncio.Event) -> None:
    """Follow the chain and liquidate until `stop` is set. Without a key, or dry, send nothing and say so.

    Raises ConfigError with every finding of `keeper check` that stands in the way.
    """
    try:
        settings.heartbeat.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"KEEPER_STATE_DIR: {settings.state_dir}: {error.strerror}") from None
    heartbeat = Heartbeat(settings.heartbeat, notify_socket=notify_socket())

    def listen(event: Event) -> None:
        listener(event)
        heartbeat(event)

    async with assemble(settings) as keeper:
        await require_sound(keeper)
        if not settings.sends:
            await _follow(keeper, listen=listen, stop=stop)
            return
        async with arm(keeper, listen) as armed:

            def hear(event: Event) -> None:
                listen(event)
                for bids in (armed.bids, armed.backrun_bids):
                    if bids is not None:
                        bids(event)

            async with _recorded(keeper, armed.journal, hear) as told:
                await _follow(keeper, listen=told, stop=stop, armed=armed)


async def shadow(settings: Settings, *, listener: Listener, stop: asyncio.Event) -> None:
    """Follow the chain and score each liquidation by others, until `stop` is set. Nothing is ever sent.

    Raises ConfigError where something that `run` relies on is missing, or another keeper has the journal.
    """
    async with assemble(replace(settings, dry_run=True)) as keeper:
        await require_sound(keeper)
        chain_id = keeper.chain.chain_id
        path = settings.journal(chain_id)
        with (
            Lock.of(journal=path, operator=None),
            closing(SqliteJournal.open(path, chain_id=chain_id)) as journal,
        ):
            async with _recorded(keeper, journal, listener) as told:
                await _follow(keeper, listen=told, stop=stop, journal=journal)


@asynccontextmanager
async def _recorded(keeper: Assembled, journal: SqliteJournal, listen: Listener) -> AsyncIterator[Listener]:
    """Yield a listener that tells `listen`, and writes down what `keeper report` is made of."""
    recorder = Recorder(
        world=keeper.world,
        endpoints=keeper.endpoints,
        books=keeper.watcher.books,
        executor=keeper.planner.desk.executor,
        journal=journal,
        listen=listen,
        clock=time.time,
    )

    def told(event: Event) -> None:
        listen(event)
        recorder(event)

    working = asyncio.create_task(recorder.work())
    try:
        yield told
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _follow(
    keeper: Assembled,
    *,
    listen: Listener,
    stop: asyncio.Event,
    armed: Armed | None = None,
    journal: SqliteJournal | None = None,
) -> None:
    with _memory(keeper, listen) as memory, taping(keeper) as tape:
        listen = listen if tape is None else _both(listen, tape)
        remembering = None if memory is None else Remembering(memory, keeper.watcher, listen=listen)
        engine = keeper.rooms.engine(
            keeper.settings,
            keeper.chain,
            keeper.world if tape is None else tape.world,
            listen=listen,
            journal=armed.journal if armed else journal,
            landing=armed.lander if armed else None,
            guard=armed.guard if armed else None,
            odds=odds_of(keeper.settings, armed.journal) if armed else None,
            bidder=armed.bids if armed else None,
            backrun_bidder=armed.backrun_bids if armed else None,
            remember=None if remembering is None else remembering.take,
        )
        # everything is read before anything is decided: the first time it may take minutes
        seen = await _unless_stopped(observe(keeper, listen, memory), stop)
        if seen is None:
            listen(Stopped(why="asked to, while it read the markets: the next start goes on from here"))
            return
        freeze_loaded()
        if armed is not None:
            await take_up(armed, seen.head, listen)
        listen(
            Started(
                head=seen.head,
                markets=tuple(book.protocol.name for book in keeper.watcher.books),
                borrowers=seen.borrowers,
                pools=len(seen.pools),
                operator=keeper.planner.desk.operator if armed else None,
                dry_run=armed is None,
            )
        )
        await engine.foretell(whole=True)  # what prices are made of: what is pending is judged by it
        if tape is not None:
            tape.begin(seen.head, memory, seen_at_s=seen.head.timestamp_s)
        try:
            async with _foreseeing(keeper, listen) as ahead:
                await engine.follow(stop, ahead=ahead)
        except asyncio.CancelledError:
            listen(Stopped(why="cancelled"))
            raise
        finally:
            if remembering is not None:
                await remembering.flush()


def freeze_loaded() -> None:
    """Have the garbage collector pass over what there is now: in the middle of a head that takes too long."""
    gc.collect()
    gc.freeze()


@asynccontextmanager
async def _foreseeing(keeper: Assembled, listen: Listener) -> AsyncIterator[Foreseer | None]:
    """Yield what listens to pending transactions meanwhile, where that is wanted."""
    settings = keeper.settings
    if not settings.pending and settings.mev_share_url is None:
        yield None
        return
    socket = next((one.url for one in settings.rpc_urls if one.is_socket), None)
    foreseer = Foreseer(
        socket=PendingSocket(socket) if settings.pending and socket is not None else None,
        stream=None if settings.mev_share_url is None else EventStream(settings.mev_share_url),
        endpoints=keeper.endpoints,
        world=keeper.world,
        watcher=keeper.watcher,
        block_time_s=keeper.chain.block_time_s,
        listen=listen,
        clock=time.monotonic,
    )
    working = asyncio.create_task(foreseer.work())
    try:
        yield foreseer
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


def _both(one: Listener, other: Listener) -> Listener:
    def tell(event: Event) -> None:
        one(event)
        other(event)

    return tell


async def _unless_stopped(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Return what `work` returns; None where it was stopped before, and left off."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


@contextmanager
def _memory(keeper: Assembled, listen: Listener) -> Iterator[Checkpoint | None]:
    """Yield where what is known outlives the keeper; None where no file can be had, which is said."""
    path = keeper.settings.state_dir / f"checkpoint-{keeper.chain.chain_id}.sqlite"
    try:
        checkpoint = Checkpoint.open(path, chain_id=keeper.chain.chain_id)
    except (OSError, sqlite3.Error) as error:
        listen(Degraded(what=f"no checkpoint: {path}", why=str(error)))
        yield None
        return
    if checkpoint.remade:
        listen(Degraded(what=f"the checkpoint {path} is made anew", why=checkpoint.remade))
    with closing(checkpoint):
        yield checkpoint
