"""The stage: a devnet, its people with means, and a keeper that is set up as anybody would set it up."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from keeper.abi import load, uint
from keeper.devnet.accounts import Account
from keeper.devnet.build import BLOCK_S, BORROWERS
from keeper.devnet.chain import Chain
from keeper.devnet.demo.daemon import Daemon, Ended
from keeper.devnet.demo.receipts import Receipt
from keeper.devnet.demo.referee import Block
from keeper.devnet.devnet import Devnet
from keeper.devnet.proxy_thread import ProxyThread
from keeper.devnet.tokens import TOKENS
from keeper.devnet.variables import variables
from keeper.devnet.written import written
from keeper.domain.address import Address, checksum, parse_address
from keeper.domain.fixed_point import BPS
from keeper.domain.position import PositionId

_DEPLOYS_WITHIN_S = 60.0
_STATE = "state"
_MEANS_USD = 30e6
"""What rival and attacker hold of every token: more than any close takes."""
_POLL_S = 0.05

# What the keeper is told to be content with: its own defaults, said so that the referee can hold it to them.
MIN_PROFIT_WEI = 10**15
MIN_PROFIT_GAS_RATIO_BPS = 2_000
PRIORITY_FEE_WEI = 10**9

_MOST = 2**256 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that the demo plays on."""

    devnet: Devnet
    proxy: ProxyThread
    """Between the keeper and the chain."""
    executor: Address
    vault: Address
    environment: Mapping[str, str]
    """What the keeper is configured by."""
    folder: Path

    def start_keeper(self) -> Daemon:
        """Return a keeper that runs, on the journal of those before it."""
        return Daemon(self.environment, self.folder)

    def are_all_out(self) -> bool:
        """Return whether all that the keeper has written down is on the chain or waits for it."""
        look = "eth_getTransactionByHash"
        sent = (one.hash for one, outcome in written(self.folder / _STATE) if outcome is None)
        return all(self.devnet.anvil.rpc(look, f"0x{hash_.hex()}") is not None for hash_ in sent)

    def next_block(self) -> Block:
        """Return the block that is mined next, if nothing is said of its fee."""
        rpc = self.devnet.anvil.rpc
        head = rpc("eth_getBlockByNumber", "latest", False)
        fees = rpc("eth_feeHistory", "0x1", "latest", [])["baseFeePerGas"]
        return Block(
            number=int(head["number"], 16) + 1,
            timestamp_s=int(head["timestamp"], 16) + BLOCK_S,
            base_fee_wei=int(fees[-1], 16),
        )

    def vault_wei(self) -> int:
        """Return what the vault holds of the wrapped native coin, by that token itself."""
        return balance_raw(self.devnet.chain, self.devnet.addresses.weth, self.vault)

    def liquidations(self, position: PositionId, block_number: int) -> int:
        """Return how many transactions of a block liquidated a position, by its market's own events."""
        receipts = map(Receipt, self.devnet.anvil.rpc("eth_getBlockReceipts", hex(block_number)))
        seized = ({one.position for one in each.seizures(self.devnet.addresses)} for each in receipts)
        return sum(position in positions for positions in seized)


def balance_raw(chain: Chain, token: Address, holder: Address) -> int:
    """Return what an account holds of a token."""
    return uint(chain.call(token, load("erc20").function("balanceOf").encode(holder)))


@contextmanager
def set_up(seed: int) -> Iterator[Stage]:
    """Yield the stage, and clear it. Raises Ended where the keeper's own `deploy` fails."""
    with ExitStack() as stack:
        devnet = stack.enter_context(Devnet.start(seed=seed, borrowers=BORROWERS, automine=False))
        proxy = stack.enter_context(ProxyThread(devnet.anvil.url))
        folder = devnet.anvil.folder / "keeper"  # goes with the Anvil, however this process ends
        folder.mkdir()
        there = devnet.addresses
        give_means(devnet, devnet.rival, spenders=(there.pool, there.morpho))
        give_means(devnet, devnet.attacker, spenders=(there.router, there.v2_router))
        devnet.mine()
        environment = _environment(devnet, proxy, folder)
        environment |= _deploy(devnet, environment, folder)
        yield Stage(
            devnet=devnet,
            proxy=proxy,
            executor=parse_address(environment["KEEPER_EXECUTOR"]),
            vault=parse_address(environment["KEEPER_VAULT"]),
            environment=environment,
            folder=folder,
        )


def give_means(devnet: Devnet, who: Account, *, spenders: tuple[Address, ...]) -> tuple[str, ...]:
    """Give somebody plenty of every token, and let these spenders take it: from the next block on.

    Returns the hashes of the transactions that do.
    """
    transfer, approve = map(load("erc20").function, ("transfer", "approve"))
    sent: list[str] = []
    for symbol, token in devnet.addresses.tokens.items():
        amount_raw = TOKENS[symbol].raw(_MEANS_USD)
        given = transfer.encode(who.address, amount_raw)
        sent.append(devnet.chain.post(devnet.market.address, token, given))
        sent += (devnet.chain.post(who.address, token, approve.encode(one, _MOST)) for one in spenders)
    return tuple(sent)


def _environment(devnet: Devnet, proxy: ProxyThread, folder: Path) -> dict[str, str]:
    return variables(devnet) | {
        "KEEPER_RPC_URLS": f"{proxy.url},{devnet.anvil.ws_url}",
        "KEEPER_PRIVATE_KEY": f"0x{devnet.operator.private_key.hex()}",
        "KEEPER_MIN_PROFIT_WEI": str(MIN_PROFIT_WEI),
        "KEEPER_MIN_PROFIT_GAS_RATIO": str(MIN_PROFIT_GAS_RATIO_BPS / BPS),
        "KEEPER_PRIORITY_FEE_WEI": str(PRIORITY_FEE_WEI),
        "KEEPER_STATE_DIR": str(folder / _STATE),
        "KEEPER_POLL_INTERVAL_S": str(_POLL_S),
        "KEEPER_LOG_FORMAT": "json",
        "KEEPER_LOG_LEVEL": "debug",
    }


def _deploy(devnet: Devnet, environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Run `keeper deploy`, and return the lines that it prints for ``.env``."""
    empty = folder / "empty.env"
    empty.touch()
    command = [sys.executable, "-m", "keeper", "deploy", "--env-file", str(empty)]
    devnet.anvil.rpc("evm_setAutomine", True)
    try:
        done = subprocess.run(
            [*command, "--owner", checksum(devnet.owner.address)],
            env={**environment, "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEPLOYS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Ended(f"keeper deploy did not end within {error.timeout:g} s: is the machine busy?") from None
    finally:
        devnet.anvil.rpc("evm_setAutomine", False)
    printed = dict(re.findall(r"^(KEEPER_\w+)=(\S+)$", done.stdout, re.MULTILINE))
    if done.returncode != 0 or set(printed) != {"KEEPER_EXECUTOR", "KEEPER_VAULT"}:
        raise Ended(f"keeper deploy failed: {done.stderr.strip() or done.stdout.strip()}")
    return printed
