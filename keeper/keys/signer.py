"""What the operator's key may sign: a call of the executor, or nothing to itself; elsewhere a deployment.

Whatever is refused here should not have come so far: it is a bug, it raises Invariant, and the keeper stops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keeper.domain.address import Address, checksum
from keeper.domain.errors import Invariant
from keeper.domain.submission import SignedTransaction, UnsignedTransaction


class Key(Protocol):
    """The operator's key, wherever it is held."""

    @property
    def address(self) -> Address: ...

    def sign_transaction(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the signed transaction. Raises Unavailable where the key is elsewhere and can't be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningLimits:
    """What binds every signature."""

    chain_id: int
    max_fee_per_gas_wei: int


class ExecutorSigner:
    """Signs calls of one executor, without value, on one chain, under a cap on the fee.

    And nothing at all sent to itself: that uses up a nonce, so that what was signed for it can't be included.
    """

    def __init__(self, key: Key, *, limits: SigningLimits, executor: Address) -> None:
        self._key = key
        self._limits = limits
        self._executor = executor

    @property
    def address(self) -> Address:
        """Return the operator's address."""
        return self._key.address

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the signed transaction. Raises Invariant where it is anything but a call of the executor."""
        cancels = transaction.to == self.address and not transaction.data
        if transaction.to != self._executor and not cancels:
            target = "a new contract" if transaction.to is None else checksum(transaction.to)
            raise Invariant(f"refused to sign for {target}: only for the executor {checksum(self._executor)}")
        return _sign(self._key, transaction, self._limits)

    def __repr__(self) -> str:
        return f"ExecutorSigner({self._key!r}, executor={checksum(self._executor)})"


class DeploymentSigner:
    """Signs the creation of contracts, and nothing else."""

    def __init__(self, key: Key, *, limits: SigningLimits) -> None:
        self._key = key
        self._limits = limits

    @property
    def address(self) -> Address:
        """Return the deployer's address."""
        return self._key.address

    def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Return the signed transaction. Raises Invariant where it is anything but a contract's creation."""
        if transaction.to is not None:
            raise Invariant(
                f"refused to sign for {checksum(transaction.to)}: only the creation of a contract"
            )
        return _sign(self._key, transaction, self._limits)

    def __repr__(self) -> str:
        return f"DeploymentSigner({self._key!r})"


def _sign(key: Key, transaction: UnsignedTransaction, limits: SigningLimits) -> SignedTransaction:
    fees = transaction.fees
    if transaction.chain_id != limits.chain_id:
        raise Invariant(f"refused to sign for chain {transaction.chain_id}: this is {limits.chain_id}")
    if transaction.value_wei != 0:
        raise Invariant(f"refused to sign away {transaction.value_wei} wei")
    if fees.max_fee_per_gas_wei > limits.max_fee_per_gas_wei:
        raise Invariant(
            f"refused to sign a fee of {fees.max_fee_per_gas_wei} wei per gas: "
            f"the cap is {limits.max_fee_per_gas_wei}"
        )
    if fees.max_priority_fee_per_gas_wei > fees.max_fee_per_gas_wei:
        raise Invariant("refused to sign a priority fee above the whole fee")
    return key.sign_transaction(transaction)
