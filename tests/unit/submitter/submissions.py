"""Submissions and looks for the submitter's tests."""

from __future__ import annotations

from keeper.domain.address import Address, Hash32
from keeper.domain.plan import Fees
from keeper.domain.position import PositionId
from keeper.domain.submission import Purpose, SignedTransaction, Submission
from keeper.submitter.machine import Looked, Receipt

OPERATOR = Address(b"\x0f" * 20)


def submission(
    *,
    nonce: int = 7,
    deadline_s: int = 1_000,
    serial: int = 0,
    pools: frozenset[Address] = frozenset(),
    borrower: int | None = None,
    head: int = 100,
    target_block: int | None = None,
    is_private: bool = False,
    purpose: Purpose = Purpose.LIQUIDATION,
    fee_wei: int = 10**9,
    others: tuple[PositionId, ...] = (),
    rung: int = 0,
) -> Submission:
    """Return a submission whose hash says its nonce and serial number, and whose fees are all `fee_wei`."""
    hash_ = Hash32(nonce.to_bytes(16, "big") + serial.to_bytes(16, "big"))
    return Submission(
        market="aave-v3:test",
        borrower=Address((nonce * 1_000 + serial if borrower is None else borrower).to_bytes(20, "big")),
        pools=pools,
        operator=OPERATOR,
        nonce=nonce,
        transaction=SignedTransaction(raw=b"\x02" + hash_, hash=hash_),
        head_number=head,
        head_hash=Hash32(b"\x64" * 32),
        deadline_s=deadline_s,
        predicted_profit_wei=5 * 10**15,
        fees=Fees(gas_limit=700_000, max_fee_per_gas_wei=fee_wei, max_priority_fee_per_gas_wei=fee_wei),
        purpose=purpose,
        is_private=is_private,
        target_block=target_block,
        others=others,
        rung=rung,
    )


def receipt(*, block: int = 101, succeeded: bool = True) -> Receipt:
    """Return a receipt that earned 9e15 wei for 2e15 of gas."""
    return Receipt(
        block_number=block,
        block_hash=Hash32(block.to_bytes(32, "big")),
        succeeded=succeeded,
        gas_used=500_000,
        effective_gas_price_wei=4 * 10**9,
        vault_profit_wei=9 * 10**15 if succeeded else 0,
        tip_wei=0,
    )


def looked(
    *,
    head: int = 101,
    at_s: int = 500,
    chain_nonce: int = 7,
    found: Receipt | None = None,
    known: bool | None = None,
    confirmations: int = 0,
    built_by: str = "",
) -> Looked:
    """Return a look; the node knows what is in a block."""
    return Looked(
        head_number=head,
        head_timestamp_s=at_s,
        chain_nonce=chain_nonce,
        receipt=found,
        known=found is not None if known is None else known,
        confirmations=confirmations,
        built_by=built_by,
    )
