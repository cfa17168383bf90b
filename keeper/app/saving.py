"""`keeper plan --save` and `--state`: all that a decision was made on, in one file; and the decision from it.

The file is a tape of one head: every answer that led to the decision, and which decision that was. Of the
market's positions it holds the borrower's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from keeper import __version__
from keeper.app.build import assemble, furnish
from keeper.app.channels import unknown_odds
from keeper.app.inspecting import explain, observe, owes_nothing
from keeper.backtest.recorder import Recorder
from keeper.backtest.tape import Asked, TapeWriter
from keeper.backtest.tape_world import Tape, TapeWorld
from keeper.chains import Chain
from keeper.config import Settings
from keeper.domain.address import Address
from keeper.domain.errors import Broken, ConfigError, Invariant
from keeper.domain.events import Degraded, Listener
from keeper.domain.head import Head
from keeper.domain.odds import Odds
from keeper.domain.position import PositionId
from keeper.domain.report import PlanReport
from keeper.domain.state import Mined
from keeper.ports import World
from keeper.query import run
from keeper.watcher.chain import Chain as Blocks


async def plan_and_save(
    settings: Settings,
    *,
    borrower: Address,
    file: Path,
    variables: Mapping[str, str],
    listener: Listener,
    curve: bool = False,
) -> PlanReport:
    """Return the decision on a borrower, having written its state to `file`, with the `variables` as set.

    It is decided once more from the file alone: what would differ is not kept. Raises ConfigError where the
    borrower owes nothing, the file is there already or can't be written.
    """
    async with assemble(settings) as keeper:
        tape = TapeWriter(file, chain_id=keeper.chain.chain_id, written_by=f"keeper {__version__}")
        try:
            seen = await observe(keeper, listener)
            odds = unknown_odds(settings)
            asked = Asked(
                borrower=borrower,
                positions={
                    book.protocol.name: [one for one in book.rows if one.borrower == borrower]
                    for book in keeper.watcher.books
                },
                remembered={
                    book.protocol.name: list(book.protocol.remembered(book.market))
                    for book in keeper.watcher.books
                    if book.head is not None
                },
                variables=dict(variables),
                channels=list(odds.channels),
                reverts_land=odds.reverts_land,
            )
            if not any(asked.positions.values()):
                raise ConfigError(owes_nothing(keeper.rooms, borrower))
            with tape:
                recorder = Recorder(keeper.world, tape)
                recorder.head(seen.head, seen_at_s=seen.head.timestamp_s, first=True)
                tape.add(asked)
                report = await _decided(
                    settings, keeper.chain, recorder, seen.head, asked, listener, curve=curve
                )
            if report != await plan_from(settings, load_state(file), listener=listener, curve=curve):
                raise Invariant("what was saved leads to another decision")
        except BaseException:
            tape.abandon()
            file.unlink(missing_ok=True)
            raise
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """One head's answers, and the decision that they led to."""

    tape: Tape
    head: Head
    asked: Asked

    @property
    def borrower(self) -> Address:
        """Return whose position was decided on."""
        return Address(self.asked.borrower)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return what the operator had decided, as it was set."""
        return self.asked.variables


def load_state(file: Path) -> SavedState:
    """Return a saved state. Raises ConfigError where the file is none, or damaged."""
    try:
        tape = Tape.whole(file)
    except ConfigError as error:
        raise ConfigError(*(f"--state: {mistake}" for mistake in error.mistakes)) from None
    if tape.asked is None or not tape.heads:
        raise ConfigError(f"--state: {file}: holds no decision; expected what `keeper plan --save` wrote")
    return SavedState(tape=tape, head=tape.heads[0].head, asked=tape.asked)


async def plan_from(
    settings: Settings, saved: SavedState, *, listener: Listener, curve: bool = False
) -> PlanReport:
    """Return the decision from a saved state alone; what it can't answer is told."""
    world = TapeWorld(saved.tape)
    chain = settings.chain(saved.tape.chain_id)
    report = await _decided(settings, chain, world, saved.head, saved.asked, listener, curve=curve)
    if world.unanswered:
        kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(world.unanswered.items()))
        why = f"{kinds}: the settings, or the keeper, are not those that it was saved by"
        listener(Degraded(what=f"{saved.tape.path} does not answer every question", why=why))
    return report


async def _decided(
    settings: Settings,
    chain: Chain,
    world: World,
    head: Head,
    asked: Asked,
    listener: Listener,
    *,
    curve: bool,
) -> PlanReport:
    """Return the decision at one head, where of each market only the borrower's positions are known."""
    rooms = await furnish(settings, chain, world, head)
    at = Mined(hash=head.hash)
    for book in rooms.watcher.books:
        name = book.protocol.name
        theirs = [PositionId(market, Address(borrower)) for market, borrower in asked.positions.get(name, ())]
        with suppress(Broken):
            market = await run(book.protocol.open(asked.remembered.get(name, ())), at, world)
            rows = await run(book.protocol.rows(market, theirs), at, world)
            book.begin(head, market, dict(zip(theirs, rows, strict=True)), Blocks(depth=settings.reorg_depth))
    odds = Odds(channels=tuple(asked.channels), reverts_land=asked.reverts_land)
    engine = rooms.engine(settings, chain, world, listen=listener, odds=odds)
    seen = await engine.observe(head)
    return await explain(rooms, engine, seen, Address(asked.borrower), curve=curve)
