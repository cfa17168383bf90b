"""Reading borrowers for the first time: pages through multicall, against one contract call after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from _bench.benchmark import Benchmark, Sample

if TYPE_CHECKING:
    from keeper.devnet import Devnet
    from keeper.domain.address import Address

_ACCOUNTS = 4_000
_PLAIN = 40
"""Accounts of the baseline: it is slow."""
_TWO_COLLATERALS_ONE_DEBT = 0b01_10_10


def _samples() -> Iterator[Sample]:
    from keeper.devnet import Devnet
    from keeper.domain.address import Address

    accounts = [Address(b"\xac" * 12 + n.to_bytes(8, "big")) for n in range(_ACCOUNTS)]
    with Devnet.start() as devnet:
        _pose(devnet, accounts)
        while True:
            yield asyncio.run(_sample(devnet, accounts))


async def _sample(devnet: Devnet, accounts: Sequence[Address]) -> Sample:
    from keeper.domain.position import PositionId
    from keeper.domain.secret import Secret
    from keeper.domain.state import Mined
    from keeper.live.world import LiveWorld
    from keeper.node.endpoint import Endpoint
    from keeper.node.endpoints import Endpoints
    from keeper.protocols.aave_v3 import AaveV3
    from keeper.query import run

    endpoints = Endpoints([Endpoint(Secret(devnet.anvil.url))])
    try:
        world, protocol = LiveWorld(endpoints), AaveV3(pool=devnet.addresses.pool)
        at = Mined(hash=(await endpoints.block("latest")).hash)
        market = await run(protocol.open(), at, world)
        positions = [PositionId(protocol.name, account) for account in accounts]
        began_s = time.perf_counter()
        rows = []
        for start in range(0, len(positions), 2_000):
            rows += await run(protocol.rows(market, positions[start : start + 2_000]), at, world)
        ours_s = (time.perf_counter() - began_s) / len(accounts)
    finally:
        await endpoints.close()
    plain_s, plain = await _one_by_one(devnet, market, accounts[:_PLAIN], at.hash)
    for row, (has, owes) in zip(rows, plain, strict=False):
        assert [tuple(one) for one in row.collaterals] == has
        assert [tuple(one) for one in row.debts] == owes
    return Sample(1 / ours_s, plain_s / _PLAIN / ours_s)


async def _one_by_one(
    devnet: Devnet, market: Any, accounts: Sequence[Address], at: bytes
) -> tuple[float, list[tuple[list[Any], list[Any]]]]:
    """Return how long the accounts took through AsyncWeb3, and each one's scaled balances."""
    from web3 import AsyncHTTPProvider, AsyncWeb3

    def view(name: str, *outputs: str) -> dict[str, Any]:
        return {
            "type": "function",
            "name": name,
            "stateMutability": "view",
            "inputs": [{"name": "user", "type": "address"}],
            "outputs": [{"name": "", "type": one} for one in outputs],
        }

    provider = AsyncHTTPProvider(devnet.anvil.url)
    web3 = AsyncWeb3(provider)
    pool = web3.eth.contract(
        address=web3.to_checksum_address(devnet.addresses.pool),
        abi=[view("getUserConfiguration", "uint256"), view("getUserEMode", "uint256")],
    )
    tokens = {
        token: web3.eth.contract(
            address=web3.to_checksum_address(token), abi=[view("scaledBalanceOf", "uint256")]
        )
        for reserve in market.reserves.values()
        for token in (reserve.a_token, reserve.debt_token)
    }
    try:
        found = []
        began_s = time.perf_counter()
        for account in accounts:
            user = web3.to_checksum_address(account)
            bitmap = await pool.functions.getUserConfiguration(user).call(block_identifier=at)
            await pool.functions.getUserEMode(user).call(block_identifier=at)
            sides: tuple[list[Any], list[Any]] = ([], [])
            for id_, reserve in market.reserves.items():
                for side, (bit, token) in enumerate(((1, reserve.a_token), (0, reserve.debt_token))):
                    if bitmap >> 2 * id_ + bit & 1:
                        call = tokens[token].functions.scaledBalanceOf(user)
                        sides[side].append((id_, await call.call(block_identifier=at)))
            found.append(sides)
        return time.perf_counter() - began_s, found
    finally:
        await provider.disconnect()


def _pose(devnet: Devnet, accounts: Sequence[Address]) -> None:
    """Write each account's flags where the pool keeps them: two collaterals and a debt."""
    from eth_utils.crypto import keccak

    rpc, pool = devnet.anvil.rpc, "0x" + devnet.addresses.pool.hex()
    getter = keccak(text="getUserConfiguration(address)")[:4] + accounts[0].rjust(32, b"\0")
    listed = rpc("eth_createAccessList", {"to": pool, "data": "0x" + getter.hex()}, "latest")["accessList"]
    keys = {key for entry in listed if entry["address"].lower() == pool for key in entry["storageKeys"]}

    def place(account: Address, slot: int) -> str:
        return "0x" + keccak(account.rjust(32, b"\0") + slot.to_bytes(32, "big")).hex()

    slot = next(slot for slot in range(512) if place(accounts[0], slot) in keys)
    flags = "0x" + _TWO_COLLATERALS_ONE_DEBT.to_bytes(32, "big").hex()
    for account in accounts:
        rpc("anvil_setStorageAt", pool, place(account, slot), flags)
    rpc("evm_mine")


BENCHMARK = Benchmark(
    name="bootstrap",
    measures="4,000 borrowers of three entries read on the devnet, against AsyncWeb3 contract calls",
    unit="accounts/s",
    must=100,
    samples=_samples,
)
