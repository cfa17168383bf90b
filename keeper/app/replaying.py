"""`keeper backtest --tape` on a live keeper's tape: its decisions, made again by today's code."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from keeper.app.build import furnish
from keeper.app.channels import unknown_odds
from keeper.backtest.journal import LinesJournal
from keeper.backtest.remembered import WhatWasKept, unpacked
from keeper.backtest.replay import Decided, Replay, Then, decided, then
from keeper.backtest.tape_world import Tape, TapeWorld
from keeper.config import Settings
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.events import Degraded, Event, Left, Planned
from keeper.domain.head import Head
from keeper.domain.position import PositionId
from keeper.live.opening import Opening


@dataclass(slots=True)
class _Ears:
    """Keeps what is decided at one head."""

    decided: dict[PositionId, Decided]
    degraded: list[str]

    def __call__(self, event: Event) -> None:
        match event:
            case Planned() | Left():
                position, made = decided(event)
                self.decided[position] = made
            case Degraded(what=what, why=why):
                self.degraded.append(f"{what}: {why}")
            case _:
                pass


async def replay(settings: Settings, tape: Tape, *, first: int | None, last: int | None) -> Replay:
    """Return what is decided now at each head that the keeper heard of then, beside what it decided.

    Nothing is sent. Raises ConfigError where the tape has no beginning.
    """
    began_s = time.monotonic()
    if not tape.begun:
        raise ConfigError(
            f"{tape.path}: its keeper was stopped before all that a replay begins with was on it"
        )
    opened = tape.begun[0]
    world = TapeWorld(tape)
    chain = settings.chain(tape.chain_id)
    rooms = await furnish(settings, chain, world, opened.head)

    async def newest() -> Head:
        return opened.head

    kept = {source: unpacked(frame) for source, frame in tape.remembered.items()}
    opening = Opening(world, WhatWasKept(kept), newest=newest, listen=lambda event: None)
    for book in rooms.watcher.books:
        try:
            await opening.open(book)
        except Broken as error:
            raise ConfigError(
                f"{tape.path}: {book.protocol.name} can't be opened from it ({error}): were other markets "
                "configured then?"
            ) from None
    journal, ears = LinesJournal(), _Ears({}, [])
    odds = unknown_odds(settings)
    engine = rooms.engine(settings, chain, world, listen=ears, journal=journal, odds=odds)
    await engine.observe(opened.head)
    heads: dict[int, tuple[Mapping[PositionId, Decided], Mapping[PositionId, Then]]] = {}
    unread: dict[int, str] = {}
    by_head, overtaken = tape.decided_upon(), 0
    for seen in (
        tape.heads if tape.ended else tape.heads[:-1]
    ):  # the tape of one that was killed is torn there
        number = seen.head.number
        if number <= opened.head.number or (last is not None and number > last):
            continue
        ears.decided, ears.degraded = {}, []
        await engine.step(seen)
        if first is not None and number < first:
            continue
        told = [json.loads(text) for text in by_head.get(number, ())]
        before = then(told)
        if any("overtaken" in one for one in told):  # nobody came to the rest
            overtaken += 1
            ears.decided = {one: made for one, made in ears.decided.items() if one in before}
        heads[number] = ears.decided, before
        if ears.degraded:
            unread[number] = "; ".join(ears.degraded)
    if not heads:
        raise ConfigError(f"{tape.path}: holds no head to decide upon in that range")
    return Replay.of(
        heads,
        overtaken=overtaken,
        unread=unread,
        unanswered=dict(world.unanswered),
        journal=tuple(journal.lines),
        seconds=time.monotonic() - began_s,
    )
