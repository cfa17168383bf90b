"""How a repay is paid for until the sale has earned it: by a loan, or by the liquidation itself.

Both say what they cost, how much there is, and which step makes the liquidation with the sales inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.funding import Lendable
from keeper.planner.calldata import Step
from keeper.ports import FlashSource

_MOST_RAW = 2**256 - 1


class Funding(Protocol):
    """One way to pay for a repay of one token."""

    @property
    def name(self) -> str: ...

    @property
    def available_raw(self) -> int:
        """Return how much there is."""
        ...

    def fee_raw(self, amount_raw: int) -> int:
        """Return what so much costs, rounded as whoever lends it rounds."""
        ...

    def step(self, liquidation: ContractCall, *, amount_raw: int, sales: tuple[Step, ...]) -> Step:
        """Return the step that has `amount_raw`, liquidates, makes the sales, and pays back with the fee."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """A flash loan: first the money, then the liquidation and the sales within the lender's callback."""

    lender: FlashSource
    lendable: Lendable
    token: Address
    executor: Address

    @property
    def name(self) -> str:
        return self.lender.name

    @property
    def available_raw(self) -> int:
        return self.lendable.available_raw.get(self.token, 0)

    def fee_raw(self, amount_raw: int) -> int:
        return self.lender.fee_raw(self.lendable, amount_raw)

    def step(self, liquidation: ContractCall, *, amount_raw: int, sales: tuple[Step, ...]) -> Step:
        loan = self.lender.call(
            self.token, amount_raw=amount_raw, fee_raw=self.fee_raw(amount_raw), executor=self.executor
        )
        return Step(call=loan, inside=(Step(call=liquidation), *sales))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCallback:
    """The liquidation's own callback: first the collateral, then the sales within, then the debt is taken."""

    @property
    def name(self) -> str:
        return "the liquidation's own callback"

    @property
    def available_raw(self) -> int:
        """Return more than anybody owes: nothing is lent, so nothing limits it."""
        return _MOST_RAW

    def fee_raw(self, amount_raw: int) -> int:
        return 0

    def step(self, liquidation: ContractCall, *, amount_raw: int, sales: tuple[Step, ...]) -> Step:
        return Step(call=liquidation, inside=sales)
