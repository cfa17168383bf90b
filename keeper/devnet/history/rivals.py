"""Liquidators that compete in a history: simple, with own funds, each with its latency and its bids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from keeper.abi import load
from keeper.devnet.accounts import account
from keeper.devnet.history.sheet import Sheet, usd
from keeper.domain.address import Address

_GAS = 1_200_000
_TYPICAL_GAS = 400_000
_TYPICAL_BONUS = 0.045
_BELOW_WAD = 95 * 10**16
"""Under this health Aave lets all of a debt be closed, above it half."""
_LEAST_CLOSED_IN_FULL_USD = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a rival is: in seconds, dollars, and shares of what it thinks it earns."""

    name: str
    account: Address
    latency_s: float
    """Median, from a block's time to its transaction's being with the builder."""
    spread: float
    """Sigma of the latency's lognormal distribution."""
    bid_share: float
    least_profit_usd: float


RIVALS = (
    Habits(
        name="swift",
        account=account(3).address,
        latency_s=7.0,
        spread=0.6,
        bid_share=0.08,
        least_profit_usd=40,
    ),
    Habits(
        name="bold",
        account=account(5).address,
        latency_s=16.0,
        spread=0.4,
        bid_share=0.35,
        least_profit_usd=25,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A liquidation that a rival wants in a block."""

    rival: Habits
    borrower: Address
    call: bytes
    """To Aave's pool."""
    tip_wei: int
    """For each unit of gas."""
    gas: int = _GAS


@dataclass(slots=True)
class _Pursuit:
    borrower: Address
    due_s: float


@dataclass(slots=True)
class Rival:
    """One rival, as the history goes on."""

    habits: Habits
    random: Random
    _pursuits: dict[Address, _Pursuit] = field(default_factory=dict)

    def see(self, unhealthy: Sequence[Address], *, at_s: int) -> None:
        """Take note of who is below health 1 after a block of time `at_s`."""
        for borrower in unhealthy:
            if borrower not in self._pursuits:
                latency_s = self.random.lognormvariate(0, self.habits.spread) * self.habits.latency_s
                self._pursuits[borrower] = _Pursuit(borrower, at_s + latency_s)
        for gone in self._pursuits.keys() - set(unhealthy):  # it looks again before it sends
            del self._pursuits[gone]

    def offers(
        self,
        *,
        closes_at_s: float,
        sheets: Mapping[Address, Sheet],
        healths_wad: Mapping[Address, int],
        prices_base: Mapping[str, int],
        tokens: Mapping[str, Address],
    ) -> list[Offer]:
        """Return what it sends into the block that takes nothing after `closes_at_s`."""
        made = []
        for pursuit in [one for one in self._pursuits.values() if one.due_s <= closes_at_s]:
            del self._pursuits[pursuit.borrower]
            sheet = sheets[pursuit.borrower]
            debt = sheet.largest(sheet.debt, prices_base)
            collateral = sheet.largest(sheet.collateral, prices_base)
            owed_usd = usd(debt, sheet.debt[debt], prices_base)
            whole = healths_wad[pursuit.borrower] < _BELOW_WAD or owed_usd < _LEAST_CLOSED_IN_FULL_USD
            closed_usd = min(
                owed_usd if whole else owed_usd / 2,
                usd(collateral, sheet.collateral[collateral], prices_base),
            )
            profit_usd = closed_usd * _TYPICAL_BONUS
            if profit_usd < self.habits.least_profit_usd:
                continue
            bid_wei = int(profit_usd * self.habits.bid_share * 1e18 / (prices_base["WETH"] / 1e8))
            made.append(
                Offer(
                    rival=self.habits,
                    borrower=pursuit.borrower,
                    call=load("aave_v3_pool")
                    .function("liquidationCall")
                    .encode(tokens[collateral], tokens[debt], pursuit.borrower, 2**256 - 1, False),
                    tip_wei=10**9 + bid_wei // _TYPICAL_GAS,
                )
            )
        return made
