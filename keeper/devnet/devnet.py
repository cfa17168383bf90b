"""A devnet that runs: an Anvil of its own with the real contracts, and verbs that move its market."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Self

from keeper.devnet import accounts, uniswap, uniswap_v2
from keeper.devnet.accounts import Account
from keeper.devnet.addresses import Addresses
from keeper.devnet.artifact import Interface
from keeper.devnet.build import BLOCK_S, BORROWERS, SEED, built
from keeper.devnet.chain import Chain, Contract, Failed
from keeper.devnet.own import compile_own
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import Address
from keeper.node.anvil import Anvil


class Devnet:
    """A running devnet. Its blocks have times of its own choosing, 12 s apart, far ahead of the clock.

    By default every transaction is mined at once, in a block of its own. With ``automine=False`` blocks are
    mined only by `mine`, `market_block` and `keeper_block`.
    """

    def __init__(self, anvil: Anvil, addresses: Addresses, *, automine: bool) -> None:
        self.anvil = anvil
        self.addresses = addresses
        self.chain = Chain(anvil.rpc)
        self._automine = automine

    # --- starting and stopping

    @classmethod
    def start(
        cls,
        *,
        seed: int = SEED,
        borrowers: int = BORROWERS,
        automine: bool = True,
        port: int = 0,
        extra: tuple[str, ...] = (),
    ) -> Self:
        """Return a devnet in its first state: a tenth of a second, once it is built.

        `seed` and `borrowers` say who is there; `extra` are arguments of Anvil's.
        Raises AnvilError or CompileError, each with what to do.
        """
        made = built(seed=seed, borrowers=borrowers)
        anvil = Anvil(load_state=made.state, port=port, extra=extra).start()
        devnet = cls(anvil, made.addresses, automine=automine)
        # A loaded chain goes on at the wall clock's time unless the next block's is said.
        anvil.rpc("anvil_setBlockTimestampInterval", BLOCK_S)
        anvil.rpc("evm_setNextBlockTimestamp", devnet.now_s + BLOCK_S)
        if not automine:
            anvil.rpc("evm_setAutomine", False)
        return devnet

    def stop(self) -> None:
        """End it. Nothing stays."""
        self.anvil.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- who is there

    @property
    def market(self) -> Account:
        """Return who deployed all, lends, makes the market and reports the prices."""
        return accounts.market()

    @property
    def owner(self) -> Account:
        """Return who is to own executor and vault."""
        return accounts.owner()

    @property
    def operator(self) -> Account:
        """Return whose key the keeper is to sign with."""
        return accounts.operator()

    @property
    def rival(self) -> Account:
        """Return who liquidates besides the keeper."""
        return accounts.rival()

    @property
    def attacker(self) -> Account:
        """Return who tries to take what is not theirs."""
        return accounts.attacker()

    # --- time

    @property
    def now_s(self) -> int:
        """Return the head's time."""
        return self.chain.timestamp_s()

    def mine(self, *, at_s: int | None = None) -> int:
        """Mine a block of exactly that time, else 12 s after the last, and return its number."""
        return self.chain.mine(at_s=self.now_s + BLOCK_S if at_s is None else at_s)

    # --- the market

    def price_base(self, symbol: str) -> int:
        """Return a token's price by its feed: USD, eight decimals."""
        answer = self._aggregator(symbol).call("latestAnswer")
        assert isinstance(answer, int)
        return answer

    def prices_base(self) -> dict[str, int]:
        """Return every token's price by its feed."""
        return {symbol: self.price_base(symbol) for symbol in TOKENS}

    def set_price(self, symbol: str, price_base: int) -> None:
        """Have a feed report a price, as its oracle would. Pools do not move.

        It is mined at once, or left pending where nothing is mined at once.
        """
        self._settle([self._post_price(symbol, price_base)])

    def arbitrage(self, prices_base: Mapping[str, int] | None = None) -> None:
        """Trade every pool and pair of Uniswap's to these prices, or to the feeds', where not said."""
        prices = {**self.prices_base(), **(prices_base or {})}
        self._settle(self._post_arbitrage(prices))

    def market_block(
        self, prices_base: Mapping[str, int], *, base_fee_wei: int | None = None, at_s: int | None = None
    ) -> int:
        """Mine one block in which the feeds report these prices and the pools are arbitraged along.

        Returns its number. Raises Failed where one of its transactions did not succeed in it.
        """
        if base_fee_wei is not None:
            self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee_wei))
        before = self.prices_base()
        with _Held(self):
            sent = [
                self._post_price(symbol, price)
                for symbol, price in prices_base.items()
                if price != before[symbol]
            ]
            sent += self._post_arbitrage({**before, **prices_base})
            number = self.mine(at_s=at_s)
        self._check(sent, number)
        return number

    def keeper_block(self, *, at_s: int | None = None) -> int:
        """Mine a block with whatever was sent since the market's, and return its number."""
        return self.mine(at_s=at_s)

    # --- contracts

    def contract(self, address: Address, interface: Interface) -> Contract:
        """Return a contract on this chain, to call and send to."""
        return self.chain.contract(address, interface)

    @cached_property
    def router(self) -> Contract:
        """Return SwapRouter02."""
        return self.contract(self.addresses.router, uniswap.router_interface())

    @cached_property
    def v2_router(self) -> Contract:
        """Return UniswapV2Router02."""
        return self.contract(self.addresses.v2_router, uniswap_v2.router_interface())

    def _aggregator(self, symbol: str) -> Contract:
        interface = compile_own()["SettableAggregator"].interface
        return self.contract(self.addresses.aggregators[symbol], interface)

    def _post_price(self, symbol: str, price_base: int) -> str:
        return self._aggregator(symbol).post("transmit", price_base, sender=self.market.address)

    def _post_arbitrage(self, prices_base: Mapping[str, int]) -> list[str]:
        there = self.addresses
        pools = {
            key: self.contract(address, uniswap.pool_interface()) for key, address in there.pools.items()
        }
        pairs = {
            name: self.contract(address, uniswap_v2.pair_interface())
            for name, address in there.v2_pairs.items()
        }
        return [
            *uniswap.arbitrage(
                self.chain,
                router=self.router,
                pools=pools,
                tokens=there.tokens,
                prices_base=prices_base,
                market=self.market.address,
            ),
            *uniswap_v2.arbitrage(
                router=self.v2_router,
                pairs=pairs,
                tokens=there.tokens,
                prices_base=prices_base,
                market=self.market.address,
            ),
        ]

    def _settle(self, sent: list[str]) -> None:
        if self._automine:
            self._check(sent, None)

    def _check(self, sent: list[str], number: int | None) -> None:
        for each in sent:
            receipt = self.chain.receipt(each)
            if int(receipt["status"], 16) != 1 or number not in (None, int(receipt["blockNumber"], 16)):
                raise Failed(f"the market's transaction {each} failed, or was not mined in block {number}")


class _Held:
    """Holds back mining while a block is put together, where each transaction would be mined at once."""

    def __init__(self, devnet: Devnet) -> None:
        self._rpc = devnet.anvil.rpc
        self._automine = devnet._automine

    def __enter__(self) -> None:
        if self._automine:
            self._rpc("evm_setAutomine", False)

    def __exit__(self, *_: object) -> None:
        if self._automine:
            self._rpc("evm_setAutomine", True)
