from __future__ import annotations

from itertools import pairwise

import pytest

from keeper.devnet.scenario import STEPS, PathError, Step, crash, read_csv
from keeper.devnet.tokens import TOKENS


@pytest.mark.parametrize("seed", range(8))
def test_crash__any_seed__falls_far_and_unevenly(seed: int) -> None:
    path = crash(seed)
    ether = [step.prices_base["WETH"] for step in path]
    staked = [step.prices_base["wstETH"] / step.prices_base["WETH"] for step in path]
    strides = [1 - after / before for before, after in pairwise(ether)]
    assert len(path) == STEPS
    assert [step.at_s for step in path] == [24 * index for index in range(STEPS)]
    assert ether[-1] / TOKENS["WETH"].price_base == pytest.approx(0.70, abs=1e-6)
    assert max(strides) > 0.05 and min(strides) < 0
    assert min(after / before for before, after in pairwise(staked)) < 0.93
    assert all(8e9 <= (step.base_fee_wei or 0) <= 30e9 for step in path)


def test_crash__same_seed__same_path() -> None:
    assert crash(3) == crash(3)
    assert crash(3) != crash(4)


def test_crash__other_length__ends_as_low() -> None:
    assert crash(1, steps=20)[-1].prices_base["WETH"] == pytest.approx(2_100e8, rel=1e-6)


def test_crash__too_short__raises() -> None:
    with pytest.raises(ValueError, match="3 steps"):
        crash(1, steps=3)


def test_read_csv__empty_cell__leaves_the_price() -> None:
    path = read_csv(["time,WETH,wstETH,base_fee_gwei", "1000,3000,3660,8", "1060,2910.5,,"])
    assert path == (
        Step(at_s=0, prices_base={"WETH": 3_000 * 10**8, "wstETH": 3_660 * 10**8}, base_fee_wei=8 * 10**9),
        Step(at_s=60, prices_base={"WETH": 291_050_000_000}),
    )


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["when,WETH", "0,1"], "unknown columns when"),
        (["time,DOGE", "0,1"], "unknown columns DOGE: expected time, base_fee_gwei and of WETH"),
        (["WETH", "1"], "no column time"),
        (["time,WETH", "0,1", "12,1"], "row 3: a step takes 24 s"),
        (["time,WETH", "0,cheap"], "row 2: WETH is 'cheap', expected a number"),
        (["time,WETH", "0,-1"], "row 2: WETH is '-1', expected 0 or more"),
        (["time,WETH", "0,NaN"], "row 2: WETH is 'NaN', expected 0 or more"),
        (["time,WETH", ",1"], "row 2: no time"),
        (["time,WETH"], "no rows"),
        ([], "no column time"),
    ],
)
def test_read_csv__malformed__says_where(lines: list[str], complaint: str) -> None:
    with pytest.raises(PathError, match=complaint):
        read_csv(lines)
