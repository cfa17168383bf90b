"""The columns hold what a dict would, whatever its width, and screen no row away that may be short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.errors import Invariant
from keeper.domain.position import PositionId
from keeper.ports import Entry, Weights
from keeper.watcher.columns import Columns

Held: TypeAlias = tuple[tuple[int, int], ...]
"""A row: slots, each with its amount."""

PEOPLE = [PositionId(market, Address(bytes([n]) * 20)) for market in ("a", "b") for n in range(12)]


def pack(row: Held) -> list[Entry[int]]:
    return [Entry(*one) for one in row]


def unpack(position: PositionId, entries: Sequence[Entry[int]]) -> Held:
    return tuple((slot, amount) for slot, amount in entries)


def columns() -> Columns[Held]:
    return Columns(pack=pack, unpack=unpack)


amounts = st.one_of(st.integers(0, 9), st.integers(0, 2**64), st.integers(2**127, 2**128 + 5))
rows = st.one_of(
    st.lists(st.tuples(st.integers(0, 30), amounts), max_size=9),
    st.integers(120, 140).map(lambda width: [(slot, slot) for slot in range(width)]),
).map(tuple)
changes = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from(PEOPLE), rows, max_size=9),
        st.sampled_from(PEOPLE),
    ),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(changes)
def test_columns__put_and_dropped_at_random__as_a_dict_would(
    changed: list[dict[PositionId, Held] | PositionId],
) -> None:
    held, expected = columns(), dict[PositionId, Held]()
    for change in changed:
        if isinstance(change, dict):
            held.put(change)
            expected |= change
        else:
            held.drop(change)
            expected.pop(change, None)
        assert held == expected and len(held) == len(expected)
        assert sorted(held) == sorted(expected)
    assert all(position in held for position in expected)
    assert not any(position in held for position in PEOPLE if position not in expected)


def test_put__many_then_fewer__rows_are_used_again() -> None:
    held = columns()
    everybody = {PositionId("a", Address(n.to_bytes(20))): ((1, n), (2, 1)) for n in range(1_000)}
    held.put(everybody)
    room = held._tables[2]._markets.nbytes
    for _ in range(3):
        for position in list(everybody)[:900]:
            held.drop(position)
        held.put(everybody)
    assert held == everybody and held._tables[2]._markets.nbytes == room


def test_getitem__unknown__key_error() -> None:
    with pytest.raises(KeyError):
        columns()[PEOPLE[0]]


def test_put__more_slots_than_there_are_numbers__kept_whole_and_screened() -> None:
    held = columns()
    crowd = {PositionId("a", Address(n.to_bytes(20))): ((n, 1),) for n in range(2**16 + 10)}
    held.put(crowd)
    assert len(held._misfits) == 11 and held == crowd
    healthy = Weights(per_unit=[1.0] * len(held.slots), slack=[0.0] * len(held.slots))
    assert set(held.screen(healthy, below=1.0)) == set(held._misfits)


counts: Counter[str] = Counter()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_screen__random_weights__none_is_missed_and_few_besides(data: st.DataObject) -> None:
    """Against exact sums of the same floats: within the float margin either answer is right."""
    held = columns()
    short = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2**128 - 1)), min_size=1, max_size=9)
    held.put({person: tuple(data.draw(short)) for person in PEOPLE[: data.draw(st.integers(1, 12))]})
    weight = st.floats(-1e12, 1e12, allow_nan=False)
    slots = {slot: data.draw(weight) for slot in held.slots}
    slack = {slot: data.draw(st.floats(0, 1e9)) for slot in held.slots}
    below = data.draw(st.sampled_from([0.5, 1.0, 1.05, 3.0]))
    weights = Weights(per_unit=list(slots.values()), slack=list(slack.values()))
    passed = set(held.screen(weights, below=below))
    for person, row in held.items():
        terms = [slots[slot] * (below if slots[slot] < 0 else 1) * amount for slot, amount in row]
        over = sum(terms) - sum(slack[slot] for slot, _ in row) * max(below, 1)
        unsure = 1e-11 * sum(map(abs, terms))
        if over <= 0:
            assert person in passed
        elif over > unsure:
            assert person not in passed
        counts["short" if over <= 0 else "unsure" if over <= unsure else "sound"] += 1


def test_screen__random_weights__both_kinds_were_met() -> None:
    if not counts:  # the other ran in another process
        test_screen__random_weights__none_is_missed_and_few_besides()
    assert min(counts["short"], counts["sound"]) > 100


@pytest.mark.parametrize("weight", [float("nan"), float("-inf")])
def test_screen__a_weight_that_is_no_number__lets_through(weight: float) -> None:
    held = columns()
    held.put({PEOPLE[0]: ((1, 5),)})
    assert list(held.screen(Weights(per_unit=[weight], slack=[0.0]), below=1.0)) == [PEOPLE[0]]


def test_screen__weights_of_fewer_slots__refused() -> None:
    held = columns()
    held.put({PEOPLE[0]: ((1, 5), (2, 5))})
    with pytest.raises(Invariant, match="weights of 1 slots, but there are 2"):
        list(held.screen(Weights(per_unit=[1.0], slack=[0.0]), below=1.0))
