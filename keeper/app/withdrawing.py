"""`keeper sweep`: the transaction that empties the vault, unsigned: the owner's key is somewhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper import contracts
from keeper.abi import interface, load, uint
from keeper.app.build import reach
from keeper.config import Settings
from keeper.domain.address import Address, address_of, checksum
from keeper.domain.errors import Broken, ConfigError
from keeper.domain.state import Mined
from keeper.erc20 import said
from keeper.query import Call, SimulatedCall, accounts, both, read_one, run, simulate
from keeper.reverts import explained

_BASE_FEE_ROOM = 2
_GAS_ROOM_PERCENT = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A transaction for the owner's wallet."""

    transaction: Mapping[str, str]
    """As ``eth_signTransaction`` takes it."""
    told: str
    """What it does, in words for a person."""


async def sweep(settings: Settings, *, token: Address | None, to: Address | None) -> Sweep:
    """Return the withdrawal of all that the vault holds of a token, unsigned; it was tried as the owner.

    Without `token` the wrapped native one, without `to` for the owner. Raises ConfigError where there is
    nothing to take, or the vault refuses.
    """
    assert settings.vault is not None  # the command needs it
    vault, built = settings.vault, interface(contracts.vault().abi)
    async with reach(settings) as reached:
        chain = reached.chain
        token = token or settings.trading(chain.chain_id).wrapped_native
        head = await reached.endpoints.block("latest")
        at = Mined(hash=head.hash)
        try:
            owner, balance_raw = await run(
                both(
                    read_one(Call(vault, built.function("owner").encode()), address_of),
                    read_one(Call(token, load("erc20").function("balanceOf").encode(vault)), uint),
                ),
                at,
                reached.world,
            )
        except Broken as error:
            raise ConfigError(
                f"KEEPER_VAULT: {checksum(vault)} is no vault, or --token no token: {error}"
            ) from None
        if len(owner) != 20:
            raise ConfigError(f"KEEPER_VAULT: {checksum(vault)} is no vault on {chain.name}")
        (name,) = await run(said((token,)), at, reached.world)
        if balance_raw == 0:
            raise ConfigError(f"--token: the vault {checksum(vault)} holds no {name.symbol}")
        to = to or owner
        data = built.function("withdraw").encode(token, to, balance_raw)
        block = head.next_block(block_time_s=chain.block_time_s)
        (tried,) = await run(simulate((SimulatedCall(owner, vault, data),), block), at, reached.world)
        if tried.reverted:
            raise ConfigError(f"KEEPER_VAULT: it refuses the withdrawal: {explained(tried.returned)}")
        (account,) = await run(accounts((owner,)), at, reached.world)
    max_fee_wei = _BASE_FEE_ROOM * block.base_fee_wei + settings.priority_fee_wei
    amount = balance_raw if name.decimals is None else balance_raw / 10**name.decimals
    return Sweep(
        transaction={
            "type": "0x2",
            "chainId": hex(chain.chain_id),
            "from": checksum(owner),
            "to": checksum(vault),
            "nonce": hex(account.nonce),
            "value": "0x0",
            "data": f"0x{data.hex()}",
            "gas": hex(tried.gas_used * _GAS_ROOM_PERCENT // 100),
            "maxFeePerGas": hex(max_fee_wei),
            "maxPriorityFeePerGas": hex(settings.priority_fee_wei),
        },
        told=f"moves {amount} {name.symbol} from the vault {checksum(vault)} to {checksum(to)}; "
        f"{checksum(owner)} must sign it",
    )
