"""The brakes: what comes on, what it takes to release it, and that a restart changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address
from keeper.domain.brake import Brake, Landed, Resumed, Tripped
from keeper.domain.position import PositionId
from keeper.submitter.brakes import Brakes, Limits

NOW_S = 1_000_000
HOUR_S, DAY_S = 3_600, 86_400
ALICE, BOB = (PositionId("market", Address(bytes([n]) * 20)) for n in (1, 2))


def landed(at_s: int = NOW_S, **fields: Any) -> Landed:
    return Landed(
        **{"at_s": at_s, "positions": (ALICE,), "reverted": False, "gas_wei": 0, "profit_wei": 0} | fields
    )


def reverted(at_s: int = NOW_S, position: PositionId = ALICE) -> Landed:
    return landed(at_s, positions=(position,), reverted=True, gas_wei=5, profit_wei=-5)


def tripped_by(limits: Limits, *happened: Landed) -> list[Brake | None]:
    """Return after each what came on by it."""
    brakes = Brakes(limits)
    return [None if (tripped := brakes.land(one)) is None else tripped.brake for one in happened]


# --- what comes on ------------------------------------------------------------------------------------------


def test_land__gas_within_an_hour__counts_and_older_does_not() -> None:
    limits = Limits(max_gas_wei_per_hour=10)
    spent = [
        landed(NOW_S, gas_wei=6),
        landed(NOW_S + HOUR_S + 1, gas_wei=6),
        landed(NOW_S + HOUR_S + 2, gas_wei=4),
    ]
    assert tripped_by(limits, *spent) == [None, None, Brake.GAS]


def test_land__reverts_in_a_row__one_success_begins_anew() -> None:
    limits = Limits(max_reverts_in_row=2)
    row = [reverted(), landed(), reverted(), reverted(), reverted()]
    assert tripped_by(limits, *row) == [None, None, None, Brake.REVERTS, None]


def test_land__loss_within_a_day__less_what_was_earned() -> None:
    limits = Limits(max_loss_wei_per_day=10)
    assert tripped_by(
        limits,
        landed(NOW_S, profit_wei=-9),
        landed(NOW_S + DAY_S + 1, profit_wei=-9),
        landed(NOW_S + DAY_S + 1, profit_wei=8),
        landed(NOW_S + DAY_S + 2, profit_wei=-9),
    ) == [None, None, None, Brake.LOSS]


def test_land__no_limits__nothing_comes_on() -> None:
    assert set(tripped_by(Limits(), *[reverted(NOW_S + n) for n in range(50)])) == {None}


# --- what releases it ---------------------------------------------------------------------------------------


def test_on__no_pause__for_ever_and_until_resumed() -> None:
    brakes = Brakes(Limits(max_reverts_in_row=1))
    assert brakes.on(NOW_S) is None
    assert brakes.land(reverted()) is not None
    assert brakes.on(NOW_S + 100 * DAY_S) is not None
    brakes.resume()
    assert brakes.on(NOW_S) is None


def test_resume__what_was_counted__is_not_counted_again() -> None:
    brakes = Brakes(Limits(max_gas_wei_per_hour=10, max_reverts_in_row=3))
    for _ in range(2):
        brakes.land(reverted())
    assert brakes.on(NOW_S) is not None
    brakes.resume()
    assert brakes.land(reverted()) is None


def test_on__pause__until_it_is_over() -> None:
    brakes = Brakes(Limits(max_reverts_in_row=1, pause_s=60))
    brakes.land(reverted())
    assert brakes.on(NOW_S + 59) is not None
    assert brakes.on(NOW_S + 60) is None
    assert brakes.land(landed(NOW_S + 61, gas_wei=1)) is None


def test_on__clock_steps_back__nothing_is_released_or_forgotten() -> None:
    brakes = Brakes(Limits(max_reverts_in_row=1, max_gas_wei_per_hour=10, pause_s=60))
    brakes.land(reverted())
    assert brakes.on(NOW_S - 10 * DAY_S) is not None
    assert brakes.backing_off(ALICE, NOW_S - 10 * DAY_S) is not None
    brakes = Brakes(Limits(max_gas_wei_per_hour=10))
    brakes.land(landed(NOW_S, gas_wei=6))
    assert brakes.land(landed(NOW_S - 10 * DAY_S, gas_wei=6)) is not None


# --- borrowers ----------------------------------------------------------------------------------------------


def test_backing_off__each_failure__twice_as_long_and_an_hour_at_most() -> None:
    brakes = Brakes(Limits(first_backoff_s=24))
    waits_s = []
    for _ in range(10):
        brakes.land(reverted())
        waits_s.append(next(s for s in range(HOUR_S + 1) if brakes.backing_off(ALICE, NOW_S + s) is None))
    assert waits_s[:4] == [24, 48, 96, 192]
    assert waits_s[-1] == HOUR_S
    assert brakes.backing_off(BOB, NOW_S) is None


def test_backing_off__succeeded__not_any_more() -> None:
    brakes = Brakes(Limits())
    brakes.land(reverted())
    assert brakes.backing_off(ALICE, NOW_S) is not None
    brakes.land(landed())
    assert brakes.backing_off(ALICE, NOW_S) is None


def test_backing_off__landed_without_one_of_several__that_one_alone() -> None:
    brakes = Brakes(Limits(max_reverts_in_row=2))
    brakes.land(reverted(position=BOB))
    brakes.land(landed(positions=(ALICE, BOB), left_out=(ALICE,)))
    assert brakes.backing_off(ALICE, NOW_S) is not None and brakes.backing_off(BOB, NOW_S) is None
    assert brakes.land(reverted(position=BOB)) is None, "the row of reverts began anew"


# --- restarts -----------------------------------------------------------------------------------------------

_LIVES = st.lists(
    st.tuples(st.integers(-200, 4_000), st.sampled_from(["reverted", "landed", "resumed"]), st.booleans()),
    max_size=25,
)


@given(lives=_LIVES, pause_s=st.sampled_from([None, 100, 5_000]))
def test_rebuild__any_life_any_restarts__as_if_it_had_never_ended(
    lives: Sequence[tuple[int, str, bool]], pause_s: int | None
) -> None:
    _live_and_rebuild(lives, pause_s)


def test_rebuild__five_hundred_lives__the_same_and_each_brake_came_on() -> None:
    random, tripped = Random(1), Counter[str]()
    for _ in range(500):
        kinds = [random.choice(["reverted", "landed", "resumed"]) for _ in range(random.randint(0, 25))]
        most_s = random.choice([400, 4_000])
        lives = [(random.randint(-200, most_s), kind, random.random() < 0.5) for kind in kinds]
        tripped += _live_and_rebuild(lives, random.choice([None, 100, 5_000]))
    print(dict(tripped))
    assert tripped["gas"] >= 50 and tripped["reverts"] >= 100


def _live_and_rebuild(lives: Sequence[tuple[int, str, bool]], pause_s: int | None) -> Counter[str]:
    """Hold the brakes, rebuilt after each event, to those that lived through all; return which came on."""
    tripped: Counter[str] = Counter()
    limits = Limits(max_gas_wei_per_hour=20, max_reverts_in_row=3, max_loss_wei_per_day=30, pause_s=pause_s)
    living = Brakes(limits)
    written: list[Landed | Tripped | Resumed] = []
    now_s = NOW_S
    for passed_s, what, lost in lives:
        now_s += passed_s
        if what == "resumed":
            living.resume()
            written.append(Resumed(at_s=now_s))
        else:
            one = reverted(now_s) if what == "reverted" else landed(now_s, gas_wei=3, profit_wei=1)
            written.append(one)
            stop = living.land(one)
            if stop is not None:
                tripped[stop.brake.value] += 1
                if not lost:  # the disk was full
                    written.append(stop)
        again = Brakes(limits)
        again.rebuild(written)
        assert again.on(now_s) == living.on(now_s)
        assert again.backing_off(ALICE, now_s) == living.backing_off(ALICE, now_s)
    return tripped
