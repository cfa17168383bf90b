"""`keeper stress`: a cascade on a fork of the current state, with and without price feedback.

The markets are read from the endpoint; what follows happens on a private Anvil upon that block. A step is two
blocks. The market's: traders bring every pool to its price, and at its end the oracles answer by it. Then the
keeper's: what the engine itself has decided upon that. With feedback the market's price is where the keeper's
sales have left it: what they moved, nobody brings back, and the oracles follow. Without, it falls by itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from fractions import Fraction
from typing import Any

from keeper import contracts
from keeper.abi import interface, load
from keeper.app.build import Rooms, assemble
from keeper.app.inspecting import current, observe
from keeper.app.supposing import Price, what_if
from keeper.backtest.stress import (
    Cascade,
    Factors,
    Fall,
    Stress,
    Struck,
    answer_slot,
    answering_code,
    displaced,
    marginal,
    route,
    to_sell,
)
from keeper.chains import Chain
from keeper.config import Settings
from keeper.domain.address import Address, Hash32, checksum
from keeper.domain.declined import Declined
from keeper.domain.depth import Pool
from keeper.domain.errors import ConfigError, Unavailable
from keeper.domain.events import Listener
from keeper.domain.observation import Observation
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId
from keeper.domain.report import Supposed
from keeper.domain.secret import Secret
from keeper.domain.state import Mined
from keeper.live.world import LiveWorld
from keeper.node import wire
from keeper.node.anvil import Anvil
from keeper.node.blocking_rpc import BlockingRpc
from keeper.node.endpoint import Endpoint
from keeper.node.endpoints import Endpoints
from keeper.query import Log, run
from keeper.submitter.earnings import earnings_wei
from keeper.watcher.book import AnyBook, Book

_ANVIL = ("--order", "fifo", "--auto-impersonate", "--disable-block-gas-limit")
_TRADER = Address(b"traders of a cascade")
_PURSE_WEI = 10**24
_PLENTY_RAW = 10**30
_TRADE_GAS = 3_000_000
_PREAMBLE_GAS = 8_000_000
_STEP_BLOCKS = 2
"""The keeper's, and the market's behind it."""
_MOST_TAIL = 15
"""Steps that are gone on with after the fall, as long as there is anything to do."""
_NEAR = 1e-4
"""A pool that is so near the market's price is left alone."""
_APPROVE = load("erc20").function("approve")


async def stress(
    settings: Settings,
    *,
    prices: Mapping[str, Price],
    blocks: int,
    listener: Listener,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Stress:
    """Return what would be liquidated while these prices fall, what is left, and what the keeper would earn.

    Raises ConfigError where a price stays as it is.
    """
    settings = replace(settings, dry_run=True, audited_positions=0)
    async with assemble(settings) as keeper:
        seen = await observe(keeper, listener)
        books, pricing = tuple(current(keeper, seen)), keeper.watcher.pricing
        await run(pricing.look(books), Mined(hash=seen.head.hash), keeper.world)
        supposed = what_if(books, pricing, prices).supposed
        _check(supposed)
        fall = Fall(tokens={one.token: one.factor for one in supposed}, blocks=blocks)
        url = next(one.url for one in settings.rpc_urls if not one.is_socket)
        anvil = Anvil(chain_id=keeper.chain.chain_id, no_mining=True, extra=_ANVIL)
        async with anvil:
            fork = {"forking": {"jsonRpcUrl": url.reveal(), "blockNumber": seen.head.number}}
            await asyncio.to_thread(anvil.rpc, "anvil_reset", fork)
            endpoints = Endpoints([Endpoint(Secret(anvil.url), timeout_s=120.0)], patience_s=60.0)
            try:
                one = _Playing(settings, keeper.chain, keeper.rooms, endpoints, anvil.rpc, fall)
                await one.set_up(seen)
                cascades = []
                for place, feedback in enumerate((False, True)):

                    def told(done: int, place: int = place) -> None:
                        tell(place * blocks + min(done, blocks), 2 * blocks)

                    cascades.append(await one.play(feedback=feedback, tell=told))
            finally:
                await endpoints.close()
        return Stress(head=seen.head, prices=supposed, blocks=blocks, cascades=tuple(cascades))


def _check(supposed: Sequence[Supposed]) -> None:
    """Raise ConfigError where a price does not move."""
    mistakes = [
        f"--price: {one.token.symbol} stays as it is: nothing would follow"
        for one in supposed
        if one.factor == 1
    ]
    if mistakes:
        raise ConfigError(*mistakes)


class _Playing:
    """One fork, on which the fall is played as often as is wanted."""

    def __init__(
        self,
        settings: Settings,
        chain: Chain,
        rooms: Rooms,
        endpoints: Endpoints,
        rpc: BlockingRpc,
        fall: Fall,
    ) -> None:
        self._block_time_s = max(1, round(chain.block_time_s))
        self._settings = settings
        self._chain = chain
        self._rooms = replace(rooms, preamble=())
        self._preamble = rooms.preamble
        self._world = LiveWorld(endpoints)
        self._endpoints = endpoints
        self._rpc = rpc
        self._fall = fall
        self._symbols = {token.address: token.symbol for token in fall.tokens}
        self._desk = rooms.planner.desk
        self._venues = {venue.name: venue for venue in rooms.planner.desk.venues}
        self._executed = interface(contracts.executor().abi).event("Executed")
        self._approved: set[tuple[Address, Address]] = set()
        self._start: dict[tuple[Address, Address], float] = {}
        """What each pool gave for the next unit of each of its tokens, before it began."""
        self._books: list[AnyBook] = []
        """Each market as it was, without its positions."""
        self._pricing = copy(rooms.watcher.pricing)

    # --- before it begins -----------------------------------------------------------------------------------

    async def set_up(self, seen: Observation) -> None:
        """Note prices and pools as they are, give means, and put the oracles' new code before their own."""
        for address, pool in seen.pools.items():
            if pool.unwraps_to is None:
                gives = {(address, token): marginal(pool, token) for token in pool.tokens}
                self._start |= gives if all(gives.values()) else {}
        for book in self._rooms.watcher.books:
            as_it_was = Book(book.protocol, first_block=book.first_block)
            as_it_was.begin(seen.head, book.market, {}, book.chain)
            self._books.append(as_it_was)
        await asyncio.to_thread(self._prepare, seen.pools)

    def _prepare(self, pools: Mapping[Address, Pool]) -> None:
        rpc = self._rpc
        for account in (self._desk.operator, _TRADER, *(call.sender for call in self._preamble)):
            rpc("anvil_setBalance", wire.hex_data(account), hex(_PURSE_WEI))
        for call in self._preamble:
            self._post(call.sender, call.to, call.data, gas=_PREAMBLE_GAS)
        for token in sorted({token for pool, _ in self._start for token in pools[pool].tokens}):
            rpc("anvil_dealERC20", wire.hex_data(_TRADER), wire.hex_data(token), hex(_PLENTY_RAW))
        told = (book.protocol.prices(book.market) for book in self._books)
        oracles = sorted({call.to for of_book in told for call in of_book})
        for number, oracle in enumerate(oracles):
            behind = Address(b"oracle behind".ljust(19, b"\0") + bytes([number]))
            rpc("anvil_setCode", wire.hex_data(behind), rpc("eth_getCode", wire.hex_data(oracle), "latest"))
            rpc("anvil_setCode", wire.hex_data(oracle), wire.hex_data(answering_code(behind)))
        self._mine()

    # --- playing --------------------------------------------------------------------------------------------

    async def play(self, *, feedback: bool, tell: Callable[[int], None]) -> Cascade:
        """Return what comes of the fall. The fork is as it was before, when it returns."""
        snapshot = await asyncio.to_thread(self._rpc, "evm_snapshot")
        self._approved.clear()  # what was approved after it is not any more
        engine = self._rooms.engine(self._settings, self._chain, self._world, listen=lambda event: None)
        struck: list[Struck] = []
        left: Counter[str] = Counter()
        plans: Sequence[Plan] = ()
        pressed = lowest = prices = dict.fromkeys(self._symbols, Fraction(1))
        steps = -(-self._fall.blocks // _STEP_BLOCKS)
        seen = await engine.observe(await self._endpoints.block("latest"))
        step = 0
        while step < steps or (plans and step < steps + _MOST_TAIL):
            step += 1
            if plans:
                struck += await asyncio.to_thread(self._keepers_block, step, plans, prices)
                seen = await engine.observe(await self._endpoints.block("latest"))
                if feedback:
                    pressed = self._pressed(seen.pools, prices, pressed)
            falls = self._fall.at(step * _STEP_BLOCKS)
            prices = {token: falls[token] * pressed[token] for token in falls}
            lowest = {token: min(lowest[token], prices[token]) for token in prices}
            await asyncio.to_thread(self._markets_block, seen.pools, prices)
            seen = await engine.observe(await self._endpoints.block("latest"))
            if seen.skipped:
                raise Unavailable(
                    f"{seen.skipped[0].source} can't be read on the fork: {seen.skipped[0].why}"
                )
            decisions = [one.decision for one in await engine.decide(seen)]
            plans = [one for one in decisions if isinstance(one, Plan)]
            left = Counter(one.reason.value for one in decisions if isinstance(one, Declined))
            tell(step * _STEP_BLOCKS)
        bad_debt, debtors = self._bad_debt(seen)
        await asyncio.to_thread(self._rpc, "evm_revert", snapshot)
        return Cascade(
            feedback=feedback,
            blocks=step * _STEP_BLOCKS,
            struck=tuple(struck),
            lowest=self._named(lowest),
            unhealthy=len(seen.opportunities),
            left=dict(left),
            bad_debt=bad_debt,
            bad_debtors=debtors,
        )

    def _keepers_block(self, step: int, plans: Sequence[Plan], prices: Factors) -> list[Struck]:
        """Mine what was decided, and return what came of it."""
        sent = [
            self._post(
                self._desk.operator,
                plan.draft.transaction.to,
                plan.draft.transaction.data,
                gas=plan.fees.gas_limit,
            )
            for plan in plans
        ]
        self._mine()
        found = []
        for plan, hash_ in zip(plans, sent, strict=True):
            receipt = self._rpc("eth_getTransactionReceipt", hash_)
            logs = [_log(log) for log in receipt["logs"]]
            vault_wei, _ = earnings_wei(logs, executor=self._desk.executor, executed=self._executed)
            gas_wei = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            found.append(
                Struck(
                    block=(step - 1) * _STEP_BLOCKS,
                    position=PositionId(plan.draft.market, plan.draft.borrower),
                    repaid=plan.draft.close.repaid,
                    seized=plan.draft.close.seized,
                    predicted_wei=plan.waterfall.net_wei,
                    realised_wei=vault_wei - gas_wei,
                    reverted=receipt["status"] != "0x1",
                    prices=self._named(prices),
                )
            )
        return found

    def _markets_block(self, pools: Mapping[Address, Pool], prices: Factors) -> None:
        """Have traders bring the pools to these prices, and then the oracles answer by them."""
        named: dict[str, Price] = {
            checksum(one): Price(amount=by, is_factor=True) for one, by in prices.items()
        }
        would = what_if(self._books, self._pricing, named)
        following = {one.token.address: one.factor for one in would.followed if one.loan is None}
        for address in dict.fromkeys(pool for pool, _ in self._start):
            pool = pools.get(address)
            for token in () if pool is None else pool.tokens:
                assert pool is not None
                wanted = self._wanted(pool, token, {**following, **prices})
                if marginal(pool, token) > wanted * (1 + _NEAR):
                    self._sell(pool, token, to_sell(pool, token, until=wanted))
        self._mine()
        for call, price in would.prices.items():
            if price:
                at, answer = wire.hex_data(call.to), wire.hex_data(price.to_bytes(32))
                self._rpc("anvil_setStorageAt", at, wire.hex_data(answer_slot(call)), answer)
        self._mine()

    def _wanted(self, pool: Pool, token: Address, prices: Factors) -> float:
        """Return what a pool gives for the next unit of a token where it is at the market's price."""
        other = next(one for one in pool.tokens if one != token)
        return self._start[pool.address, token] * float(prices.get(token, 1) / prices.get(other, 1))

    def _pressed(
        self, pools: Mapping[Address, Pool], prices: Factors, before: Factors
    ) -> dict[Address, Fraction]:
        """Return by how much the sales so far have left each token cheaper than the fall alone would."""
        shares: dict[Address, list[tuple[float, float]]] = {token: [] for token in before}
        for address, token in self._start:
            pool = pools.get(address)
            if pool is not None and token in shares:
                now, wanted = marginal(pool, token), self._wanted(pool, token, prices)
                depth = float(to_sell(pool, token, until=now * 0.99))
                shares[token].append((depth, now / wanted))
        return {token: before[token] * displaced(shares[token]) for token in before}

    def _bad_debt(self, seen: Observation) -> tuple[dict[str, float], int]:
        """Return what is owed beyond what backs it, by currency, and by how many."""
        owed: dict[str, float] = {}
        debtors = 0
        for book in self._rooms.watcher.books:
            for position, _, health in book.healths(at_s=seen.block.timestamp_s):
                if (short_base := health.debt_base - health.collateral_base) > 0:
                    currency = book.protocol.currency(book.market, position)
                    owed[currency.symbol] = owed.get(currency.symbol, 0.0) + short_base / currency.unit_base
                    debtors += 1
        return owed, debtors

    def _named(self, factors: Factors) -> dict[str, float]:
        return {self._symbols[token]: float(factor) for token, factor in factors.items()}

    # --- transactions ---------------------------------------------------------------------------------------

    def _sell(self, pool: Pool, token: Address, amount_raw: int) -> None:
        if amount_raw <= 0:
            return
        call = self._venues[pool.venue].sell(
            route(pool, token), amount_in_raw=amount_raw, least_out_raw=0, recipient=_TRADER
        )
        if (token, call.target) not in self._approved:
            self._approved.add((token, call.target))
            self._post(_TRADER, token, _APPROVE.encode(call.target, 2**256 - 1), gas=_TRADE_GAS)
        self._post(_TRADER, call.target, call.data, gas=_TRADE_GAS)

    def _post(self, sender: Address, to: Address, data: bytes, *, gas: int) -> str:
        sent: str = self._rpc(
            "eth_sendTransaction",
            {
                "from": wire.hex_data(sender),
                "to": wire.hex_data(to),
                "input": wire.hex_data(data),
                "gas": hex(gas),
            },
        )
        return sent

    def _mine(self) -> None:
        latest = self._rpc("eth_getBlockByNumber", "latest", False)
        self._rpc("evm_mine", hex(int(latest["timestamp"], 16) + self._block_time_s))


def _log(log: Mapping[str, Any]) -> Log:
    return Log(
        emitter=Address(bytes.fromhex(log["address"][2:])),
        topics=tuple(Hash32(bytes.fromhex(topic[2:])) for topic in log["topics"]),
        data=bytes.fromhex(log["data"][2:]),
        block_number=int(log["blockNumber"], 16),
        log_index=int(log["logIndex"], 16),
        transaction=Hash32(bytes.fromhex(log["transactionHash"][2:])),
    )
