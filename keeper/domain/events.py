"""What the engine tells whoever listens: one value for each thing that happened, never a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

from keeper.domain.address import Address, Hash32
from keeper.domain.declined import Declined
from keeper.domain.head import Head
from keeper.domain.observation import Mismatch, Rejoined, Skipped
from keeper.domain.pending import Hint, PendingTransaction, PriceMove
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId
from keeper.domain.race import Race
from keeper.domain.report import Trigger, Unpredicted
from keeper.domain.submission import Outcome, Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The keeper has read everything and follows heads from here."""

    head: Head
    markets: tuple[str, ...]
    borrowers: int
    pools: int
    operator: Address | None
    """None where nothing will be sent."""
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """So much of a market was read before the first head could be followed."""

    source: str
    what: str
    """What is counted: blocks, whose logs name the borrowers, or positions."""
    done: int
    of: int
    rate_s: float
    """How many a second, since this was begun."""

    @property
    def left_s(self) -> float | None:
        """Return about how long the rest takes, None where that can't be told yet."""
        return (self.of - self.done) / self.rate_s if self.rate_s > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What an earlier run knew of a market was taken up, or why it was not."""

    source: str
    positions: int
    head: Head | None
    """What they were as of; None where they were not used."""
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """An earlier run left this submission open; the chain said what became of it, or it goes on."""

    submission: Submission
    outcome: Outcome | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A head was read whole."""

    head: Head
    borrowers: int
    unhealthy: int
    skipped: tuple[Skipped, ...]
    milliseconds: float
    """From the head's arrival to the book's being at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relinked:
    """A head that is not the child of the last one was taken in by a source."""

    head: Head
    how: Rejoined


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """The audit found a position that is not what the protocol itself says of it at this head."""

    head: Head
    mismatch: Mismatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A borrower below health 1 was left alone at this head."""

    head: Head
    market: str
    borrower: Address
    health_factor_wad: int
    why: Declined
    behind: Hash32 | None = None
    """The pending transaction that would let them fall; None where they have fallen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan clears every minimum. Where nothing is sent, it ends here."""

    head: Head
    plan: Plan
    behind: Hash32 | None = None
    """The pending transaction that it counts on and must come right behind; None for what is in blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A channel took a submission, or may have."""

    submission: Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """A submission came to its one outcome."""

    submission: Submission
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopened:
    """An outcome stands no longer: the chain took it back, or took after all what had expired."""

    submission: Submission
    outcome: Outcome


Settled: TypeAlias = Concluded | Reopened


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """All that was to be done upon this head is done."""

    head: Head
    sent: int
    milliseconds: float
    """From the head's arrival to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """The trigger prices from this head on."""

    head: Head
    triggers: tuple[Trigger, ...]
    unpredicted: tuple[Unpredicted, ...]
    """Prices of which nothing can be foretold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A transaction that is in no block yet changes prices: whom that lets fall is known already."""

    head: Head
    """Upon which it was simulated, alone in the next block; or, where it is only hinted at, worked out."""
    transaction: PendingTransaction | Hint
    prices: tuple[PriceMove, ...]
    positions: tuple[tuple[PositionId, int], ...]
    """Who falls below health 1, and to which, in wads; not those who were there before."""
    milliseconds: float
    """From its being heard of to here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """A newer head came before the decision upon this one was ready: the decision was dropped."""

    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """Something outside does not answer as it should; the keeper goes on, and says so."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """Somebody else liquidated a position in a market that is watched."""

    race: Race


@dataclass(frozen=True, slots=True, kw_only=True)
class Braked:
    """Nothing is sent from here on. The keeper goes on watching, and plans what it does not send."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What held the sending back holds no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The keeper ended on purpose."""

    why: str


Event: TypeAlias = (
    Started
    | Loading
    | Resumed
    | Recovered
    | Observed
    | Relinked
    | Audited
    | Left
    | Planned
    | Sent
    | Concluded
    | Reopened
    | Decided
    | Foretold
    | Foreseen
    | Overtaken
    | Degraded
    | Raced
    | Braked
    | Released
    | Stopped
)


class Listener(Protocol):
    """Hears every event, in order. Must not raise and must not wait."""

    def __call__(self, event: Event, /) -> None: ...
