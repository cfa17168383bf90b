"""The audit of a drill: what it must find, from journals and chains that were made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.devnet.demo.receipts import Receipt, Seizure
from keeper.devnet.drill.audit import Audit, Landed, double, lost
from keeper.domain.address import Address, Hash32
from keeper.domain.plan import Fees
from keeper.domain.position import PositionId
from keeper.domain.submission import Expired, Included, SignedTransaction, Submission

WHO = Address(b"\x01" * 20)
POSITION = PositionId("aave-v3:test", WHO)


def submission(serial: int, *, nonce: int, head: int) -> Submission:
    return Submission(
        market=POSITION.market,
        borrower=WHO,
        pools=frozenset(),
        operator=WHO,
        nonce=nonce,
        transaction=SignedTransaction(raw=b"", hash=Hash32(bytes([serial]) * 32)),
        head_number=head,
        head_hash=Hash32(b"\x00" * 32),
        deadline_s=0,
        predicted_profit_wei=0,
        fees=Fees(gas_limit=1, max_fee_per_gas_wei=1, max_priority_fee_per_gas_wei=1),
    )


def included(block: int) -> Included:
    return Included(
        block_number=block,
        block_hash=Hash32(b"\x00" * 32),
        gas_used=21_000,
        effective_gas_price_wei=1,
        vault_profit_wei=1,
        tip_wei=0,
    )


def landed(nonce: int, block: int, *, succeeded: bool = True) -> Landed:
    told = {"status": hex(succeeded), "blockNumber": hex(block), "gasUsed": hex(21_000)}
    seized = (Seizure(POSITION, 1, WHO),) if succeeded else ()
    return Landed(nonce=nonce, receipt=Receipt(told), data=b"", timestamp_s=12 * block, seizures=seized)


FIRST, SECOND = submission(1, nonce=0, head=9), submission(2, nonce=1, head=10)
CHAIN = {FIRST.hash: landed(0, 10), SECOND.hash: landed(1, 11)}


def test_double_and_lost__each_seen_by_the_next__nothing_found() -> None:
    journal = ((FIRST, included(10)), (SECOND, included(11)))
    assert double(journal, CHAIN) == lost(journal, CHAIN) == ()


def test_double__closed_again_by_who_had_not_seen_it__found() -> None:
    journal = ((FIRST, included(10)), (replace(SECOND, head_number=9), included(11)))
    assert len(double(journal, CHAIN)) == 1


def test_double__two_outcomes_of_a_nonce__found() -> None:
    again = replace(SECOND, nonce=0)
    journal = ((FIRST, included(10)), (again, included(11)))
    assert len(double(journal, {})) == 1


@pytest.mark.parametrize("told", [None, Expired(head_number=12, why=""), included(12)])
def test_lost__the_journal_says_something_else__found(told: Included | Expired | None) -> None:
    assert len(lost(((FIRST, told),), {FIRST.hash: landed(0, 10)})) == 1


def test_lost__on_the_chain_and_not_in_the_journal__found() -> None:
    assert len(lost(((FIRST, included(10)),), CHAIN)) == 1


def test_lost__reverted_and_told_as_included__found() -> None:
    assert len(lost(((FIRST, included(10)),), {FIRST.hash: landed(0, 10, succeeded=False)})) == 1


def test_lost__told_as_included_and_nowhere_on_the_chain__found() -> None:
    assert len(lost(((FIRST, included(10)),), {})) == 1


def test_is_sound__a_wei_is_missing__not() -> None:
    assert Audit(sent=3).is_sound
    assert not (Audit(sent=3) + Audit(ledger_difference_wei=1)).is_sound
