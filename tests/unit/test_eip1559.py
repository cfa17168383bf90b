"""What was signed is read back from its bytes, to the field; what was not is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper import eip1559
from keeper.domain.address import Address
from keeper.domain.errors import Invariant
from keeper.domain.plan import Fees
from keeper.domain.submission import UnsignedTransaction

WEI = st.integers(0, 2**100)
TRANSACTIONS = st.builds(
    UnsignedTransaction,
    chain_id=st.integers(1, 2**40),
    nonce=st.integers(0, 2**40),
    to=st.one_of(st.none(), st.binary(min_size=20, max_size=20).map(Address)),
    value_wei=WEI,
    data=st.binary(max_size=400),
    fees=st.builds(
        Fees,
        gas_limit=st.integers(0, 2**30),
        max_fee_per_gas_wei=WEI,
        max_priority_fee_per_gas_wei=WEI,
    ),
)


@given(TRANSACTIONS)
def test_unsigned__whatever_was_signed__the_same_again(transaction: UnsignedTransaction) -> None:
    raw = eip1559.signed(transaction, y_parity=1, r=2**255 - 1, s=7).raw
    assert eip1559.unsigned(raw) == transaction


@given(TRANSACTIONS, st.data())
def test_unsigned__cut_short__refused(transaction: UnsignedTransaction, data: st.DataObject) -> None:
    raw = eip1559.signed(transaction, y_parity=1, r=3, s=7).raw
    with pytest.raises(Invariant, match="not a transaction that the keeper signed"):
        eip1559.unsigned(raw[: data.draw(st.integers(0, len(raw) - 1))])


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x01\xc0", b"\x02\x05", b"\x02\xc2\xc0\xc0"])
def test_unsigned__anything_else__refused(raw: bytes) -> None:
    with pytest.raises(Invariant, match="not a transaction that the keeper signed"):
        eip1559.unsigned(raw)
