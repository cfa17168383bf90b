"""An executor that exists within a simulation only: for looking at plans before anything is deployed."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak

from keeper.contracts import executor_creation_code, vault_creation_code
from keeper.domain.address import Address, parse_address
from keeper.query import SimulatedCall

_CREATE2_DEPLOYER = parse_address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
"""Deploys whatever it is sent, at an address that follows from the code. It is on every chain of note."""

_SALT = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """Who acts through which executor, and what comes before each simulation for it to be there."""

    operator: Address
    executor: Address
    preamble: tuple[SimulatedCall, ...]


def stand_in(*, wrapped_native: Address) -> StandIn:
    """Return an executor and its vault, of an operator that nobody has a key to."""
    nobody = Address(keccak(b"keeper: nobody, within a simulation")[-20:])
    vault_code = vault_creation_code(owner=nobody)
    executor_code = executor_creation_code(
        operator=nobody, vault=_created(vault_code), wrapped_native=wrapped_native
    )
    return StandIn(
        operator=nobody,
        executor=_created(executor_code),
        preamble=tuple(
            SimulatedCall(nobody, _CREATE2_DEPLOYER, _SALT + code) for code in (vault_code, executor_code)
        ),
    )


def _created(code: bytes) -> Address:
    """Return where the deployer puts the contract of this creation code (EIP-1014)."""
    return Address(keccak(b"\xff" + _CREATE2_DEPLOYER + _SALT + keccak(code))[-20:])
