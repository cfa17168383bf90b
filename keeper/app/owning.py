"""What only the vault's owner may do, as transactions for the owner's wallet: the key is somewhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper import contracts
from keeper.abi import interface
from keeper.app.build import Reached
from keeper.config import Settings
from keeper.domain.address import Address, address_of, checksum
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.head import Head
from keeper.domain.state import Mined
from keeper.query import Call, SimulatedCall, accounts, read_one, run, simulate
from keeper.reverts import explained

VAULT = interface(contracts.vault().abi)

_BASE_FEE_ROOM = 2
_GAS_ROOM_PERCENT = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Transactions for the owner's wallet, in their order."""

    transactions: tuple[Mapping[str, str], ...]
    """Each as ``eth_signTransaction`` takes it, unsigned."""
    told: str
    """What they do, in words for a person."""


async def owner_of(vault: Address, reached: Reached, head: Head) -> Address:
    """Return the vault's owner. Raises ConfigError where it is no vault."""
    try:
        asked = read_one(Call(vault, VAULT.function("owner").encode()), address_of)
        owner = await run(asked, Mined(hash=head.hash), reached.world)
    except Broken:
        owner = Address(b"")
    if len(owner) != 20:
        raise ConfigError(f"KEEPER_VAULT: {checksum(vault)} is no vault on {reached.chain.name}")
    return owner


async def unsigned(
    settings: Settings, reached: Reached, head: Head, owner: Address, calls: Sequence[bytes]
) -> tuple[Mapping[str, str], ...]:
    """Return what the owner is to sign so that the vault gets these calls; they were tried, in this order.

    Raises ConfigError where the vault refuses one.
    """
    assert settings.vault is not None  # the command needs it
    vault, at = settings.vault, Mined(hash=head.hash)
    block = head.next_block(block_time_s=reached.chain.block_time_s)
    tried = await run(
        simulate([SimulatedCall(owner, vault, data) for data in calls], block), at, reached.world
    )
    for one in tried:
        if one.reverted:
            raise ConfigError(f"KEEPER_VAULT: it refuses that: {explained(one.returned)}")
    (account,) = await run(accounts((owner,)), at, reached.world)
    max_fee_wei = _BASE_FEE_ROOM * block.base_fee_wei + settings.priority_fee_wei
    return tuple(
        {
            "type": "0x2",
            "chainId": hex(reached.chain.chain_id),
            "from": checksum(owner),
            "to": checksum(vault),
            "nonce": hex(account.nonce + place),
            "value": "0x0",
            "data": f"0x{data.hex()}",
            "gas": hex(one.gas_used * _GAS_ROOM_PERCENT // 100),
            "maxFeePerGas": hex(max_fee_wei),
            "maxPriorityFeePerGas": hex(settings.priority_fee_wei),
        }
        for place, (data, one) in enumerate(zip(calls, tried, strict=True))
    )
