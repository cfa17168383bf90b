"""The keeper's own contracts on a devnet, without the command that deploys them elsewhere."""

from __future__ import annotations

from keeper.contracts import executor_creation_code, vault_creation_code
from keeper.devnet.devnet import Devnet
from keeper.domain.address import Address


def deploy(devnet: Devnet) -> tuple[Address, Address]:
    """Return an executor of the devnet's operator and its vault, newly deployed."""
    vault = _create(devnet, vault_creation_code(owner=devnet.owner.address))
    executor = _create(
        devnet,
        executor_creation_code(
            operator=devnet.operator.address, vault=vault, wrapped_native=devnet.addresses.weth
        ),
    )
    return executor, vault


def _create(devnet: Devnet, code: bytes) -> Address:
    sent = devnet.chain.post(devnet.operator.address, None, code)
    if not devnet.anvil.rpc("anvil_getAutomine"):
        devnet.mine()
    return Address(bytes.fromhex(devnet.chain.receipt(sent)["contractAddress"][2:]))
