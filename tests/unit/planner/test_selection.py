"""The order that brings most: held against every order of every part, and against the greedy one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import partial
from itertools import permutations
from math import perm
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.planner.selection import MOST_EXACT, Step, best_order, groups
from tests.unit.planner.unhurried import at_once


class Want(NamedTuple):
    """Takes up to so much of a pool, for what its price is worth to it; a fixed cost is its gas."""

    pool: int
    most: int
    worth_each: int
    cost: int
    sign: int
    """-1 where it gives depth to others instead of taking it."""


Pools = tuple[int, ...]


def played(want: Want, pools: Pools) -> Step[Pools] | None:
    """Take a unit as long as it is worth more than the pool's price, which rises by one with each."""
    price = pools[want.pool]
    taken = min(want.most, max(want.worth_each - price, 0)) if want.sign > 0 else want.most
    worth = taken * (want.worth_each - price) - taken * (taken - 1) // 2 - want.cost
    if worth <= 0:
        return None
    after = list(pools)
    after[want.pool] = max(price + want.sign * taken, 0)
    return Step(worth, tuple(after))


def total(wants: list[Want], order: tuple[int, ...], pools: Pools) -> int:
    worth = 0
    for at in order:
        step = played(wants[at], pools)
        if step is not None:
            worth, pools = worth + step.worth_wei, step.after
    return worth


def brute_force(wants: list[Want], pools: Pools) -> int:
    """Return the best total of all orders of all subsets."""
    places = range(len(wants))
    return max(
        total(wants, order, pools) for some in range(len(wants) + 1) for order in permutations(places, some)
    )


def greedy_order(wants: list[Want], pools: Pools) -> tuple[int, ...]:
    alone = [total(wants, (at,), pools) for at in range(len(wants))]
    return tuple(sorted(range(len(wants)), key=lambda at: -alone[at]))


def want(*, opposing: bool) -> st.SearchStrategy[Want]:
    return st.builds(
        Want,
        pool=st.integers(0, 1),
        most=st.integers(1, 40),
        worth_each=st.integers(1, 60),
        cost=st.integers(0, 60),
        sign=st.sampled_from([1, -1] if opposing else [1]),
    )


def covers(wants: list[Want], one: Pools, other: Pools, items: Collection[int]) -> bool:
    """Return whether no pool that these use is dearer in a state than in another: cheap is good for all."""
    return all(one[wants[at].pool] <= other[wants[at].pool] for at in items)


def best(wants: list[Want], pools: Pools, *, only_falls: bool) -> int:
    order = at_once(
        best_order(
            range(len(wants)),
            pools,
            lambda at, left: played(wants[at], left),
            covers=partial(covers, wants),
            only_falls=only_falls,
        )
    )
    assert sorted(order) == list(range(len(wants)))
    return total(wants, order, pools)


@given(st.lists(want(opposing=False), max_size=6))
def test_best_order__depth_only_falls__equals_brute_force(wants: list[Want]) -> None:
    assert best(wants, (0, 10), only_falls=True) == brute_force(wants, (0, 10))


@given(st.lists(want(opposing=True), max_size=6))
def test_best_order__some_give_depth__equals_brute_force(wants: list[Want]) -> None:
    assert best(wants, (10, 30), only_falls=False) == brute_force(wants, (10, 30))


def _counted(
    wants: list[Want], steps: Counter[bool], opposing: bool, at: int, left: Pools
) -> Step[Pools] | None:
    steps[opposing] += 1
    return played(wants[at], left)


def test_best_order__six__equals_brute_force_looks_at_a_part_and_is_often_not_the_greedy_one() -> None:
    counts: Counter[str] = Counter()
    steps: Counter[bool] = Counter()
    for seed in range(60):
        draw = Random(seed)
        opposing = bool(seed % 2)
        wants = [
            Want(
                pool=draw.randrange(2),
                most=draw.randint(1, 40),
                worth_each=draw.randint(20, 60),
                cost=draw.randint(0, 60),
                sign=draw.choice([1, 1, -1]) if opposing else 1,
            )
            for _ in range(MOST_EXACT)
        ]

        order = at_once(
            best_order(
                range(MOST_EXACT),
                (10, 10),
                partial(_counted, wants, steps, opposing),
                covers=partial(covers, wants),
                only_falls=not opposing,
            )
        )
        found = total(wants, order, (10, 10))
        assert found == brute_force(wants, (10, 10)), wants
        greedy = total(wants, greedy_order(wants, (10, 10)), (10, 10))
        counts["better than greedy, opposing" if opposing else "better than greedy"] += found > greedy
    assert min(counts.values()) >= 5, counts
    every_order = 30 * sum(perm(MOST_EXACT, some) for some in range(1, MOST_EXACT + 1))
    assert max(steps.values()) * 5 < every_order, steps


@pytest.mark.parametrize("items", [MOST_EXACT, MOST_EXACT + 2], ids=["exactly", "by exchanges"])
def test_best_order__any_step__is_followed_by_time_for_something_else(items: int) -> None:
    wants = [Want(pool=0, most=10 + at, worth_each=60 - 5 * at, cost=0, sign=1) for at in range(items)]
    steps = Counter[bool]()
    counted = partial(_counted, wants, steps, False)
    work = best_order(range(items), (0, 0), counted, covers=partial(covers, wants), only_falls=True)
    for pauses, _ in enumerate(work, start=1):
        assert steps[False] == pauses
    assert steps[False] > 2 * items


@given(st.lists(want(opposing=True), min_size=MOST_EXACT + 1, max_size=9))
def test_best_order__more_than_six__never_worse_than_greedy(wants: list[Want]) -> None:
    greedy = total(wants, greedy_order(wants, (10, 30)), (10, 30))
    assert best(wants, (10, 30), only_falls=False) >= greedy


def test_best_order__more_than_six__exchange_gains() -> None:
    wide = Want(pool=0, most=40, worth_each=40, cost=0, sign=1)  # most alone, but worth little a unit
    narrow = [Want(pool=0, most=5, worth_each=60, cost=0, sign=1) for _ in range(MOST_EXACT)]
    wants = [wide, *narrow]
    assert best(wants, (0, 0), only_falls=True) > total(wants, greedy_order(wants, (0, 0)), (0, 0))


def test_best_order__one_pays_only_after_another__runs_after_it() -> None:
    taker = Want(pool=0, most=10, worth_each=10, cost=20, sign=1)
    giver = Want(pool=0, most=20, worth_each=60, cost=0, sign=-1)
    assert best([taker, giver], (12, 0), only_falls=False) == total([taker, giver], (1, 0), (12, 0))
    assert total([taker, giver], (0, 1), (12, 0)) < total([taker, giver], (1, 0), (12, 0))


def test_groups__chains__joined_and_the_rest_apart() -> None:
    uses = [frozenset("ab"), frozenset("c"), frozenset("bd"), frozenset(), frozenset("d"), frozenset("c")]
    assert groups(uses) == ((0, 2, 4), (1, 5), (3,))
