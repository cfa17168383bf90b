"""A crowd on the devnet: many who supply, borrow, repay, withdraw and are liquidated, drawn from a seed.

What the market's account can do on somebody's behalf it does; what only they can do themselves they do by
impersonation. Some of it reverts, as on any chain: what counts is what the chain's own logs tell.
"""

from __future__ import annotations

from collections import Counter
from random import Random

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.aave import compile_aave
from keeper.devnet.chain import Contract
from keeper.devnet.morpho import MARKETS, compile_morpho
from keeper.devnet.tokens import TOKENS, give
from keeper.domain.address import Address
from keeper.domain.fixed_point import WAD
from keeper.watcher.book import AnyBook

_COLLATERALS = ("WETH", "wstETH", "WBTC", "USDC")
_DEBTS = ("USDC", "USDT", "WETH")
_MOST = 2**256 - 1
_GAS = hex(2_000_000)
_RICH_USD = 10**9
_NATIVE_WEI = hex(10**21)
_FIRST_TIP_WEI = 10**11
_AAVE, _MORPHO = load("aave_v3_pool"), load("morpho_blue")

DEEDS = {
    "Supply": 20,
    "Withdraw": 10,
    "Borrow": 20,
    "Repay": 10,
    "UserEModeSet": 5,
    "ReserveUsedAsCollateralDisabled": 2,
    "LiquidationCall": 2,
    "Morpho.SupplyCollateral": 8,
    "Morpho.WithdrawCollateral": 2,
    "Morpho.Borrow": 8,
    "Morpho.Repay": 5,
    "Morpho.Liquidate": 1,
    "Morpho.SetAuthorization": 3,
}
"""The events that tell of each kind of deed, and how many there are at least in 200 blocks of 500 people."""


class Crowd:
    """So many people, of whom more join at every block."""

    def __init__(
        self, devnet: Devnet, *, people: int, seed: int, contracts: tuple[Address, ...] = ()
    ) -> None:
        """`contracts` are what the people may authorise on Morpho."""
        self._devnet, self._random = devnet, Random(seed)
        self._waiting = [Address(b"\xcc" * 12 + n.to_bytes(8)) for n in range(people)]
        self._contracts = contracts
        self._posted: list[dict[str, str]] = []
        self._borrowed: list[tuple[Address, str]] = []
        """Of Morpho: who, and in which market."""
        self.joined: list[Address] = []
        there, aave = devnet.addresses, compile_aave()
        self._admin = devnet.market.address
        self._pool = devnet.contract(there.pool, aave["PoolInstance"].interface)
        self._configurator = devnet.contract(there.configurator, aave["PoolConfiguratorInstance"].interface)
        self._morpho = devnet.contract(there.morpho, compile_morpho()["Morpho"].interface)
        self._tokens = {
            symbol: devnet.contract(address, aave["WETH9" if symbol == "WETH" else "TestnetERC20"].interface)
            for symbol, address in there.tokens.items()
        }
        self._first_block = devnet.chain.block_number() + 1
        devnet.anvil.rpc("anvil_autoImpersonateAccount", True)
        devnet.anvil.rpc("evm_setAutomine", True)
        devnet.chain.set_balance(self._admin, 10**30)  # for what it wraps
        for symbol, token in self._tokens.items():
            give(self._tokens, symbol, TOKENS[symbol].raw(_RICH_USD), to=self._admin, market=self._admin)
            for spender in (self._pool, self._morpho):
                if symbol == "USDT":
                    token.send("approve", spender, 0, sender=self._admin)
                token.send("approve", spender, _MOST, sender=self._admin)
        devnet.anvil.rpc("evm_setAutomine", False)

    # --- a block

    def block(self, *, joining: int, acting: int, books: tuple[AnyBook, ...] = ()) -> None:
        """Mine a block in which so many join and so many act; a few that `books` know as short are closed."""
        for _ in range(min(joining, len(self._waiting))):
            self._join(self._waiting.pop())
        for _ in range(acting):
            self._acts(self._random.choice(self.joined))
        if self._random.random() < 0.2:
            self._moves_prices()
        if self._random.random() < 0.02:
            self._configures()
        for book in books:
            self._liquidates(book)
        self._send()
        self._devnet.mine()

    def deeds(self) -> Counter[str]:
        """Return how many of each kind the chain's logs tell of."""
        there = self._devnet.addresses
        names = {_AAVE.event(one).topic: one for one in DEEDS if "." not in one}
        morphos = (one.removeprefix("Morpho.") for one in DEEDS if "." in one)
        names |= {_MORPHO.event(one).topic: f"Morpho.{one}" for one in morphos}
        found = self._devnet.anvil.rpc(
            "eth_getLogs",
            {
                "address": ["0x" + one.hex() for one in (there.pool, there.morpho)],
                "topics": [["0x" + topic.hex() for topic in names]],
                "fromBlock": hex(self._first_block),
                "toBlock": "latest",
            },
        )
        return Counter(names[bytes.fromhex(log["topics"][0][2:])] for log in found)  # type: ignore[index]

    # --- what they do

    def _join(self, person: Address) -> None:
        self.joined.append(person)
        usd = self._random.uniform(200, 10_000)
        if self._random.random() < 0.2:
            self._borrows_of_morpho(person, usd)
            return
        for _ in range(self._random.choice((1, 1, 2))):
            self._supplies(person, usd)
        self._borrows(person, usd * self._random.uniform(0.3, 0.72))

    def _acts(self, person: Address) -> None:
        random, usd = self._random, self._random.uniform(20, 3_000)
        match random.choice(("supply", "withdraw", "borrow", "repay", "settle", "e-mode", "flag", "morpho")):
            case "supply":
                self._supplies(person, usd)
            case "withdraw":
                symbol = random.choice(_COLLATERALS)
                self._post(
                    self._pool, "withdraw", self._tokens[symbol], self._raw(symbol, usd), person, by=person
                )
            case "borrow":
                self._borrows(person, usd)
            case "repay":
                symbol = random.choice(_DEBTS)
                self._post(self._pool, "repay", self._tokens[symbol], self._raw(symbol, usd), 2, person)
            case "settle":
                for symbol in _DEBTS:
                    raw = self._raw(symbol, 50_000)
                    self._post(self._pool, "repay", self._tokens[symbol], raw, 2, person)
            case "e-mode":
                self._post(self._pool, "setUserEMode", random.choice((0, 1)), by=person)
            case "flag":
                token, flag = self._tokens[random.choice(_COLLATERALS)], random.random() < 0.5
                self._post(self._pool, "setUserUseReserveAsCollateral", token, flag, by=person)
            case _:
                self._acts_on_morpho(person, usd)

    def _acts_on_morpho(self, person: Address, usd: float) -> None:
        random = self._random
        deed = random.choice(("borrow", "repay", "withdraw", "authorise"))
        if deed == "borrow" or not self._borrowed:
            self._borrows_of_morpho(person, usd)
            return
        person, name = random.choice(self._borrowed)
        spec, params = MARKETS[name], self._params(name)
        if deed == "repay":
            raw = self._raw(spec.loan, usd / 10)
            self._post(self._morpho, "repay", params, raw, 0, person, b"")
        elif deed == "withdraw":
            raw = self._raw(spec.collateral, usd / 10)
            self._post(self._morpho, "withdrawCollateral", params, raw, person, person, by=person)
        elif self._contracts:
            contract, may = random.choice(self._contracts), random.random() < 0.8
            self._post(self._morpho, "setAuthorization", contract, may, by=person)

    def _supplies(self, person: Address, usd: float) -> None:
        symbol = self._random.choice(_COLLATERALS)
        self._post(self._pool, "supply", self._tokens[symbol], self._raw(symbol, usd), person, 0)

    def _borrows(self, person: Address, usd: float) -> None:
        symbol = self._random.choice(_DEBTS)
        raw = self._raw(symbol, usd)
        self._post(self._pool, "borrow", self._tokens[symbol], raw, 2, 0, person, by=person)

    def _borrows_of_morpho(self, person: Address, usd: float) -> None:
        name = self._random.choice(list(MARKETS))
        spec, params = MARKETS[name], self._params(name)
        raw = self._raw(spec.collateral, usd)
        self._post(self._morpho, "supplyCollateral", params, raw, person, b"")
        loan_raw = self._raw(spec.loan, usd * self._random.uniform(0.4, 0.98) * spec.lltv_wad / WAD)
        self._post(self._morpho, "borrow", params, loan_raw, 0, person, person, by=person)
        self._borrowed.append((person, name))

    def _liquidates(self, book: AnyBook) -> None:
        """Close a few of those who are below 1, some whole and some in part."""
        there = self._devnet.addresses
        addresses = {one.hex(): one for one in there.tokens.values()}
        for position, row, _ in book.below(WAD, at_s=self._devnet.now_s)[:3]:
            has, owes = book.protocol.holdings(book.market, row, at_s=self._devnet.now_s)
            if not has or not owes:
                continue
            collateral, debt = (one[0].amount.token.address for one in (has, owes))
            if position.market.startswith("aave"):
                raw = self._random.choice((_MOST, owes[0].amount.raw // 3))
                pair = (addresses[collateral.hex()], addresses[debt.hex()])
                self._post(self._pool, "liquidationCall", *pair, position.borrower, raw, False)
            elif position.market.startswith("morpho:"):
                name = next(one for one, id_ in there.morpho_ids.items() if id_.hex() in position.market)
                seized = has[0].amount.raw // self._random.choice((2, 5))
                self._post(self._morpho, "liquidate", self._params(name), position.borrower, seized, 0, b"")

    # --- what the market does

    def _moves_prices(self) -> None:
        price = self._price_base("WETH") * self._random.randint(955, 1045) // 1_000
        start = TOKENS["WETH"].price_base
        price = min(max(price, start * 70 // 100), start * 130 // 100)
        moved = {"WETH": price, "wstETH": price * self._random.randint(1_210, 1_230) // 1_000}
        moved["WBTC"] = TOKENS["WBTC"].price_base * self._random.randint(80, 120) // 100
        for symbol, price_base in moved.items():
            self._post(self._devnet._aggregator(symbol), "transmit", price_base)

    def _configures(self) -> None:
        """Change what a reserve's collateral counts for."""
        threshold_bps = self._random.randint(81_00, 84_00)
        arguments = (self._tokens["WETH"], 80_50, threshold_bps, 105_00)
        self._post(self._configurator, "configureReserveAsCollateral", *arguments)

    # --- how it is sent

    def _post(self, contract: Contract, name: str, *arguments: object, by: Address | None = None) -> None:
        """Have a call sent, to come right behind those before it in the next block."""
        self._posted.append(
            {
                "from": "0x" + (by or self._admin).hex(),
                "to": "0x" + contract.address.hex(),
                "data": "0x" + contract.interface.encode(name, *arguments).hex(),
                "gas": _GAS,
                "maxFeePerGas": hex(2_000 * 10**9),
                "maxPriorityFeePerGas": hex(_FIRST_TIP_WEI - len(self._posted) * 10**6),
            }
        )

    def _send(self) -> None:
        """Send what was posted, all at once: a node takes a batch in no order, so each has its nonce."""
        batch = self._devnet.anvil.rpc.batch
        senders = list(dict.fromkeys(one["from"] for one in self._posted))
        counts = batch([("eth_getTransactionCount", [one, "latest"]) for one in senders])
        batch([("anvil_setBalance", [one, _NATIVE_WEI]) for one in senders])  # a branch may have paid them
        nonces = {sender: int(count, 16) for sender, count in zip(senders, counts, strict=True)}
        for one in self._posted:
            one["nonce"] = hex(nonces[one["from"]])
            nonces[one["from"]] += 1
        batch([("eth_sendTransaction", [one]) for one in self._posted])
        self._posted.clear()

    def _params(self, name: str) -> tuple[object, ...]:
        there, spec = self._devnet.addresses, MARKETS[name]
        loan, collateral = there.tokens[spec.loan], there.tokens[spec.collateral]
        return (loan, collateral, there.morpho_oracles[name], there.morpho_irm, spec.lltv_wad)

    def _price_base(self, symbol: str) -> int:
        return self._devnet.price_base(symbol)

    def _raw(self, symbol: str, usd: float) -> int:
        return TOKENS[symbol].raw(usd)
