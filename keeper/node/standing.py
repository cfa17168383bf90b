"""How each endpoint stands with the keeper, and which of them to ask first. Knows no clock: it is told.

The order is: those that are believed before those that are not; the ones at the newest head before those
behind; the quick before the slow, in classes that each double the one before; then as the operator wrote
them. One block behind is no lag (the news of a block outruns the block), and whoever answers within
100 ms is as quick as any other: so the operator's order holds among good ones, and nothing flaps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from keeper.domain.head import Head
from keeper.node.endpoint import Endpoint

_FIRST_REST_S = 0.5
_LONGEST_REST_S = 30.0
_LONGEST_THROTTLE_S = 300.0
_QUICK_S = 0.1


@dataclass(slots=True)
class Standing:
    """An endpoint, and how it did lately."""

    endpoint: Endpoint
    on_chain: bool = False
    """It said that it is on the chain."""
    foreign: str = ""
    """Why it is never asked: it is on another chain."""
    head: Head | None = None
    """The newest block that it told of."""
    off_branch: bool = False
    """At the last head most of the others had another block than it has."""
    latency_s: float = 0.0
    failures: int = 0
    rests_until_s: float = 0.0
    throttled_until_s: float = 0.0
    """It asked to be left alone until then, and is: others that rest are asked where there is nobody else."""

    def failed(self, now_s: float) -> None:
        """Let it rest, longer each time."""
        self.rests_until_s = now_s + min(_FIRST_REST_S * 2**self.failures, _LONGEST_REST_S)
        self.failures = min(self.failures + 1, 10)

    def throttled(self, now_s: float, wait_s: float | None) -> None:
        """Leave it alone for as long as it asks; where it does not say, as long as after a failure."""
        self.failed(now_s)
        until_s = self.rests_until_s if wait_s is None else now_s + min(wait_s, _LONGEST_THROTTLE_S)
        self.rests_until_s = self.throttled_until_s = until_s

    def answered(self) -> None:
        """Forget that it failed."""
        self.failures = 0
        self.rests_until_s = self.throttled_until_s = 0.0

    def took(self, seconds: float) -> None:
        """Learn how long it takes to answer: half of what is known is what it took just now."""
        self.latency_s = seconds if self.latency_s == 0.0 else (self.latency_s + seconds) / 2

    @property
    def slowness(self) -> int:
        """Return its class: 0 within 100 ms, 1 within 200 ms, 2 within 400 ms, and so on."""
        return max(0, int(self.latency_s / _QUICK_S)).bit_length()


def in_order(
    standings: Sequence[Standing],
    *,
    only: Callable[[Endpoint], bool],
    now_s: float,
    oldest_s: float | None,
) -> list[Standing]:
    """Return those that may be asked now, the best first.

    `now_s` is the clock of their rests. A head of a time before `oldest_s` is not believed. Whoever is not
    believed is left out as long as another one is; whoever rests, as long as another one does not.
    """
    allowed = [
        one for one in standings if only(one.endpoint) and not one.foreign and one.throttled_until_s <= now_s
    ]
    believed = [one for one in allowed if _believed(one, oldest_s)] or allowed
    rested = [one for one in believed if one.rests_until_s <= now_s]
    if not rested:
        return sorted(allowed, key=lambda one: one.rests_until_s)
    newest = newest_number(rested)
    return sorted(rested, key=lambda one: (_behind(one, newest), one.slowness))


def newest_number(standings: Iterable[Standing]) -> int:
    """Return the number of the newest head that any of them told of, 0 where none did."""
    return max((one.head.number for one in standings if one.head is not None), default=0)


def outvoted(told: Sequence[Head | None]) -> list[bool]:
    """Return of each answer about one height whether more than half of those that know one say otherwise."""
    known = [head.hash for head in told if head is not None]
    return [
        head is not None and any(2 * known.count(other) > len(known) for other in set(known) - {head.hash})
        for head in told
    ]


def _believed(one: Standing, oldest_s: float | None) -> bool:
    if one.off_branch:
        return False
    return one.head is None or oldest_s is None or one.head.timestamp_s >= oldest_s


def _behind(one: Standing, newest: int) -> int:
    """Return by how many blocks it lags, more than the one that news outruns."""
    return 0 if one.head is None else max(0, newest - one.head.number - 1)
