"""Listing a token on the devnet's Aave while it runs, as the real configurator does it."""

from __future__ import annotations

from keeper.devnet import Devnet
from keeper.devnet.aave import TREASURY, compile_aave
from keeper.devnet.chain import Contract
from keeper.devnet.own import compile_own
from keeper.domain.address import Address

_INCENTIVES = bytes.fromhex("703c2c8634bed68d98c029c18f310e7f7ec0e5d6342c590190b3cb8b3ba54532")


class Listing:
    """A new token, its feed, and the codes of its aToken and debt token; each step in blocks of its own."""

    def __init__(self, devnet: Devnet, *, symbol: str, decimals: int, price_base: int) -> None:
        """Deploy what is to be listed. The devnet must mine each transaction at once."""
        self.devnet, self.symbol = devnet, symbol
        self.admin = devnet.market.address
        chain, aave, there = devnet.chain, compile_aave(), devnet.addresses
        self.token = chain.deploy(
            aave["TestnetERC20"], symbol, symbol, decimals, self.admin, sender=self.admin
        )
        self.aggregator = chain.deploy(
            compile_own()["SettableAggregator"], f"{symbol} / USD", price_base, sender=self.admin
        )
        provider = chain.contract(there.provider, aave["PoolAddressesProvider"].interface)
        rewards = provider.address_of("getAddress", _INCENTIVES)
        self._codes = (
            chain.deploy(aave["ATokenInstance"], there.pool, rewards, TREASURY, sender=self.admin),
            chain.deploy(aave["VariableDebtTokenInstance"], there.pool, rewards, sender=self.admin),
        )
        self.oracle = chain.contract(there.oracle, aave["AaveOracle"].interface)
        self.configurator = chain.contract(there.configurator, aave["PoolConfiguratorInstance"].interface)
        self.pool = chain.contract(there.pool, aave["PoolInstance"].interface)

    def steps(self) -> list[tuple[Contract, str, tuple[object, ...]]]:
        """Return the calls that list it, to be made in this order by the admin."""
        rates = b"".join(rate.to_bytes(32) for rate in (80_00, 25, 4_00, 100_00))
        names = (f"Aave {self.symbol}", f"a{self.symbol}", f"Debt {self.symbol}", f"d{self.symbol}")
        made = (*self._codes, self.token, *names, b"", rates)
        return [
            (self.oracle, "setAssetSources", ([self.token], [self.aggregator])),
            (self.configurator, "initReserves", ([made],)),
            (self.configurator, "setReserveBorrowing", (self.token, True)),
            (self.configurator, "configureReserveAsCollateral", (self.token, 70_00, 75_00, 105_00)),
        ]

    def post(self) -> None:
        """Send the steps, for whichever block comes next."""
        for contract, name, arguments in self.steps():
            contract.post(name, *arguments, sender=self.admin)

    def use(self, borrower: Address, *, supplied_raw: int, borrowed: Address, borrowed_raw: int) -> None:
        """Have somebody supply the new token and borrow against it, in the next block."""
        self.devnet.anvil.rpc("anvil_impersonateAccount", "0x" + borrower.hex())
        self.devnet.chain.set_balance(borrower, 10**21)
        self.token.post("mint", borrower, supplied_raw, sender=self.admin)
        self.token.post("approve", self.pool, supplied_raw, sender=borrower)
        self.pool.post("supply", self.token, supplied_raw, borrower, 0, sender=borrower)
        self.pool.post("borrow", borrowed, borrowed_raw, 2, 0, borrower, sender=borrower)
