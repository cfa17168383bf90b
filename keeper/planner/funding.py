"""How a repay is paid for until the sale has earned it: by a loan, or by the liquidation itself.

Both say what they cost, how much there is, and which step makes the liquidation with the sales inside. What
is cheapest depends on the amount, and on the pools of the sale: so there may be several to try. A loan may be
of the collateral too, where nobody lends enough of the debt: it buys the debt before the liquidation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, Protocol

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.funding import Offer
from keeper.planner.calldata import Step
from keeper.ports import FlashSource

_MOST_RAW = 2**256 - 1


class Funding(Protocol):
    """One way to pay for a repay of one token."""

    @property
    def name(self) -> str: ...

    @property
    def gas(self) -> int:
        """Return about what it costs in gas, beyond what runs inside."""
        ...

    @property
    def locks(self) -> Address | None:
        """Return the pool that nothing can be sold into meanwhile, where there is one."""
        ...

    @property
    def of_collateral(self) -> bool:
        """Return whether it is the collateral that is lent, and not the debt token."""
        ...

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
    """A flash loan: first the money, then the liquidation and the sales within the lender's callback.

    Of the collateral: first the purchases, then the liquidation, which brings what is paid back.
    """

    lender: FlashSource
    offer: Offer
    executor: Address
    of_collateral: bool = False

    @property
    def name(self) -> str:
        return f"{self.lender.name}, of the collateral" if self.of_collateral else self.lender.name

    @property
    def gas(self) -> int:
        return self.lender.loan_gas

    @property
    def locks(self) -> Address | None:
        return self.offer.pool

    @property
    def available_raw(self) -> int:
        return self.offer.available_raw

    def fee_raw(self, amount_raw: int) -> int:
        return self.offer.fee_raw(amount_raw)

    def step(self, liquidation: ContractCall, *, amount_raw: int, sales: tuple[Step, ...]) -> Step:
        loan = self.lender.call(self.offer, amount_raw=amount_raw, executor=self.executor)
        payback = loan.callback.payback if loan.callback is not None else None
        paid = () if payback is None else (Step(call=payback),)
        if self.of_collateral:
            return Step(call=loan, inside=(*sales, Step(call=liquidation), *paid))
        return Step(call=loan, inside=(Step(call=liquidation), *sales, *paid))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCallback:
    """The liquidation's own callback: first the collateral, then the sales within, then the debt is taken."""

    @property
    def name(self) -> str:
        return "the liquidation's own callback"

    @property
    def of_collateral(self) -> bool:
        return False

    @property
    def gas(self) -> int:
        return 0

    @property
    def locks(self) -> Address | None:
        return None

    @property
    def available_raw(self) -> int:
        """Return more than anybody owes: nothing is lent, so nothing limits it."""
        return _MOST_RAW

    def fee_raw(self, amount_raw: int) -> int:
        return 0

    def step(self, liquidation: ContractCall, *, amount_raw: int, sales: tuple[Step, ...]) -> Step:
        return Step(call=liquidation, inside=sales)


def worth_trying(loans: Iterable[Funding], *, most_raw: int, gas_raw: Fraction) -> tuple[Funding, ...]:
    """Return what could be the cheapest for some amount up to `most_raw`, the cheapest of all of it first.

    `gas_raw` is what a unit of gas costs, in raw units of the token that is borrowed. One is left out where
    another has as much, or all that is needed, and costs no more whatever the amount: costs are linear in it,
    so both ends are compared.
    """
    wei, per = gas_raw.numerator, gas_raw.denominator

    def priced(one: Funding) -> _Priced:
        gas = one.gas * wei
        has_raw = min(one.available_raw, most_raw)
        return _Priced(gas + one.fee_raw(most_raw) * per, one.name, gas + one.fee_raw(1) * per, has_raw, one)

    kept: list[_Priced] = []
    for one in sorted([priced(loan) for loan in loans], key=lambda loan: loan[:2]):
        if one.has_raw > 0 and not any(other.beats(one) for other in kept):
            kept.append(one)
    return tuple([one.funding for one in kept])


class _Priced(NamedTuple):
    """A funding, and what it costs, gas included, on one scale for all."""

    whole: int
    """For the most that may be wanted."""
    name: str
    unit: int
    """For a unit."""
    has_raw: int
    """Of what may be wanted."""
    funding: Funding

    def beats(self, other: _Priced) -> bool:
        """Return whether it has as much, and costs no more whatever the amount."""
        return self.has_raw >= other.has_raw and self.unit <= other.unit and self.whole <= other.whole
