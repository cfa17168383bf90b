"""The drill: acts of a crashing market, and in each of them so many faults, at random.

Every act has a chain, a keeper and a journal of its own: one act sends to the public pool, the next one
bundles, the third one backruns too. After each fault the keeper has two blocks to go on; at the end
everything must have come to its outcome, and what the journal says of it is held against the chain.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from keeper.devnet.drill.audit import Audit, audit
from keeper.devnet.drill.faults import KINDS
from keeper.devnet.drill.scene import Scene, Way, scene

ACT_BLOCKS = 50
_PATIENCE_S = 100.0
"""How long the keeper may take for a block, on a machine with other work to do."""
_MOST_BLOCKS = 16
"""By then everything has come to its outcome: deadlines, second tries and confirmations included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fell:
    """A fault that struck, and how many blocks after its end the keeper went on."""

    act: int
    block: int
    head: int
    """The number of the chain's newest block when it began."""
    kind: str
    went_on_after: int
    """0: it had decided in spite of it. More than 2: it had not gone on by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """An act that is over, and what its audit found."""

    act: int
    audit: Audit


Told: TypeAlias = Fell | Over


@dataclass(slots=True)
class DrillReport:
    """What came of a drill."""

    seed: int
    blocks: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    audit: Audit = field(default_factory=Audit)
    seconds: float = 0.0

    def numbers(self) -> dict[str, int]:
        """Return what a machine reads."""
        found = self.audit
        return {
            "faults": self.faults.total(),
            "blocks": self.blocks,
            "sent": found.sent,
            "included": found.included,
            "double": found.double,
            "stuck": found.stuck,
            "lost": found.lost,
            "ledger_difference_wei": found.ledger_difference_wei,
        }


def drill(
    *,
    seed: int,
    blocks: int,
    tell: Callable[[Told], None] = lambda told: None,
    act_blocks: int = ACT_BLOCKS,
    only: int | None = None,
    keep: Path | None = None,
) -> DrillReport:
    """Return what came of so many blocks with half as many faults. Raises Ended where the keeper ends.

    Each act is drawn from its own number: `only` plays that one alone, as it is among the others. What an act
    leaves behind, the keeper's journal and its log, is left in a folder of `keep`, or nowhere.
    """
    began_s = time.monotonic()
    report = DrillReport(seed=seed)
    for act, begin in enumerate(range(0, blocks, act_blocks)):
        if only not in (None, act):
            continue
        length = min(act_blocks, blocks - begin)
        with _folder(keep, act) as folder:
            way = tuple(Way)[act % len(Way)]
            with scene(folder, seed=seed * 1_000 + act, blocks=length, way=way) as on:
                faults = (begin + length) // 2 - begin // 2
                Act(on, number=act, report=report, tell=tell).run(blocks=length, faults=faults)
    report.seconds = time.monotonic() - began_s
    return report


@contextmanager
def _folder(keep: Path | None, act: int) -> Iterator[Path]:
    """Yield a folder for an act, that stays where it is to be kept."""
    if keep is None:
        with TemporaryDirectory(prefix="keeper-drill-") as folder:
            yield Path(folder)
    else:
        kept = keep / f"act-{act + 1}"
        kept.mkdir(parents=True)
        yield kept


class Act:
    """One act, on a scene that is set."""

    def __init__(
        self,
        on: Scene,
        *,
        report: DrillReport,
        number: int = 0,
        tell: Callable[[Told], None] = lambda told: None,
    ) -> None:
        """`report` is added to, `tell` hears of each fault once it was got over, and of the end."""
        self._on = on
        self._report = report
        self._number = number
        self._tell = tell
        self._struck: Counter[str] = Counter()
        self._late: list[str] = []

    def run(self, *, blocks: int, faults: int) -> None:
        """Play so many blocks and faults: as many more blocks as these take."""
        on, struck = self._on, 0
        while on.blocks < blocks or struck < faults:
            if on.random.random() * max(blocks - on.blocks, 1) < faults - struck:
                self.strike(self._choose())
                struck += 1
            else:
                self.goes_on()
        self.end()

    def strike(self, kind: str) -> None:
        """Let something go wrong, and see how the keeper gets over it."""
        on, block, head = self._on, self._on.blocks, self._on.head
        KINDS[kind].strike(on)
        self._struck[kind] += 1
        self._report.faults[kind] += 1
        after = 0 if on.decided(within_s=0) else self.goes_on()
        self._tell(Fell(act=self._number, block=block, head=head, kind=kind, went_on_after=after))

    def goes_on(self) -> int:
        """Mine until the keeper has decided upon the head, and return how many blocks that took."""
        for blocks in (1, 2):
            self._on.block()
            if self._on.decided(within_s=_PATIENCE_S):
                return blocks
        self._late.append(f"block {self._on.head}: two blocks on, the keeper had not gone on")
        self._on.decided(within_s=_PATIENCE_S)
        return 3

    def end(self) -> None:
        """Let everything come to its outcome, end the keeper, and audit what it did."""
        on = self._on
        on.rests()
        for _ in range(_MOST_BLOCKS):
            if not on.stage.open_intents() and not on.pending():
                break
            if not on.pending():
                on.evict()
            self.goes_on()
        left_in_pool = on.pending()
        on.stage.stop()
        found = audit(on.stage, left_in_pool=left_in_pool)
        found += Audit(stuck=len(self._late), findings=tuple(self._late))
        self._report.audit += found
        self._tell(Over(act=self._number, audit=found))
        self._report.blocks += on.blocks

    def _choose(self) -> str:
        """Return one of the kinds that struck least in this act, of those that can strike now."""
        struck = self._struck
        possible = [kind for kind, one in KINDS.items() if one.possible(self._on)]
        least = min(struck[kind] for kind in possible)
        return self._on.random.choice([kind for kind in possible if struck[kind] == least])
