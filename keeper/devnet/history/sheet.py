"""What each borrower has and owes, as far as the history's own people keep count: about, and in floats.

Who looks below health 1 here is asked of the chain before anything is done about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.devnet.aave import E_MODES, RESERVES
from keeper.devnet.borrowers import Position
from keeper.devnet.tokens import TOKENS


@dataclass(slots=True)
class Sheet:
    """One borrower's collateral and debt, in raw units by symbol."""

    collateral: dict[str, int]
    debt: dict[str, int]
    e_mode: int

    @classmethod
    def of(cls, position: Position) -> Sheet:
        """Return the sheet of a position as it was opened."""
        return cls(
            collateral={leg.symbol: leg.raw for leg in position.collaterals},
            debt={leg.symbol: leg.raw for leg in position.debts},
            e_mode=position.e_mode,
        )

    def health(self, prices_base: Mapping[str, int]) -> float:
        """Return about the health factor at these prices."""
        debt_usd = sum(usd(symbol, raw, prices_base) for symbol, raw in self.debt.items())
        if debt_usd <= 0:
            return float("inf")
        weighed = (
            usd(symbol, raw, prices_base) * self._threshold(symbol) for symbol, raw in self.collateral.items()
        )
        return sum(weighed) / debt_usd

    def largest(self, side: Mapping[str, int], prices_base: Mapping[str, int]) -> str:
        """Return the symbol of a side's largest part."""
        return max(side, key=lambda symbol: (usd(symbol, side[symbol], prices_base), symbol))

    def _threshold(self, symbol: str) -> float:
        if self.e_mode and symbol in E_MODES[self.e_mode].collaterals:
            return E_MODES[self.e_mode].liquidation_threshold / 1e4
        return RESERVES[symbol].liquidation_threshold / 1e4


def usd(symbol: str, raw: int, prices_base: Mapping[str, int]) -> float:
    """Return about what an amount is worth, in dollars."""
    return float(raw / 10 ** TOKENS[symbol].decimals * prices_base[symbol] / 1e8)
