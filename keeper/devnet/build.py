"""The devnet built once: compiled, deployed, peopled, and its state dumped, to be loaded in milliseconds.

What is built lies in ``.cache/devnet/<key>``; the key is a hash of everything that goes into it.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from keeper.devnet import morpho
from keeper.devnet.aave import RESERVES, TREASURY, compile_aave, deploy_aave
from keeper.devnet.accounts import market
from keeper.devnet.addresses import Addresses
from keeper.devnet.balancer import deploy_balancer
from keeper.devnet.borrowers import draw, open_positions, supply
from keeper.devnet.chain import Chain
from keeper.devnet.compile import CHECKOUT, CompileError
from keeper.devnet.feeds import deploy_feeds
from keeper.devnet.morpho import deploy_morpho
from keeper.devnet.multicall import MULTICALL3, place_multicall3
from keeper.devnet.own import SOURCES, compile_own
from keeper.devnet.tokens import TOKENS, deploy_tokens, give
from keeper.devnet.uniswap import deploy_uniswap
from keeper.devnet.uniswap_v2 import deploy_uniswap_v2
from keeper.node.anvil import Anvil

SEED = 1
BORROWERS = 48
CHAIN_ID = 31_337
GENESIS_S = 1_900_000_000
"""17 March 2030. Far ahead on purpose: Anvil mines nothing at a time that its own clock has passed."""
BLOCK_S = 12
BASE_FEE_WEI = 8 * 10**9

_MARKET_WEI = 10**28
_MADE_BY = (
    *("aave", "accounts", "addresses", "artifact", "balancer", "borrowers", "build", "chain", "compile"),
    *("feeds", "morpho", "multicall", "own", "tokens", "uniswap", "uniswap_v2"),
)
"""The modules of this package that have a hand in a built devnet."""
_KEPT = 6
"""How many built devnets are kept, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A dumped devnet."""

    state: Path
    addresses: Addresses


def built(*, seed: int = SEED, borrowers: int = BORROWERS) -> Built:
    """Return the devnet of that seed. Where it was never built, that takes some seconds.

    Raises CompileError, saying what to do, where there is nothing to build it from.
    """
    if not (CHECKOUT / "node_modules").is_dir():
        raise CompileError(
            "the devnet is made in a checkout of the keeper's repository: run scripts/setup in one"
        )
    folder = CHECKOUT / ".cache" / "devnet" / _key(seed, borrowers)
    state, addresses = folder / "state.json", folder / "addresses.json"
    if not addresses.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.parent / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not addresses.is_file():  # nobody else has built it meanwhile
                build(folder, seed=seed, borrowers=borrowers)
                _remove_old(folder.parent)
    return Built(state=state, addresses=Addresses.from_json(addresses.read_text()))


def build(folder: Path, *, seed: int, borrowers: int) -> None:
    """Build a devnet into a folder: dumped state, and addresses. The same seed gives the same chain."""
    aave = compile_aave()
    own = compile_own()
    positions = draw(seed, borrowers)
    admin = market().address
    with Anvil(chain_id=CHAIN_ID, timestamp_s=GENESIS_S, extra=["--auto-impersonate"]) as anvil:
        anvil.rpc("anvil_setBlockTimestampInterval", BLOCK_S)
        chain = Chain(anvil.rpc)
        chain.set_balance(admin, _MARKET_WEI)
        place_multicall3(chain, market=admin)
        tokens = deploy_tokens(chain, aave, own, market=admin)
        feeds = deploy_feeds(chain, own, market=admin)
        lending = deploy_aave(chain, aave, tokens=tokens, feeds=feeds, admin=admin)
        exchange = deploy_uniswap(chain, tokens=tokens, market=admin)
        for symbol, reserve in RESERVES.items():
            lent_raw = TOKENS[symbol].raw(reserve.lent_usd)
            give(tokens, symbol, lent_raw, to=admin, market=admin)
            supply(lending, tokens, symbol, lent_raw, supplier=admin)
        people = open_positions(chain, lending, tokens, positions, admin=admin)
        isolated = deploy_morpho(
            chain, own, tokens=tokens, feeds=feeds, positions=morpho.draw(seed), admin=admin
        )
        pairs = deploy_uniswap_v2(chain, tokens=tokens, market=admin)
        balancer = deploy_balancer(chain, tokens=tokens, market=admin)
        anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE_WEI))
        chain.mine(at_s=chain.timestamp_s() + BLOCK_S)
        dumped = _without_traces(anvil.rpc("anvil_dumpState"))

    addresses = Addresses(
        provider=lending.provider.address,
        pool=lending.pool.address,
        configurator=lending.configurator.address,
        oracle=lending.oracle.address,
        data_provider=lending.data_provider.address,
        liquidation_data_provider=lending.liquidation_data_provider.address,
        ui_data_provider=lending.ui_data_provider.address,
        sentinel=lending.sentinel.address,
        sequencer_oracle=lending.sequencer_oracle.address,
        treasury=TREASURY,
        tokens={symbol: token.address for symbol, token in tokens.items()},
        a_tokens=lending.a_tokens,
        debt_tokens=lending.debt_tokens,
        feeds={symbol: feed.proxy.address for symbol, feed in feeds.items()},
        aggregators={symbol: feed.aggregator.address for symbol, feed in feeds.items()},
        factory=exchange.factory.address,
        router=exchange.router.address,
        quoter=exchange.quoter.address,
        position_manager=exchange.position_manager.address,
        pools={key: pool.address for key, pool in exchange.pools.items()},
        v2_factory=pairs.factory.address,
        v2_router=pairs.router.address,
        v2_pairs={name: pair.address for name, pair in pairs.pairs.items()},
        balancer=balancer.address,
        multicall3=MULTICALL3,
        morpho=isolated.contract.address,
        morpho_deployment_block=isolated.deployment_block,
        morpho_irm=isolated.irm.address,
        morpho_ids=isolated.ids,
        morpho_oracles={name: oracle.address for name, oracle in isolated.oracles.items()},
        pre_factory=isolated.pre_factory.address,
        pre_contracts=isolated.pre_contracts,
        morpho_borrowers=isolated.borrowers,
        borrowers=people,
        deployment_block=lending.deployment_block,
    )
    folder.mkdir(exist_ok=True)
    (folder / "state.json").write_text(dumped)
    (folder / "addresses.json").write_text(addresses.to_json())  # last: it says that all is there


def _without_traces(dump: str) -> str:
    """Return a dump as ``--load-state`` takes it, without its transactions' traces: a third of the size.

    Transactions and receipts stay: borrowers are found by the pool's events.
    """
    state = json.loads(gzip.decompress(bytes.fromhex(dump.removeprefix("0x"))))
    for transaction in state["transactions"]:
        transaction["info"].update(traces=[], out=None)
    return json.dumps(state, separators=(",", ":"))


def _key(seed: int, borrowers: int) -> str:
    """Return a hash of what a devnet is made from: contracts, this package, and what was asked for."""
    told = hashlib.sha256(f"{seed} {borrowers}".encode())
    modules = (Path(__file__).parent / f"{name}.py" for name in _MADE_BY)
    contracts = (CHECKOUT / name for name in SOURCES)
    for path in (CHECKOUT / "package-lock.json", *modules, *contracts):
        told.update(path.name.encode() + b"\0" + path.read_bytes())
    return told.hexdigest()[:16]


def _remove_old(folder: Path) -> None:
    built_ones = sorted(folder.glob("*/state.json"), key=lambda state: state.stat().st_mtime, reverse=True)
    for state in built_ones[_KEPT:]:
        shutil.rmtree(state.parent, ignore_errors=True)
