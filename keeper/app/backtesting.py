"""`keeper backtest`: the rooms over past blocks, from an archive endpoint or a tape."""

from __future__ import annotations

import gc
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from keeper import __version__
from keeper.app.build import furnish, reach
from keeper.app.channels import unknown_odds
from keeper.backtest import past
from keeper.backtest.archive import Archive
from keeper.backtest.calibration import Calibration, calibration
from keeper.backtest.forking import Forking
from keeper.backtest.inclusion import Model
from keeper.backtest.journal import LinesJournal
from keeper.backtest.landing import PastLanding
from keeper.backtest.ledger import Ledger
from keeper.backtest.overlay import Carried
from keeper.backtest.passing import Ears, Pass
from keeper.backtest.past import Past
from keeper.backtest.read_ahead import ReadAhead
from keeper.backtest.recorder import Recorder
from keeper.backtest.result import Backtest
from keeper.backtest.score import score
from keeper.backtest.tape import TapeWriter
from keeper.backtest.tape_world import Tape, TapeWorld
from keeper.backtest.world import PastWorld
from keeper.chains import Chain
from keeper.config import Settings
from keeper.domain.errors import ConfigError
from keeper.domain.events import Event, Listener
from keeper.domain.head import Head
from keeper.domain.state import Mined, StateRef
from keeper.live.world import LiveWorld
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.ports import World
from keeper.query import Answer, Simulate, accounts, run
from keeper.store.journal import SqliteJournal

_TIMEOUT_S = 60.0
"""Of a request to an archive: no head waits for what is long mined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the past comes from."""

    chain: Chain
    world: World
    past: Past
    unanswered: Callable[[], dict[str, int]]
    """How many questions a record had no answer to, by kind."""
    failed: Callable[[], int] = lambda: 0
    """How often an endpoint did not answer: asked again it may."""
    heard: Callable[[Head], None] = lambda head: None
    """Is told of each head before it is dealt with."""
    expect: Callable[[Sequence[Head]], None] = lambda heads: None
    """Is told which heads come next."""
    listen: Listener = lambda event: None


@asynccontextmanager
async def source(
    settings: Settings,
    *,
    tape: Path | None,
    record: Path | None,
    first: int | None = None,
    last: int | None = None,
) -> AsyncIterator[Source]:
    """Yield the past: of a tape, for the blocks `first` to `last`, or of the configured endpoints.

    Raises ConfigError where there is neither, or the tape is damaged or lacks those blocks.
    """
    if tape is not None:
        told = Tape.load(tape, last=last)
        if first is not None and last is not None:
            told.must_cover(first, last)
        world = TapeWorld(told)
        yield Source(
            chain=settings.chain(told.chain_id),
            world=world,
            past=world,
            unanswered=lambda: dict(world.unanswered),
        )
        return
    async with AsyncExitStack() as stack:
        reached = await stack.enter_async_context(reach(settings, timeout_s=_TIMEOUT_S))
        url = next(one.url for one in settings.rpc_urls if not one.is_socket)
        chain_id = reached.chain.chain_id
        archive = await stack.enter_async_context(Archive(reached.endpoints, url=url, chain_id=chain_id))
        simulated = partial(on_fork, archive, chain_id)
        ahead = ReadAhead(Forking(reached.world, on_fork=simulated, lacking=archive.lacks_simulations))
        stack.push_async_callback(ahead.close)
        endpoints = Source(
            chain=reached.chain,
            world=ahead,
            past=archive,
            unanswered=dict,
            failed=lambda: ahead.failed,
            expect=ahead.expect,
        )
        if record is None:
            yield endpoints
            return
        writer = TapeWriter(record, chain_id=chain_id, written_by=f"keeper {__version__}")
        recorder = Recorder(ahead, writer, past=archive)
        stack.callback(recorder.close)
        yield replace(
            endpoints,
            world=recorder,
            past=recorder,
            heard=lambda head: recorder.head(head, seen_at_s=head.timestamp_s),
            listen=recorder,
        )


async def on_fork(
    archive: Archive, chain_id: int, asks: Sequence[Simulate], at: StateRef
) -> tuple[Answer, ...]:
    """Return what becomes of each simulation, all in one block, on a private fork of its parent."""
    (parent,) = {ask.block.number - 1 for ask in asks}
    fork = Endpoint(await archive.put_upon(parent), timeout_s=_TIMEOUT_S)
    endpoints = Endpoints([fork], chain_id=chain_id)
    try:
        return await LiveWorld(endpoints).answer(asks, at)
    finally:
        await endpoints.close()


async def backtest(
    settings: Settings,
    *,
    first: int,
    last: int,
    model: Model,
    tape: Path | None = None,
    record: Path | None = None,
    tell: Callable[[Ledger], None] = lambda ledger: None,
    listener: Listener = lambda event: None,
) -> Backtest:
    """Return what the keeper would have done over the blocks `first` to `last`.

    Raises ConfigError where the range or the source is none, Unavailable where the past can't be had.
    """
    if last <= first:
        raise ConfigError(f"--to: {last} does not come after --from {first}")
    async with source(settings, tape=tape, record=record, first=first, last=last) as given:
        return await over(settings, given, first, last, model=model, tell=tell, listener=listener)


async def over(
    settings: Settings,
    given: Source,
    first: int,
    last: int,
    *,
    model: Model,
    tell: Callable[[Ledger], None] = lambda ledger: None,
    listener: Listener = lambda event: None,
) -> Backtest:
    """Return one pass, scored."""
    began_s, failed_before = time.monotonic(), given.failed()
    (head,) = await past.headers(given.past, first, first)
    settings = replace(settings, audited_positions=0)  # what others draw, a tape has not recorded
    rooms = await furnish(await _as_of(settings, given.world, head), given.chain, given.world, head)
    desk, carried, journal, ears = rooms.planner.desk, Carried(), LinesJournal(), Ears()
    # as a keeper that has run no race yet: it learns from those of the blocks that it passes
    odds = replace(unknown_odds(settings), reverts_land=model.reverts_land)
    world = PastWorld(given.world, given.past, carried, purse_of=desk.operator if rooms.preamble else None)
    landing = PastLanding(
        past=given.past,
        carried=carried,
        model=model,
        journal=journal,
        operator=desk.operator,
        executor=desk.executor,
        channels=odds.channels,
        preamble=rooms.preamble,
    )

    def listen(event: Event) -> None:
        ears(event)
        given.listen(event)
        listener(event)

    engine = rooms.engine(
        settings,
        given.chain,
        world,
        listen=listen,
        journal=journal,
        landing=landing,
        odds=odds,
        clock=lambda: float(ears.head.timestamp_s if ears.head else 0),  # the past has no other time
    )
    one = Pass(
        engine=engine,
        ears=ears,
        archive=given.world,
        world=world,
        past=given.past,
        carried=carried,
        landing=landing,
        heard=given.heard,
        expect=given.expect,
        watched=lambda: [(book.protocol, book.market) for book in rooms.watcher.books],
    )

    def told(ledger: Ledger) -> None:
        if ledger.blocks == 1:  # what was read stays: the collector need not look at it again at each block
            gc.collect()
            gc.freeze()
        tell(ledger)

    try:
        ledger = await one.over(first, last, tell=told)
    finally:
        gc.unfreeze()
    ledger.unanswered = given.unanswered()
    return Backtest(
        chain_id=given.chain.chain_id,
        ledger=ledger,
        score=score(ledger, model),
        model=model,
        odds=odds.after_all((one.submission, one.outcome) for one in ledger.flights),
        journal=tuple(journal.lines),
        symbols={
            token.address: token.symbol
            for book in rooms.watcher.books
            for token in book.protocol.tokens(book.market)
        },
        failed_reads=given.failed() - failed_before,
        seconds=time.monotonic() - began_s,
    )


def calibrated(settings: Settings, done: Backtest, *, wanted: bool) -> Calibration | None:
    """Return how far the backtest is off from what this keeper's journal says of the same blocks.

    None where that says nothing of them; where that was `wanted` this raises ConfigError.
    """
    path, found = settings.journal(done.chain_id), None
    if path.is_file():
        with SqliteJournal.open(path, chain_id=done.chain_id) as journal:
            found = calibration(
                done.score,
                journal.submissions(),
                journal.spans(since_s=0),
                first=done.ledger.first.number,
                last=done.ledger.last.number,
            )
    if found is None and wanted:
        raise ConfigError(
            f"--calibrate: {path} tells of none of these blocks: no keeper watched them from here"
        )
    return found


async def _as_of(settings: Settings, world: World, head: Head) -> Settings:
    """Return the settings with an executor that is there at `head`, or none: then one stands in."""
    if settings.executor is None:
        return settings
    (account,) = await run(accounts((settings.executor,)), Mined(hash=head.hash), world)
    return settings if account.code else replace(settings, executor=None)
