"""Blocks: the one a decision reads, and the one its transaction is meant for."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address, Hash32

_ELASTICITY = 2
_BASE_FEE_CHANGE_DENOMINATOR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NextBlock:
    """The block a transaction is simulated in and meant for: the context that its code sees."""

    number: int
    timestamp_s: int
    base_fee_wei: int
    coinbase: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A mined block, as far as a keeper needs it."""

    number: int
    hash: Hash32
    parent: Hash32
    timestamp_s: int
    base_fee_wei: int
    gas_used: int
    gas_limit: int
    coinbase: Address
    extra_data: bytes = b""
    """What its builder wrote into it, often a name."""

    def next_base_fee_wei(self) -> int:
        """Return the base fee of the child block. Mirrors EIP-1559's ``calc_base_fee_per_gas``."""
        target = self.gas_limit // _ELASTICITY
        if self.gas_used == target or target == 0:
            return self.base_fee_wei
        step = self.base_fee_wei * abs(self.gas_used - target) // target // _BASE_FEE_CHANGE_DENOMINATOR
        if self.gas_used > target:
            return self.base_fee_wei + max(step, 1)
        return self.base_fee_wei - step

    def next_block(self, *, block_time_s: int) -> NextBlock:
        """Return the context of the child block, expected `block_time_s` seconds after this one."""
        return NextBlock(
            number=self.number + 1,
            timestamp_s=self.timestamp_s + block_time_s,
            base_fee_wei=self.next_base_fee_wei(),
            coinbase=self.coinbase,
        )
