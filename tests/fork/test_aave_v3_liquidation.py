"""Twelve hundred random cases of Aave V3.6: our arithmetic and the real contracts, to the wei."""

from __future__ import annotations

import pytest

from keeper.abi import load
from keeper.devnet.devnet import Devnet
from keeper.domain.fixed_point import mul_div_up
from keeper.protocols.aave_v3 import revision_10
from keeper.protocols.aave_v3.revision import Refusal
from tests.fork import aave_v3_cases as cases
from tests.fork.aave_v3_cases import Kind, Subject
from tests.fork.aave_v3_stage import Ran, Stage

_POOL = load("aave_v3_pool")

_KINDS: dict[str, Kind] = {
    "half": cases.half,
    "full": cases.full,
    "capped": cases.capped,
    "deficit": cases.deficit,
    "dust debt": cases.dust_debt,
    "dust collateral": cases.dust_collateral,
    "e-mode": cases.e_mode,
    "two debts": cases.two_debts,
    "edge": cases.edge,
    "any": cases.anything,
    "by borrower": cases.by_borrower,
    "inactive": cases.inactive,
    "paused": cases.paused,
    "sentinel": cases.sentinel,
    "grace": cases.grace,
    "healthy": cases.healthy,
    "not collateral": cases.not_collateral,
    "not borrowed": cases.not_borrowed,
    "nothing burned": cases.nothing_burned,
    "no cash": cases.no_cash,
    "no price": cases.no_price,
    "zero price": cases.zero_price,
}
_EXPECTED = [
    "half close",
    "full close",
    "collateral-capped",
    "deficit",
    "dust of debt",
    "dust of collateral",
    "e-mode",
    "two debts",
    "fee rounded up",
    "receives aTokens",
    *Refusal,
]


def reason_of(ran: Ran) -> str:
    """Return the name of what a call reverted with."""
    return cases.panic_of(ran) or _POOL.error_name(ran.returned) or ran.returned.hex() or Refusal.NO_PRICE


@pytest.mark.timeout(400)
async def test_liquidation__random_positions__contracts_and_arithmetic_agree_to_the_wei(
    devnet: Devnet,
) -> None:
    subject = Subject(revision=revision_10, seized_scaled=mul_div_up, reason_of=reason_of)
    counts = await cases.hold(subject, Stage(devnet), _KINDS)
    assert {name: counts[name] for name in _EXPECTED if counts[name] < cases.LEAST_OF_EACH} == {}
