"""`keeper run` and `keeper liquidate`: the commands that send."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from keeper.app.build import Assembled, assemble, signing_key
from keeper.app.channels import channels, relays, unknown_odds
from keeper.app.checking import WARNINGS, WORLDLY, check
from keeper.app.inspecting import observe, worst
from keeper.app.taping import taping
from keeper.config import Settings, notify_socket
from keeper.config.channel import BidSetting, ChannelName
from keeper.domain.address import Address, checksum
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import ConfigError, Unavailable
from keeper.domain.events import Concluded, Degraded, Event, Listener, Sent, Started, Stopped
from keeper.domain.head import Head
from keeper.domain.odds import Odds
from keeper.domain.plan import Plan
from keeper.domain.submission import Outcome, Submission
from keeper.keys import ExecutorSigner, Key, SigningLimits
from keeper.live.bidding import LearnedBids
from keeper.live.braking import Braking
from keeper.live.foreseeing import Foreseer
from keeper.live.heartbeat import Heartbeat
from keeper.live.landing import Lander
from keeper.live.recording import Recorder
from keeper.live.remembering import Remembering
from keeper.node.event_stream import EventStream
from keeper.node.pending_socket import PendingSocket
from keeper.store.checkpoint import Checkpoint
from keeper.store.journal import SqliteJournal
from keeper.store.lock import Lock

T = TypeVar("T")

LOOK_EVERY_S = 2.0
"""Between two looks for the outcome of a liquidation that a person waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """A keeper that may send: it holds the lock, the journal and the key."""

    keeper: Assembled
    journal: SqliteJournal
    lander: Lander
    guard: Braking
    bids: LearnedBids | None
    """None where no bids are learned."""
    backrun_bids: LearnedBids | None
    """Behind a hash; None where no others are learned there."""


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
        await _require_sound(keeper)
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
        await _require_sound(keeper)
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


async def liquidate(settings: Settings, *, borrower: Address, listener: Listener) -> Outcome | Declined:
    """Decide on a borrower's worst position upon the newest head, send, and return what became of it.

    That is the one that `plan` explains. Where nothing is sent, return why.
    """
    async with assemble(settings) as keeper:
        await _require_sound(keeper)
        async with arm(keeper, listener) as armed:
            seen = await observe(keeper, listener)
            await _take_up(armed, seen.head, listener)
            theirs = worst(one for one in seen.opportunities if one.borrower == borrower)
            if theirs is None:
                return Declined(reason=Reason.HEALTHY, detail=f"{checksum(borrower)} is not below health 1")
            engine = keeper.engine(
                listen=listener,
                journal=armed.journal,
                landing=armed.lander,
                guard=armed.guard,
                odds=_odds(keeper.settings, armed.journal),
                bidder=armed.bids,
            )
            (considered,) = await engine.decide(replace(seen, opportunities=(theirs,)))
            if not isinstance(considered.decision, Plan):
                return considered.decision
            if refusal := armed.guard.refuses(in_flight=len(armed.lander.in_flight())):
                return refusal
            submission = await armed.lander.submit(considered.decision, seen.head)
            listener(Sent(submission=submission))
            return await _outcome(armed, submission, listener)


async def _take_up(armed: Armed, head: Head, listen: Listener) -> None:
    """Take up what an earlier run left open. What came to its outcome meanwhile, the brakes count too."""
    for recovered in await armed.lander.recover(head):
        listen(recovered)
        if recovered.outcome is not None:
            armed.guard.concluded(Concluded(submission=recovered.submission, outcome=recovered.outcome))


async def _outcome(armed: Armed, submission: Submission, listener: Listener) -> Outcome:
    """Return what became of one submission; where it is of no use any more, cancel it, and wait for that."""
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        head = await armed.keeper.endpoints.block("latest")
        for concluded in await armed.lander.settle(head):
            listener(concluded)
            armed.guard.concluded(concluded)
            if concluded.submission.hash == submission.hash:
                return concluded.outcome
        for cancelling in await armed.lander.cancel_useless(head):
            listener(Sent(submission=cancelling))


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
            odds=_odds(keeper.settings, armed.journal) if armed else None,
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
            await _take_up(armed, seen.head, listen)
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


def _odds(settings: Settings, journal: SqliteJournal) -> Odds:
    """Return the odds by what the journal tells of the races before."""
    return unknown_odds(settings).after_all(journal.submissions())


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


@asynccontextmanager
async def arm(keeper: Assembled, listen: Listener) -> AsyncIterator[Armed]:
    """Yield the keeper with lock, journal and key. Raises ConfigError where it may not send here."""
    settings, chain_id = keeper.settings, keeper.chain.chain_id
    if not settings.is_private and not settings.public_allowed_on(chain_id):
        raise ConfigError(
            "KEEPER_ALLOW_PUBLIC: is needed to send through Ethereum's public mempool, where others copy a "
            "profitable call; set it to true to accept that, or name private channels in KEEPER_CHANNELS, or "
            "set KEEPER_DRY_RUN=true to watch only"
        )
    key = _operator_key(keeper)
    path = settings.journal(chain_id)
    async with relays(settings) as by_name:
        with (
            Lock.of(journal=path, operator=key.address),
            closing(SqliteJournal.open(path, chain_id=chain_id)) as journal,
        ):
            yield Armed(
                keeper=keeper,
                bids=_learned(settings.bids, journal, listen),
                backrun_bids=_learned(settings.backrun_bids, journal, listen),
                guard=Braking(
                    limits=settings.brake_limits(keeper.chain),
                    max_in_flight=settings.max_in_flight,
                    kill_file=settings.kill_switch,
                    journal=journal,
                    listen=listen,
                    clock=time.time,
                ),
                journal=journal,
                lander=Lander(
                    endpoints=keeper.endpoints,
                    channels=channels(settings),
                    relays=by_name,
                    signer=ExecutorSigner(
                        key,
                        limits=SigningLimits(
                            chain_id=chain_id, max_fee_per_gas_wei=settings.max_fee_per_gas_wei
                        ),
                        executor=keeper.planner.desk.executor,
                    ),
                    journal=journal,
                    executor=keeper.planner.desk.executor,
                    chain_id=chain_id,
                    max_fee_per_gas_wei=settings.max_fee_per_gas_wei,
                    confirmations=settings.confirmations,
                    patience_blocks=settings.stuck_after_blocks,
                ),
            )


def _learned(setting: BidSetting | None, journal: SqliteJournal, listen: Listener) -> LearnedBids | None:
    if setting is None:
        return None
    return LearnedBids(
        setting.bounds, journal, listen=listen, backruns=setting.channel is ChannelName.BACKRUN
    )


def _operator_key(keeper: Assembled) -> Key:
    key = signing_key(keeper.settings)
    operator = keeper.planner.desk.operator
    if key is None or keeper.preamble:
        raise ConfigError("KEEPER_EXECUTOR: an executor and its operator's key are needed to send")
    if key.address != operator:
        raise ConfigError(
            f"KEEPER_PRIVATE_KEY: is the key of {checksum(key.address)}, but the executor's operator is "
            f"{checksum(operator)}"
        )
    return key


async def _require_sound(keeper: Assembled) -> None:
    """Raise what `keeper check` finds wrong: Unavailable where that is the world's, else ConfigError."""
    wrong = [line for line in await check(keeper.settings) if not line.ok and line.name not in WARNINGS]
    told = tuple(f"{line.name}: {line.detail}. {line.advice}".strip() for line in wrong)
    if any(line.name in WORLDLY for line in wrong):
        raise Unavailable("; ".join(told))
    if wrong:
        raise ConfigError(*told)
