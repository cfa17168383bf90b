"""A live keeper's tape that has grown too large: it becomes the older one, and another begins at a head."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from keeper.app.taping import Taping
from keeper.backtest.behind import Behind
from keeper.backtest.tape_world import Tape, is_live
from keeper.config import load
from keeper.domain.events import Degraded, Observed
from keeper.domain.state import StateRef
from keeper.query import Answer, Ask, Reverted
from keeper.watcher import Watcher
from tests.unit.backtest.worlds import ANSWERS, Small, at, head

MAX_BYTES, HEADS = 8_000, 120


class Bare(Small):
    """Where nothing is but what the table tells of: all else reverts."""

    async def answer(self, asks: Sequence[Ask], at: StateRef) -> tuple[Answer, ...]:
        return tuple(ANSWERS.get(ask, Reverted(b"")) for ask in asks)


def nothing_watched(folder: Path) -> Any:
    """Return a keeper without markets or pools: what a tape begins with is then soon asked."""
    empty = folder / "empty.env"
    empty.touch()
    variables = {
        "KEEPER_WRAPPED_NATIVE": "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
        "KEEPER_VENUES": "uniswap-v3:0xBEc49fA140aCaA83533fB00A2BB19bDdd0290f25:"
        "0xfbC22278A96299D91d41C453234d97b4F5Eb9B2d",
        "KEEPER_LENDERS": "aave-v3:0x24B3c7704709ed1491473F30393FFc93cFB0FC34",
    }
    settings = load(env_file=empty, environ=variables, needs=())
    return SimpleNamespace(
        settings=settings,
        chain=settings.chain(31337),
        world=Bare(),
        watcher=Watcher(books=(), depths=(), lenders=(), surcharge=None),
    )


async def follow(taping: Taping, heads: int) -> None:
    """Hear of heads, each with answers and a decision that is different from all before."""
    taping.begin(head(0), None, seen_at_s=0.5)
    for number in range(1, heads + 1):
        await asyncio.sleep(0.01)  # what a tape begins with is asked beside this
        taping.world.head(head(number), seen_at_s=12.0 * number)
        await taping.world.answer(tuple(ANSWERS), at(number))
        taping(Observed(head=head(number), borrowers=0, unhealthy=0, skipped=(), milliseconds=1.0))
        taping(Degraded(what=f"head {number}", why=head(number**9).hash.hex() * 2))


def test_taping__grown_too_large__becomes_the_older_one_and_another_begins(tmp_path: Path) -> None:
    path, behind = tmp_path / "live.tape", Behind()
    taping = Taping(cast("Any", nothing_watched(tmp_path)), path, max_bytes=MAX_BYTES, behind=behind)
    asyncio.run(follow(taping, HEADS))
    taping.close()
    behind.close()
    older, newer = Tape.load(path.with_name("live.tape.1")), Tape.load(path)
    assert sorted(one.name for one in tmp_path.glob("*.tape*")) == ["live.tape", "live.tape.1"]
    assert all(is_live(one.path) and one.ended and one.begun for one in (older, newer))
    assert older.path.stat().st_size + newer.path.stat().st_size <= MAX_BYTES
    numbers = [one.head.number for one in (*older.heads, *newer.heads)]
    assert numbers == list(range(numbers[0], HEADS + 1))  # none is on both, and none is lost
    assert older.heads[0].head.number > 1  # what was older still is gone
    begins_at = newer.begun[0].head
    assert begins_at.number in (older.heads[-1].head.number, newer.heads[0].head.number)
    told = newer.decided_upon()
    assert all(number in told for number in range(begins_at.number + 1, HEADS + 1))
