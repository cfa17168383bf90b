"""The keeper on a fork of another chain, as a searcher tries it on mainnet before going there.

The other chain is a devnet's, in an Anvil of its own. Where KEEPER_TEST_FORK_URL names an endpoint of
Ethereum mainnet, what only reads is tried on a fork of that as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_utils.crypto import keccak
from web3 import Web3

from keeper.app.build import assemble
from keeper.app.inspecting import observe
from keeper.config import load
from keeper.devnet import Devnet
from keeper.devnet.drill.stage import balance_raw, daemon_stage
from keeper.devnet.scenario import crash
from keeper.devnet.variables import aave_market, variables
from keeper.domain.address import Address, checksum
from keeper.domain.events import Event
from keeper.domain.submission import Included
from keeper.node.anvil import Anvil
from keeper.protocols.aave_v3.known import KNOWN

MAINNET_URL = os.environ.get("KEEPER_TEST_FORK_URL", "")
MAINNET_POOL = "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
MAINNET_BLOCKS = 300
"""How far back borrowers are looked for: an hour. Each that is found is read through the fork."""

HANDFUL = 8

_VIEWS = [
    {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"name": f"in{n}", "type": kind} for n, kind in enumerate(inputs)],
        "outputs": [{"name": f"out{n}", "type": kind} for n, kind in enumerate(outputs)],
    }
    for name, inputs, outputs in (
        ("POOL_REVISION", (), ("uint256",)),
        ("getUserAccountData", ("address",), ("uint256",) * 6),
    )
]
_BORROW = keccak(text="Borrow(address,address,address,uint256,uint8,uint256,uint16)")


@pytest.fixture
def forked(devnet: Devnet) -> Iterator[Devnet]:
    """Return a fork of the devnet on which nobody is unlocked, and that mines when it is told to."""
    with Anvil(fork_url=devnet.anvil.url, extra=("--accounts", "0")) as anvil:
        fork = Devnet(anvil, devnet.addresses, automine=False)
        anvil.rpc("evm_setAutomine", False)
        for person in (fork.market, fork.operator):
            anvil.rpc("anvil_impersonateAccount", f"0x{person.address.hex()}")
        yield fork


def test_run__on_a_fork__liquidates_and_earns_what_it_predicted_to_the_wei(
    devnet: Devnet, forked: Devnet, tmp_path: Path
) -> None:
    upstream = devnet.chain.block_number()
    with daemon_stage(forked, tmp_path) as stage:
        stage.start()
        stage.await_decision()
        for _ in stage.play(crash(seed=11, steps=6)):
            stage.await_decision()
        stage.stop()
        journal = stage.journal()
        earned_wei = balance_raw(forked, forked.addresses.weth, stage.vault)
    assert len(journal) >= 5
    for submission, outcome in journal:
        assert isinstance(outcome, Included)
        assert outcome.realised_profit_wei == submission.predicted_profit_wei
    assert earned_wei == sum(o.vault_profit_wei for _, o in journal if isinstance(o, Included))
    assert devnet.chain.block_number() == upstream, "what it forked from has not noticed"


# --- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """An Aave V3 pool on a fork, and how a keeper is told of it."""

    pool: str
    first_block: int
    web3: Web3
    variables: dict[str, str]


@contextmanager
def devnet_market() -> Iterator[Market]:
    with Devnet.start() as devnet, Anvil(fork_url=devnet.anvil.url) as anvil:
        yield Market(
            pool=checksum(devnet.addresses.pool),
            first_block=devnet.addresses.deployment_block,
            web3=Web3(Web3.HTTPProvider(anvil.url)),
            variables=variables(devnet)
            | {"KEEPER_RPC_URLS": anvil.url, "KEEPER_MARKETS": aave_market(devnet)},
        )


@contextmanager
def mainnet_market() -> Iterator[Market]:
    with Anvil(fork_url=MAINNET_URL) as anvil:
        web3 = Web3(Web3.HTTPProvider(anvil.url, request_kwargs={"timeout": 120}))
        first_block = web3.eth.block_number - MAINNET_BLOCKS
        yield Market(
            pool=MAINNET_POOL,
            first_block=first_block,
            web3=web3,
            variables={
                "KEEPER_RPC_URLS": anvil.url,
                "KEEPER_CHAIN_ID": "1",
                "KEEPER_MARKETS": f"aave-v3:{MAINNET_POOL}@{first_block}",
            },
        )


@pytest.mark.parametrize(
    "market",
    [
        pytest.param(devnet_market, id="devnet"),
        pytest.param(
            mainnet_market,
            id="mainnet",
            marks=[
                pytest.mark.skipif(
                    not MAINNET_URL, reason="KEEPER_TEST_FORK_URL names no endpoint of mainnet"
                ),
                pytest.mark.timeout(600),
            ],
        ),
    ],
)
async def test_observe__a_fork__recent_borrowers_health_equals_the_pools_own_view(
    market: Callable[[], AbstractContextManager[Market]], tmp_path: Path
) -> None:
    with market() as at:
        await compare(at, tmp_path)


async def compare(at: Market, folder: Path) -> None:
    """Hold the keeper to the pool's own view of who borrowed last; or to its refusal of the pool."""
    pool = at.web3.eth.contract(address=Web3.to_checksum_address(at.pool), abi=_VIEWS)
    revision = pool.functions.POOL_REVISION().call()
    no_file = folder / "empty.env"
    no_file.touch()
    heard: list[Event] = []
    async with assemble(load(env_file=no_file, environ=at.variables)) as keeper:
        seen = await observe(keeper, heard.append)
        (book,) = keeper.watcher.books
        if revision not in KNOWN:
            assert at.pool == MAINNET_POOL
            refused = {one.why for one in seen.skipped if one.source == book.protocol.name}
            assert any(f"pool revision {revision} is not known" in why for why in refused)
            assert not seen.opportunities
            return
        healths = {
            position.borrower: health for position, _, health in book.healths(at_s=seen.head.timestamp_s)
        }
    borrowers = recent_borrowers(at, last=seen.head.number)
    assert len(borrowers) >= 3
    for borrower in borrowers:
        collateral_base, debt_base, _, _, _, health_factor_wad = pool.functions.getUserAccountData(
            checksum(borrower)
        ).call(block_identifier=seen.head.number)
        if not debt_base:  # repaid since
            assert borrower not in healths
            continue
        found = healths[borrower]
        assert (found.collateral_base, found.debt_base) == (collateral_base, debt_base)
        assert found.health_factor_wad == health_factor_wad
    print(f"revision {revision}: {len(borrowers)} borrowers agree, of {len(healths)} that were found")


def recent_borrowers(at: Market, *, last: int) -> list[Address]:
    """Return who borrowed last, by the pool's events, found without the keeper."""
    logs = at.web3.eth.get_logs(
        {
            "address": Web3.to_checksum_address(at.pool),
            "fromBlock": at.first_block,
            "toBlock": last,
            "topics": ["0x" + _BORROW.hex()],
        }
    )
    latest_first = dict.fromkeys(Address(bytes(log["topics"][2])[12:]) for log in reversed(logs))
    return list(latest_first)[:HANDFUL]
