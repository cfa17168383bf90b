"""A replacement pays a tenth more on both fees, whatever was wanted, and what that costs is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.plan import Fees
from keeper.submitter.replacing import most, outbidding

WEI = st.integers(0, 10**13)


def fees(most_wei: int, priority_wei: int, gas_limit: int = 100_000) -> Fees:
    return Fees(gas_limit=gas_limit, max_fee_per_gas_wei=most_wei, max_priority_fee_per_gas_wei=priority_wei)


@given(WEI, WEI, WEI, WEI)
def test_outbidding__any_fees__a_tenth_more_on_both_as_geth_counts(
    wanted: int, wanted_tip: int, over: int, over_tip: int
) -> None:
    new = outbidding(
        fees(max(wanted, wanted_tip), wanted_tip), fees(max(over, over_tip), over_tip, gas_limit=7)
    )
    for paid, than in (
        (new.max_fee_per_gas_wei, max(over, over_tip)),
        (new.max_priority_fee_per_gas_wei, over_tip),
    ):
        assert paid > than
        assert paid >= than * 110 // 100 and paid * 100 >= than * 110
    assert new.max_fee_per_gas_wei >= max(wanted, wanted_tip)
    assert new.max_priority_fee_per_gas_wei >= wanted_tip
    assert new.max_fee_per_gas_wei >= new.max_priority_fee_per_gas_wei
    assert new.gas_limit == 100_000


def test_outbidding__nothing_there__as_wanted() -> None:
    assert outbidding(fees(5, 2), None) == fees(5, 2)


def test_most__several__the_highest_of_each() -> None:
    assert most([fees(5, 1), fees(3, 2)]) == fees(5, 2)
    assert most([]) is None
