"""Decisions that a live keeper made, beside those that are made now upon the same answers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Self

from keeper.domain.address import parse_address
from keeper.domain.events import Left, Planned
from keeper.domain.position import PositionId

_THEN = ", then "


class Decided(NamedTuple):
    """What is made of a position at one head: a plan's call data, or why it is left."""

    call: str
    """Empty where there is no plan."""
    told: str
    """In a few words, for a person."""


Then = Decided
"""What was made of it then."""


class Fate(StrEnum):
    """How a decision compares with what was decided then."""

    SAME = "same"
    OTHER = "other"
    """Another plan, another reason, or one where there was the other."""
    NEW = "new"
    """Nothing was decided then: the keeper did not see it."""
    GONE = "gone"
    """Nothing is decided now."""


class Comparison(NamedTuple):
    """One position at one head."""

    head_number: int
    position: PositionId
    fate: Fate
    then: Then | None
    now: Decided | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A live keeper's tape, decided again."""

    first: int
    last: int
    heads: int
    overtaken: int
    """Heads that the keeper left for newer ones: only what it had decided by then is compared."""
    compared: tuple[Comparison, ...]
    unread: Mapping[int, str]
    unanswered: Mapping[str, int]
    """What the tape was asked and does not know, by kind."""
    journal: tuple[str, ...]
    seconds: float

    @classmethod
    def of(
        cls,
        heads: Mapping[int, tuple[Mapping[PositionId, Decided], Mapping[PositionId, Then]]],
        *,
        overtaken: int,
        unread: Mapping[int, str],
        unanswered: Mapping[str, int],
        journal: tuple[str, ...],
        seconds: float,
    ) -> Self:
        """Return what comes of comparing, head by head, what is decided now with what was then."""
        return cls(
            first=min(heads),
            last=max(heads),
            heads=len(heads),
            overtaken=overtaken,
            compared=tuple(
                Comparison(number, position, _fate(before.get(position), now.get(position)), *both)
                for number, (now, before) in sorted(heads.items())
                for position in sorted(now.keys() | before.keys())
                for both in [(before.get(position), now.get(position))]
            ),
            unread=unread,
            unanswered=unanswered,
            journal=journal,
            seconds=seconds,
        )

    @property
    def counts(self) -> Mapping[Fate, int]:
        """Return how many there are of each fate."""
        found = Counter(one.fate for one in self.compared)
        return {fate: found[fate] for fate in Fate}


def decided(event: Planned | Left) -> tuple[PositionId, Decided]:
    """Return whose position it is, and what is made of it."""
    match event:
        case Planned(plan=plan):
            told = [
                _told(close.repaid.raw, close.repaid.token.symbol, close.seized.token.symbol)
                for close in plan.draft.closes
            ]
            return plan.draft.position, Decided(
                call=f"0x{plan.draft.transaction.data.hex()}", told=_THEN.join(told)
            )
        case Left(market=market, borrower=borrower, why=why):
            return PositionId(market, borrower), Decided(call="", told=why.reason.value)


def then(events: Iterable[Mapping[str, Any]]) -> dict[PositionId, Then]:
    """Return what a tape's decisions upon one head say, each as it was written down."""
    found: dict[PositionId, Then] = {}
    for one in events:
        if (planned := one.get("planned")) is not None:
            draft = planned["plan"]["draft"]
            told = [
                _told(close["repaid"]["raw"], _symbol(close["repaid"]), _symbol(close["seized"]))
                for close in draft["closes"]
            ]
            found[PositionId(draft["market"], parse_address(draft["borrower"]))] = Decided(
                call=draft["transaction"]["data"], told=_THEN.join(told)
            )
        elif (left := one.get("left")) is not None:
            position = PositionId(left["market"], parse_address(left["borrower"]))
            found.setdefault(position, Decided(call="", told=left["why"]["reason"]))
    return found


def _told(repaid_raw: int | str, repaid: str, seized: str) -> str:
    return f"repay {repaid_raw} {repaid} for {seized}"


def _symbol(amount: Mapping[str, Any]) -> str:
    token = amount["token"]
    return str(token["symbol"] if isinstance(token, Mapping) else token)


def _fate(before: Then | None, now: Decided | None) -> Fate:
    if before is None:
        return Fate.NEW
    if now is None:
        return Fate.GONE
    same = before.call == now.call and (bool(now.call) or before.told == now.told)
    return Fate.SAME if same else Fate.OTHER
