"""The next block's base fee, on real mainnet neighbours and at the edges of EIP-1559."""

from __future__ import annotations

import pytest

from keeper.domain.address import Address, Hash32
from keeper.domain.head import Head


def head(*, base_fee_wei: int, gas_used: int, gas_limit: int) -> Head:
    return Head(
        number=1,
        hash=Hash32(bytes(32)),
        parent=Hash32(bytes(32)),
        timestamp_s=100,
        base_fee_wei=base_fee_wei,
        gas_used=gas_used,
        gas_limit=gas_limit,
        coinbase=Address(bytes(20)),
    )


@pytest.mark.parametrize(
    ("base_fee_wei", "gas_used", "gas_limit", "expected_wei"),
    [
        (1_000_000_000, 15_000_000, 30_000_000, 1_000_000_000),  # on target
        (1_000_000_000, 30_000_000, 30_000_000, 1_125_000_000),  # full: an eighth up
        (1_000_000_000, 0, 30_000_000, 875_000_000),  # empty: an eighth down
        (7, 15_000_001, 30_000_000, 8),  # too small to move by an eighth: one wei up
        (7, 0, 30_000_000, 7),  # and none down
    ],
)
def test_next_base_fee_wei__each_side_of_the_target__as_eip_1559(
    base_fee_wei: int, gas_used: int, gas_limit: int, expected_wei: int
) -> None:
    block = head(base_fee_wei=base_fee_wei, gas_used=gas_used, gas_limit=gas_limit)
    assert block.next_base_fee_wei() == expected_wei


def test_next_block__a_block_time__later_by_it() -> None:
    block = head(base_fee_wei=8, gas_used=1, gas_limit=2).next_block(block_time_s=12)
    assert (block.number, block.timestamp_s, block.base_fee_wei) == (2, 112, 8)
