"""Who of one block runs, and in which order, for the highest total: what one takes, those after it lack.

Knows neither pools nor borrowers: whoever calls says what one brings on a state, and which state it leaves.
Each takes what is best for itself of what is left, and is passed over where that is nothing, so an order says
all. One may also bring more after another, which sold the other way.

Of a few that share something, all orders of all of them and of some are looked at, but for those that
can't bring more. Of more, the most profitable alone goes first, and one after another is moved ahead of
others as long as that brings more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

MOST_EXACT = 6
"""Of so many that share something the best order is found for certain."""
_STEPS_EACH = 2
"""Of more, how many steps are looked at for each to exchange them,"""
_MOST_STEPS = 16
"""and in all: a step is a sizing, and the head does not wait."""

State = TypeVar("State")


class Step(NamedTuple, Generic[State]):
    """What one brings, and the state that it leaves to others."""

    worth_wei: int
    after: State


Play: TypeAlias = Callable[[int, State], Step[State] | None]
"""Gives what an item, by its place, does on a state; None where it does nothing."""


def groups(uses: Sequence[Collection[Hashable]]) -> tuple[tuple[int, ...], ...]:
    """Return the items, by their places, in the smallest groups of which none uses what another does."""
    found: list[tuple[set[Hashable], list[int]]] = []
    for place, used in enumerate(uses):
        apart: list[tuple[set[Hashable], list[int]]] = []
        all_used, members = set(used), [place]
        for one in found:
            if one[0].isdisjoint(used):
                apart.append(one)
            else:
                all_used |= one[0]
                members += one[1]
        found = [*apart, (all_used, members)]
    return tuple(sorted(tuple(sorted(members)) for _, members in found))


def best_order(
    items: Collection[int],
    start: State,
    play: Play[State],
    *,
    only_falls: bool,
    most_exact: int = MOST_EXACT,
) -> tuple[int, ...]:
    """Return the order that brings most in total. Those that do nothing where they would come are in it too.

    `only_falls` promises that nobody brings more once others have gone first: what can't bring more is then
    known early. Of equals the earliest found is taken, the greedy order before all.
    """
    greedy = _greedy(items, start, play)
    if len(items) < 2:
        return greedy.order
    if len(items) <= most_exact:
        return _Search(play, greedy, only_falls=only_falls).best(start)
    return _exchanged(greedy, play, steps=min(_STEPS_EACH * len(items), _MOST_STEPS)).order


class _Run(NamedTuple, Generic[State]):
    """An order that was played through: the state before each item, and what each brought."""

    order: tuple[int, ...]
    before: tuple[State, ...]
    worths_wei: tuple[int, ...]

    @property
    def worth_wei(self) -> int:
        return sum(self.worths_wei)


def _played(
    order: Sequence[int], start: State, play: Play[State], *, like: _Run[State] | None = None, upto: int = 0
) -> _Run[State]:
    """Return an order played through; its first `upto` items are those of `like`, and need not be again."""
    before = list(like.before[:upto]) if like else []
    worths = list(like.worths_wei[:upto]) if like else []
    state = like.before[upto] if like else start
    for item in order[upto:]:
        before.append(state)
        step = play(item, state)
        worths.append(step.worth_wei if step else 0)
        state = step.after if step else state
    return _Run(tuple(order), tuple(before), tuple(worths))


def _greedy(items: Collection[int], start: State, play: Play[State]) -> _Run[State]:
    """Return the order of what each brings alone, the most first."""
    alone = {item: step.worth_wei if (step := play(item, start)) else 0 for item in items}
    return _played(sorted(items, key=lambda item: -alone[item]), start, play)


class _Search(Generic[State]):
    """Looks at every order that may bring more than the best so far."""

    def __init__(self, play: Play[State], first: _Run[State], *, only_falls: bool) -> None:
        self._play = play
        self._only_falls = only_falls
        self._best, self._best_wei = first.order, first.worth_wei

    def best(self, start: State) -> tuple[int, ...]:
        self._look((), self._best, start, 0)
        return self._best

    def _look(self, ran: tuple[int, ...], rest: tuple[int, ...], state: State, worth_wei: int) -> None:
        if worth_wei > self._best_wei:
            self._best, self._best_wei = (*ran, *rest), worth_wei
        steps = [(item, step) for item in rest if (step := self._play(item, state)) is not None]
        most_wei = worth_wei + sum(max(step.worth_wei, 0) for _, step in steps)
        if self._only_falls and most_wei <= self._best_wei:
            return
        for item, step in sorted(steps, key=lambda one: -one[1].worth_wei):
            left = tuple(other for other in rest if other != item)
            self._look((*ran, item), left, step.after, worth_wei + step.worth_wei)


def _exchanged(run: _Run[State], play: Play[State], *, steps: int) -> _Run[State]:
    """Return a run that brings no less: items moved ahead, those first that lose most by coming late."""
    start = run.before[0]
    alone = {item: step.worth_wei if (step := play(item, start)) else 0 for item in run.order}
    moved = True
    while moved and steps > 0:
        moved = False
        lost = {item: alone[item] - worth for item, worth in zip(run.order, run.worths_wei, strict=True)}
        for item in sorted(run.order, key=lambda one: -lost[one]):
            at = run.order.index(item)
            for to in dict.fromkeys((0, at // 2, at - 1)):
                if not 0 <= to < at or steps <= 0:
                    continue
                others = [one for one in run.order if one != item]
                other = _played((*others[:to], item, *others[to:]), start, play, like=run, upto=to)
                steps -= len(run.order) - to
                if other.worth_wei > run.worth_wei:
                    run, moved = other, True
                    break
    return run
