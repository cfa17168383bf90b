"""An executor that exists within a simulation only: for looking at plans before anything is deployed."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak

from keeper.contracts import executor_creation_code, vault_creation_code
from keeper.domain.address import Address
from keeper.query import SimulatedCall


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """Who acts through which executor, and what comes before each simulation for it to be there."""

    operator: Address
    executor: Address
    preamble: tuple[SimulatedCall, ...]


def stand_in(*, wrapped_native: Address) -> StandIn:
    """Return an executor and its vault, deployed by an account that nobody has a key to.

    That account never sent a transaction, so its first two contracts are where its nonces 0 and 1 put them.
    """
    nobody = Address(keccak(b"keeper: nobody, within a simulation")[-20:])
    vault = created(by=nobody, nonce=0)
    executor = created(by=nobody, nonce=1)
    return StandIn(
        operator=nobody,
        executor=executor,
        preamble=(
            SimulatedCall(nobody, None, vault_creation_code(owner=nobody)),
            SimulatedCall(
                nobody,
                None,
                executor_creation_code(operator=nobody, vault=vault, wrapped_native=wrapped_native),
            ),
        ),
    )


def created(*, by: Address, nonce: int) -> Address:
    """Return where the contract created by an account's transaction lies, for nonces below 128."""
    if nonce >= 0x80:
        raise ValueError(f"nonce {nonce} takes more than one byte")
    # RLP of [address, nonce]: a list of 22 bytes, a string of 20, and a byte (0 is the empty string)
    return Address(keccak(b"\xd6\x94" + by + (bytes((nonce,)) if nonce else b"\x80"))[-20:])
