"""Many healths at once are what each borrower's account says, in any revision, whoever else is asked."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.domain.position import Health
from keeper.protocols.aave_v3.healths import healths
from keeper.protocols.aave_v3.known import KNOWN
from tests.unit.protocols.aave_v3.markets import NOW_S
from tests.unit.protocols.aave_v3.test_screening import drawn_market, drawn_row


@pytest.mark.parametrize("revision", sorted(KNOWN))
def test_healths__any_positions__what_each_account_says(revision: int) -> None:
    arithmetic = KNOWN[revision].revision

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 2**64), st.floats(0.5, 2), st.sampled_from([0, 12, 10**7]))
    def check(seed: int, health: float, later_s: int) -> None:
        random, at_s = Random(seed), NOW_S + later_s
        held = drawn_market(random, revision)
        rows = [drawn_row(random, held, health=health, at_s=at_s) for _ in range(8)]
        accounts = [arithmetic.account(held, row, at_s=at_s) for row in rows]
        assert healths(arithmetic, held, rows, at_s=at_s) == tuple(
            Health(
                health_factor_wad=one.health_factor_wad,
                collateral_base=one.collateral_base,
                debt_base=one.debt_base,
            )
            for one in accounts
        )

    check()
