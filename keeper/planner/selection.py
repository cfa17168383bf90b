"""Who of one block runs, and in which order, for the highest total: what one takes, those after it lack.

Knows neither pools nor borrowers: whoever calls says what one brings on a state, and which state it leaves.
Each takes what is best for itself of what is left, and is passed over where that is nothing, so an order says
all. One may also bring more after another, which sold the other way.

Of a few that share something the best order of all of them, and of some, is found for certain: whoever ran,
in whatever order, of two states that they leave the one is followed that brought no less and leaves no less.
Of more, the most profitable alone goes first, and one after another is moved ahead of others as long as that
brings more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Hashable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Generic, NamedTuple, TypeAlias, TypeVar

MOST_EXACT = 6
"""Of so many that share something the best order is found for certain."""
_STEPS_EACH = 2
"""Of more, how many steps are looked at for each to exchange them,"""
_MOST_STEPS = 16
"""and in all: a step is a sizing, and the head does not wait."""

ROUNDING = 10**8
"""A part in so many is what the contracts' rounding makes, no matter of order."""

T = TypeVar("T")
State = TypeVar("State")

Unhurried: TypeAlias = Generator[None, None, T]
"""What takes long to work out: it yields after each step, and there is time for something else in between."""


class Step(NamedTuple, Generic[State]):
    """What one brings, and the state that it leaves to others."""

    worth_wei: int
    after: State


Play: TypeAlias = Callable[[int, State], Step[State] | None]
"""Gives what an item, by its place, does on a state; None where it does nothing."""
Covers: TypeAlias = Callable[[State, State, Collection[int]], bool]
"""Tells whether a state leaves each of these items no less than another state does."""


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
    covers: Covers[State],
    only_falls: bool,
    most_exact: int = MOST_EXACT,
) -> Unhurried[tuple[int, ...]]:
    """Return the order that brings most in total. Those that do nothing where they would come are in it too.

    `only_falls` promises that nobody brings more once others have gone first: what can't bring more is then
    known early. Of equals the earliest found is taken, the greedy order before all; what differs by less than
    rounding makes is equal.
    """
    greedy = yield from _greedy(items, start, play)
    if len(items) < 2:
        return greedy.order
    if len(items) <= most_exact:
        return (yield from _Search(play, covers, greedy, only_falls=only_falls).best(start))
    steps = min(_STEPS_EACH * len(items), _MOST_STEPS)
    return (yield from _exchanged(greedy, play, steps=steps)).order


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
) -> Unhurried[_Run[State]]:
    """Return an order played through; its first `upto` items are those of `like`, and need not be again."""
    before = list(like.before[:upto]) if like else []
    worths = list(like.worths_wei[:upto]) if like else []
    state = like.before[upto] if like else start
    for item in order[upto:]:
        before.append(state)
        step = play(item, state)
        worths.append(step.worth_wei if step else 0)
        state = step.after if step else state
        yield
    return _Run(tuple(order), tuple(before), tuple(worths))


def _alone(items: Collection[int], start: State, play: Play[State]) -> Unhurried[dict[int, int]]:
    """Return what each would bring were it the first."""
    alone_wei: dict[int, int] = {}
    for item in items:
        step = play(item, start)
        alone_wei[item] = step.worth_wei if step else 0
        yield
    return alone_wei


def _greedy(items: Collection[int], start: State, play: Play[State]) -> Unhurried[_Run[State]]:
    """Return the order of what each brings alone, the most first."""
    alone_wei = yield from _alone(items, start, play)
    return (yield from _played(sorted(items, key=lambda item: -alone_wei[item]), start, play))


class _Reached(NamedTuple, Generic[State]):
    """Who ran, in this order, what that brought, and the state that it leaves."""

    ran: tuple[int, ...]
    worth_wei: int
    state: State
    would_wei: Mapping[int, int]
    """What others would have brought in the place of the last, as far as that was looked at."""


class _Search(Generic[State]):
    """Looks at one more item at a time, and follows what may still become the best."""

    def __init__(
        self, play: Play[State], covers: Covers[State], first: _Run[State], *, only_falls: bool
    ) -> None:
        self._play = play
        self._covers = covers
        self._only_falls = only_falls
        self._items = first.order
        self._best, self._best_wei = first.order, first.worth_wei
        self._behind_wei: dict[tuple[int, int], int] = {}
        """What the second brings right behind the first."""

    def best(self, start: State) -> Unhurried[tuple[int, ...]]:
        reached = [[_Reached((), 0, start, {})]]
        while reached:
            further: dict[frozenset[int], list[_Reached[State]]] = {}
            for one in chain.from_iterable(reached):
                steps = yield from self._steps(one)
                for then in self._onwards(one, steps):
                    self._keep(further.setdefault(frozenset(then.ran), []), then)
            reached = list(further.values())
        return (*self._best, *(item for item in self._items if item not in self._best))

    def _steps(self, one: _Reached[State]) -> Unhurried[dict[int, Step[State] | None]]:
        """Return what each item does next of which something may come."""
        steps: dict[int, Step[State] | None] = {}
        for item in self._items:
            if item not in one.ran and not self._is_hopeless(one, item):
                steps[item] = self._play(item, one.state)
                yield
        return steps

    def _onwards(
        self, one: _Reached[State], steps: Mapping[int, Step[State] | None]
    ) -> Iterator[_Reached[State]]:
        """Yield what is reached once an item more has run."""
        would_wei = {item: step.worth_wei if step else 0 for item, step in steps.items()}
        if len(one.ran) == 1:
            self._behind_wei |= {(one.ran[0], item): worth_wei for item, worth_wei in would_wei.items()}
        for item, step in steps.items():
            if step is not None:
                then = _Reached((*one.ran, item), one.worth_wei + step.worth_wei, step.after, would_wei)
                if then.worth_wei > self._best_wei:
                    self._best, self._best_wei = then.ran, then.worth_wei
                yield then

    def _is_hopeless(self, one: _Reached[State], item: int) -> bool:
        """Return whether nothing better comes of it, whatever runs after that item.

        Nobody brings more than right behind any one of those that ran, nor than in the place of the last.
        """
        if not self._only_falls or len(one.ran) < 2:
            return False

        def most_wei(item: int, ran: Collection[int]) -> int:
            behind_wei = min([self._behind_wei[other, item] for other in ran])
            return min(behind_wei, one.would_wei.get(item, behind_wei))

        @cache
        def rest_most_wei(ran: frozenset[int]) -> int:
            left = [(other, most_wei(other, ran)) for other in self._items if other not in ran]
            return max([wei + rest_most_wei(ran | {other}) for other, wei in left if wei > 0], default=0)

        ran, own_wei = frozenset(one.ran), most_wei(item, one.ran)
        return own_wei <= 0 or one.worth_wei + own_wei + rest_most_wei(ran | {item}) <= self._best_wei

    def _keep(self, known: list[_Reached[State]], new: _Reached[State]) -> None:
        """Add what the same items reached in another order, unless it is no better than what is known."""
        if any(self._no_better(new, than=one) for one in known):
            return
        known[:] = [*(one for one in known if not self._no_better(one, than=new)), new]

    def _no_better(self, one: _Reached[State], *, than: _Reached[State]) -> bool:
        if one.worth_wei - than.worth_wei > self._best_wei // ROUNDING:
            return False
        left = [item for item in self._items if item not in one.ran]
        return self._covers(than.state, one.state, left)


def _exchanged(run: _Run[State], play: Play[State], *, steps: int) -> Unhurried[_Run[State]]:
    """Return a run that brings no less: items moved ahead, those first that lose most by coming late."""
    start = run.before[0]
    alone_wei = yield from _alone(run.order, start, play)
    moved = True
    while moved and steps > 0:
        moved = False
        lost = {item: alone_wei[item] - worth for item, worth in zip(run.order, run.worths_wei, strict=True)}
        for item in sorted(run.order, key=lambda one: -lost[one]):
            at = run.order.index(item)
            for to in dict.fromkeys((0, at // 2, at - 1)):
                if not 0 <= to < at or steps <= 0:
                    continue
                others = [one for one in run.order if one != item]
                order = (*others[:to], item, *others[to:])
                other = yield from _played(order, start, play, like=run, upto=to)
                steps -= len(run.order) - to
                if other.worth_wei > run.worth_wei:
                    run, moved = other, True
                    break
    return run
