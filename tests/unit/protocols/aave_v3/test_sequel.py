"""What a close leaves, against the account of the row that the chain would store then."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.protocols.aave_v3 import revision_1, revision_7, revision_8, revision_10, revision_11
from keeper.protocols.aave_v3.revision import Close, Revision
from keeper.protocols.aave_v3.sequel import account_after
from keeper.protocols.aave_v3.state import Market, Row, Scaled
from tests.unit.protocols.aave_v3.markets import NOW_S, small_positions

_REVISIONS: dict[str, Revision] = {
    "3.0": revision_1,
    "3.3": revision_7,
    "3.4": revision_8,
    "3.6": revision_10,
    "3.7": revision_11,
}


def stored(row_: Row, close: Close, *, collateral: int, debt: int, written_off: frozenset[int]) -> Row:
    """Return the row as the pool writes it."""
    return row_._replace(
        collaterals=tuple(
            Scaled(one.reserve_id, close.collateral_scaled_after) if one.reserve_id == collateral else one
            for one in row_.collaterals
            if one.reserve_id != collateral or close.stays_collateral
        ),
        debts=tuple(
            Scaled(one.reserve_id, close.debt_scaled_after) if one.reserve_id == debt else one
            for one in row_.debts
            if one.reserve_id not in written_off and (one.reserve_id != debt or close.debt_scaled_after)
        ),
    )


@pytest.mark.parametrize("revision", _REVISIONS.values(), ids=_REVISIONS)
@given(position=small_positions(), data=st.data())
def test_account_after__any_close__is_the_account_of_what_is_stored(
    revision: Revision, position: tuple[Market, Row], data: st.DataObject
) -> None:
    market_, row_ = position
    account = revision.account(market_, row_, at_s=NOW_S)
    assume(account.collaterals and account.debts)
    held, owed = data.draw(st.sampled_from(account.collaterals)), data.draw(st.sampled_from(account.debts))
    pair = revision.pair(account, collateral=held.reserve, debt=owed.reserve)
    debt_to_cover = data.draw(st.integers(1, max(pair.limit_raw, 1)))
    close = revision.close(pair, debt_to_cover=debt_to_cover, receive_a_token=False)
    assume(isinstance(close, Close))
    assert isinstance(close, Close)
    active = {one.reserve.id for one in account.debts if one.reserve.configuration.active}
    gone = frozenset(active if close.clears_collateral else ())
    after = account_after(revision, pair, close)
    kept = stored(row_, close, collateral=held.reserve.id, debt=owed.reserve.id, written_off=gone)
    expected = revision.account(market_, kept, at_s=NOW_S)

    def told(account_: object) -> object:
        return [
            [(one.reserve.id, one.scaled, one.raw, one.base) for one in side]
            for side in (account_.collaterals, account_.debts)  # type: ignore[attr-defined]
        ]

    assert told(after) == told(expected)
    assert (after.collateral_base, after.debt_base) == (expected.collateral_base, expected.debt_base)
    assert after.health_factor_wad == expected.health_factor_wad
    cash = {one.reserve.id: one.reserve.cash_raw for one in (*after.collaterals, *after.debts)}
    for id_, cash_raw in cash.items():
        moved = close.repaid_raw * (id_ == owed.reserve.id) - close.seized_raw * (id_ == held.reserve.id)
        assert cash_raw == market_.reserves[id_].cash_raw + moved
