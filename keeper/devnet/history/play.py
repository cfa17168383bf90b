"""A history's making, block by block: prices, borrowers, rivals, and others who fill the blocks.

A block holds, in this order: the feeds' reports and the arbitrage that follows them, where a step is due;
what borrowers do; what rivals send, the highest tip first; and a transaction that burns gas, as other
people's would, so that the base fee moves by the chain's own rule. Every block's state stays readable for as
long as the devnet runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from keeper.abi import interface, load
from keeper.contracts import executor_creation_code, vault_creation_code
from keeper.devnet.accounts import Account, account
from keeper.devnet.borrowers import draw
from keeper.devnet.build import BLOCK_S
from keeper.devnet.demo.stage import give_means
from keeper.devnet.devnet import Devnet
from keeper.devnet.history.prices import Prices
from keeper.devnet.history.rivals import RIVALS, Offer, Rival
from keeper.devnet.history.sheet import Sheet
from keeper.devnet.variables import aave_market, variables
from keeper.domain.address import Address, address_of, checksum, parse_address

STEP_BLOCKS = 5
"""A minute of the market: its prices move once in so many blocks."""
_CLOSES_BEFORE_S = 1.0
"""How long before its time a block takes its last transaction."""
_REPORTED_FROM = 0.0025
"""A feed reports a move of so much."""
_ACTS = 0.4
"""How often, a block, one of the borrowers does something."""
_RESCUES = 0.03
"""How often, a block, somebody below health 1 repays."""
_MOST = 2**256 - 1
_LOOKED_AT_BELOW = 1.004
_GAS_TARGET = 15_000_000
_ACT_GAS = 600_000
_MEANS_WEI = 10**24
_BURNER = parse_address("0x000000000000000000000000000000000000fe00")
"""Where every transaction burns the gas that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, with whom, at which prices."""

    blocks: int
    borrowers: int
    seed: int
    prices: tuple[Prices, ...]
    """One for each `STEP_BLOCKS` blocks."""


@dataclass(slots=True)
class History:
    """What happened, and the node that remembers it."""

    devnet: Devnet
    first_block: int
    """The first block of the history proper: everything is in place after the one before it."""
    last_block: int
    executor: Address
    vault: Address
    counts: Counter[str] = field(default_factory=Counter)
    """Of what was done, and by whom."""

    def variables(self) -> dict[str, str]:
        """Return what a keeper is told to look back upon it."""
        return variables(self.devnet) | {
            "KEEPER_MARKETS": aave_market(self.devnet),
            "KEEPER_EXECUTOR": checksum(self.executor),
            "KEEPER_VAULT": checksum(self.vault),
        }


@contextmanager
def make(plan: Plan, *, tell: Callable[[int, int], None] = lambda done, of: None) -> Iterator[History]:
    """Yield the history, made; its node ends with the block. `tell` hears of each block mined."""
    kept = ("--order", "fifo", "--auto-impersonate", "--max-persisted-states", str(plan.blocks + 200))
    with Devnet.start(seed=plan.seed, borrowers=plan.borrowers, automine=False, extra=kept) as devnet:
        maker = _Maker(devnet, plan)
        maker.set_up()
        for done in range(plan.blocks):
            maker.block(done)
            tell(done + 1, plan.blocks)
        yield maker.history


class _Maker:
    def __init__(self, devnet: Devnet, plan: Plan) -> None:
        self._devnet = devnet
        self._plan = plan
        self._random = Random(f"history {plan.seed}")
        self._rivals = tuple(
            Rival(habits=habits, random=Random(f"{habits.name} {plan.seed}")) for habits in RIVALS
        )
        there = devnet.addresses
        self._symbols = {token: symbol for symbol, token in there.tokens.items()}
        self._sheets = {
            borrower: Sheet.of(position)
            for borrower, position in zip(there.borrowers, draw(plan.seed, plan.borrowers), strict=True)
        }
        self._approved: set[tuple[Address, str]] = set()
        self._reported = devnet.prices_base()
        self._healths_wad: dict[Address, int] = {}

    # --- before it begins -----------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Give the rivals means, deploy a keeper's contracts, and begin."""
        devnet, chain = self._devnet, self._devnet.chain
        chain.set_code(_BURNER, b"\xfe")
        spenders = (devnet.addresses.pool,)
        for rival in RIVALS:
            chain.set_balance(rival.account, _MEANS_WEI)
            give_means(devnet, Account(address=rival.account, private_key=b""), spenders=spenders)
        vault = self._create(vault_creation_code(owner=devnet.owner.address))
        executor = self._create(
            executor_creation_code(
                operator=devnet.operator.address, vault=vault, wrapped_native=devnet.addresses.weth
            )
        )
        last = chain.block_number()
        self.history = History(
            devnet=devnet, first_block=last + 1, last_block=last, executor=executor, vault=vault
        )

    def _create(self, code: bytes) -> Address:
        sent = self._devnet.chain.post(self._devnet.operator.address, None, code)
        self._devnet.mine()
        return parse_address(self._devnet.chain.receipt(sent)["contractAddress"])

    # --- a block --------------------------------------------------------------------------------------------

    def block(self, index: int) -> None:
        """Mine the block of that index, and let everybody look at it."""
        devnet, history = self._devnet, self.history
        at_s = devnet.now_s + BLOCK_S
        if index % STEP_BLOCKS == 0 and index // STEP_BLOCKS < len(self._plan.prices):
            self._market(self._plan.prices[index // STEP_BLOCKS])
        acts = list(self._acts())
        offers = sorted(self._offers(at_s), key=lambda offer: -offer.tip_wei)
        sent = [self._send(offer) for offer in offers]
        self._burn(len(acts) + len(offers))
        history.last_block = devnet.mine(at_s=at_s)
        history.counts["blocks"] += 1
        for offer, hash_ in zip(offers, sent, strict=True):
            ok = int(devnet.chain.receipt(hash_)["status"], 16) == 1
            history.counts[f"{offer.rival.name} {'won' if ok else 'lost'}"] += 1
        if offers:
            self._count_liquidations(history.last_block)
        self._look(at_s)

    def _market(self, prices: Prices) -> None:
        """Have those feeds report whose price has moved by enough, and the pools follow."""
        moved = {
            symbol: price
            for symbol, price in prices.items()
            if abs(price / self._reported[symbol] - 1) >= _REPORTED_FROM
        }
        if not moved:
            return
        self._reported = {**self._reported, **moved}
        for symbol, price in moved.items():
            self._devnet.set_price(symbol, price)
        self._devnet.arbitrage(self._reported)
        self.history.counts["price reports"] += len(moved)

    def _acts(self) -> Iterator[str]:
        """Post what borrowers do: some rescue themselves, some repay a little, some add collateral."""
        for borrower, health_wad in self._healths_wad.items():
            if health_wad < 10**18 and self._random.random() < _RESCUES:
                yield from self._repay(borrower, share=self._random.uniform(0.1, 0.4))
                self.history.counts["rescues"] += 1
        if self._random.random() < _ACTS:
            yield from self._repay(
                self._random.choice(self._devnet.addresses.borrowers), share=self._random.uniform(0.005, 0.03)
            )
            self.history.counts["repays"] += 1

    def _repay(self, borrower: Address, *, share: float) -> Iterator[str]:
        sheet, there = self._sheets[borrower], self._devnet.addresses
        symbol = sheet.largest(sheet.debt, self._reported)
        token, chain = there.tokens[symbol], self._devnet.chain
        amount_raw = int(sheet.debt[symbol] * share)
        if amount_raw == 0:
            return
        if (borrower, symbol) not in self._approved:
            self._approved.add((borrower, symbol))
            chain.post(borrower, token, load("erc20").function("approve").encode(there.pool, _MOST))
        sheet.debt[symbol] -= amount_raw
        repay = _REPAY.encode(token, amount_raw, 2, borrower)
        yield chain.post(borrower, there.pool, repay)

    def _offers(self, at_s: int) -> Iterator[Offer]:
        for rival in self._rivals:
            yield from rival.offers(
                closes_at_s=at_s - _CLOSES_BEFORE_S,
                sheets=self._sheets,
                healths_wad=self._healths_wad,
                prices_base=self._reported,
                tokens=self._devnet.addresses.tokens,
            )

    def _send(self, offer: Offer) -> str:
        sent: str = self._devnet.anvil.rpc(
            "eth_sendTransaction",
            {
                "from": f"0x{offer.rival.account.hex()}",
                "to": f"0x{self._devnet.addresses.pool.hex()}",
                "data": f"0x{offer.call.hex()}",
                "gas": hex(offer.gas),
                "maxFeePerGas": hex(2_000 * 10**9 + offer.tip_wei),
                "maxPriorityFeePerGas": hex(offer.tip_wei),
            },
        )
        return sent

    def _burn(self, acts: int) -> None:
        """Fill the block to about half, as a chain's blocks are on average."""
        others = int(_GAS_TARGET * self._random.uniform(0.75, 1.25)) - acts * _ACT_GAS
        if others > 0:
            self._devnet.anvil.rpc(
                "eth_sendTransaction",
                {
                    "from": f"0x{account(6).address.hex()}",
                    "to": f"0x{_BURNER.hex()}",
                    "gas": hex(min(others, 2**24)),
                    "maxFeePerGas": hex(2_000 * 10**9),
                    "maxPriorityFeePerGas": hex(10**8),
                },
            )

    # --- after it -------------------------------------------------------------------------------------------

    def _count_liquidations(self, number: int) -> None:
        event = _POOL.event("LiquidationCall")
        for log in self._devnet.anvil.rpc(
            "eth_getLogs",
            {
                "address": f"0x{self._devnet.addresses.pool.hex()}",
                "fromBlock": hex(number),
                "toBlock": hex(number),
                "topics": [f"0x{event.topic.hex()}"],
            },
        ):
            topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
            told = event.decode(topics, bytes.fromhex(log["data"][2:]))
            sheet = self._sheets[address_of(topics[3])]
            debt, collateral = self._symbols[told["debtAsset"]], self._symbols[told["collateralAsset"]]
            # interest is not in the sheet: the last of a debt is more than it has
            sheet.debt[debt] = max(sheet.debt[debt] - told["debtToCover"], 0)
            taken_raw = told["liquidatedCollateralAmount"]
            sheet.collateral[collateral] = max(sheet.collateral[collateral] - taken_raw, 0)
            self.history.counts["liquidations"] += 1

    def _look(self, at_s: int) -> None:
        """Ask the chain of everybody who may be below health 1, and tell the rivals."""
        near = [
            borrower
            for borrower, sheet in self._sheets.items()
            if sheet.health(self._reported) < _LOOKED_AT_BELOW
        ]
        pool = f"0x{self._devnet.addresses.pool.hex()}"
        function = _POOL.function("getUserAccountData")
        answers = self._devnet.anvil.rpc.batch(
            [
                ("eth_call", ({"to": pool, "data": f"0x{function.encode(borrower).hex()}"}, "latest"))
                for borrower in near
            ]
        )
        self._healths_wad = {
            borrower: function.decode(bytes.fromhex(answer[2:]))[5]
            for borrower, answer in zip(near, answers, strict=True)
        }
        unhealthy = [borrower for borrower, wad in self._healths_wad.items() if wad < 10**18]
        for rival in self._rivals:
            rival.see(unhealthy, at_s=at_s)


_POOL = load("aave_v3_pool")
_REPAY = interface(
    [
        {
            "type": "function",
            "name": "repay",
            "inputs": [{"name": "", "type": kind} for kind in ("address", "uint256", "uint256", "address")],
            "outputs": [{"name": "", "type": "uint256"}],
        }
    ]
).function("repay")
