"""The landing side of a keeper before an Anvil, with whatever network between: its runs and its plans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from keeper import abi, contracts
from keeper.channels.public import PublicChannel
from keeper.devnet.proxy import Proxy
from keeper.domain.address import Address
from keeper.domain.events import Concluded
from keeper.domain.head import Head
from keeper.domain.plan import Close, Draft, Fees, Objective, Plan, Transaction, Waterfall
from keeper.domain.role import Role
from keeper.domain.secret import Secret
from keeper.domain.submission import Outcome, Submission
from keeper.domain.token import Token, TokenAmount
from keeper.keys import ExecutorSigner, SigningKey, SigningLimits
from keeper.live import Lander
from keeper.node.anvil import Anvil
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.ports import Channel
from keeper.store import SqliteJournal

CHAIN = 31_337
BLOCK_S = 12
DEADLINE_S = 36
EXECUTOR = Address(b"\xe0" * 20)
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # Anvil's first
TOKEN = Token(address=Address(b"\x01" * 20), symbol="T", decimals=18)
POOL = Address(b"\x02" * 20)

# Says Executed with what it is called with, and reverts where that is nothing.
_EXECUTED = abi.interface(contracts.executor().abi).event("Executed").topic
EXECUTOR_CODE = "361560305760405f5f377f" + _EXECUTED.hex() + "60405fa1005b5f5ffd"


def words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


@dataclass
class Keeper:
    """One run of the landing side of a keeper; another run on the same path is a restart."""

    anvil: Anvil
    proxy: Proxy
    path: Path
    endpoints: Endpoints
    journal: SqliteJournal
    lander: Lander

    async def head(self) -> Head:
        """Return the head, as a node beyond the proxy has it."""
        endpoints = Endpoints([Endpoint(Secret(self.anvil.url))])
        try:
            return await endpoints.block("latest")
        finally:
            await endpoints.close()

    async def mine(self, blocks: int = 1) -> Head:
        for _ in range(blocks):
            await asyncio.to_thread(self.anvil.rpc, "evm_mine")
        return await self.head()

    async def mine_without(self, waiting: Submission) -> Head:
        """Mine a block that leaves a transaction in the pool."""
        await asyncio.to_thread(self.anvil.rpc, "anvil_dropTransaction", "0x" + waiting.hash.hex())
        head = await self.mine()
        await asyncio.to_thread(
            self.anvil.rpc, "eth_sendRawTransaction", "0x" + waiting.transaction.raw.hex()
        )
        return head

    async def plan(self, *, borrower: int = 1, data: bytes | None = None, **fees: int) -> Plan:
        head = await self.head()
        data = words(9 * 10**15, 10**14) if data is None else data
        return plan(borrower=borrower, data=data, deadline_s=head.timestamp_s + DEADLINE_S, **fees)

    async def outcomes(self) -> list[Outcome]:
        """Settle at the newest head; return the outcomes that came of it."""
        settled = await self.lander.settle(await self.head())
        return [one.outcome for one in settled if isinstance(one, Concluded)]

    @property
    def sends(self) -> int:
        return self.proxy.count("eth_sendRawTransaction")

    def journalled(self) -> list[Outcome | None]:
        return [outcome for _, outcome in self.journal.submissions()]


def plan(*, borrower: int, data: bytes, deadline_s: int, **fees: int) -> Plan:
    amount = TokenAmount(token=TOKEN, raw=1)
    waterfall = Waterfall(bonus_wei=10**16, price_impact_wei=0, flash_fee_wei=0, gas_wei=10**14)
    return Plan(
        draft=Draft(
            market="aave-v3:test",
            borrower=Address(borrower.to_bytes(20, "big")),
            health_factor_wad=9 * 10**17,
            objective=Objective.MAX_PROFIT,
            closes=(
                Close(
                    repaid=amount,
                    seized=amount,
                    owed=amount,
                    buys=(),
                    sells=(),
                    flash_fee=amount,
                    waterfall=waterfall,
                    health_factor_after_wad=10**18,
                ),
            ),
            waterfall=waterfall,
            funding="aave-v3",
            pools=frozenset({POOL}),
            floor_wei=0,
            deadline_s=deadline_s,
            transaction=Transaction(to=EXECUTOR, data=data),
        ),
        gas_used=50_000,
        waterfall=waterfall,
        fees=Fees(
            gas_limit=fees.get("gas_limit", 100_000),
            max_fee_per_gas_wei=fees.get("max_fee_per_gas_wei", 10**10),
            max_priority_fee_per_gas_wei=fees.get("max_priority_fee_per_gas_wei", 10**9),
        ),
    )


@contextmanager
def chain() -> Iterator[Anvil]:
    """Yield a chain that mines when told, with a stand-in of the executor."""
    fifo = ("--order", "fifo")
    with Anvil(chain_id=CHAIN, no_mining=True, timestamp_s=2_000_000_000, extra=fifo) as anvil:
        anvil.rpc("anvil_setBlockTimestampInterval", BLOCK_S)
        anvil.rpc("anvil_setCode", "0x" + EXECUTOR.hex(), "0x" + EXECUTOR_CODE)
        anvil.rpc("evm_mine")
        yield anvil


@asynccontextmanager
async def running(
    anvil: Anvil,
    path: Path,
    *,
    proxy: Proxy | None = None,
    key: bytes = KEY,
    confirmations: int = 0,
    channels: Sequence[Channel] = (PublicChannel(),),
    relays: Mapping[str, Endpoint] = MappingProxyType({}),
    roles: frozenset[Role] = frozenset(),
) -> AsyncIterator[Keeper]:
    """Yield a keeper that has not recovered yet."""
    async with Proxy(anvil.url) as own:
        proxy = proxy or own
        endpoint = Endpoint(Secret(proxy.url), timeout_s=2.0, roles=roles)
        endpoints = Endpoints([endpoint], chain_id=CHAIN, patience_s=1.0)
        with SqliteJournal.open(path, chain_id=CHAIN) as journal:
            lander = Lander(
                endpoints=endpoints,
                channels=channels,
                relays=relays,
                signer=ExecutorSigner(
                    SigningKey(key),
                    limits=SigningLimits(chain_id=CHAIN, max_fee_per_gas_wei=10**11),
                    executor=EXECUTOR,
                ),
                journal=journal,
                executor=EXECUTOR,
                chain_id=CHAIN,
                max_fee_per_gas_wei=10**11,
                confirmations=confirmations,
            )
            yield Keeper(anvil, proxy, path, endpoints, journal, lander)
        await endpoints.close()
