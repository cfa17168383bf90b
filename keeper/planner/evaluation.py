"""One size of one close, exactly: what moves, what is bought and sold, and what it brings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from keeper.domain.address import Address
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Flow, Pool, Route
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.plan import Waterfall
from keeper.domain.position import Settlement, Terms
from keeper.planner.parallel import Depth, buy_split, sell_split

_WORTHLESS, _ITSELF = Fraction(0), Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One pair with its funding and its routes: all that a size is chosen for.

    Where the debt is the wrapped native token nothing is bought: everything is sold, and the debt paid out of
    it; unless it is the collateral that is lent. Nor is anything bought where both are one token.
    """

    terms: Terms
    pools: Mapping[Address, Pool]
    buys: tuple[Route, ...]
    """Collateral to debt token, through parallel routes that share no pool."""
    sells: tuple[Route, ...]
    """Collateral to the wrapped native token, likewise; none where it is that."""
    wrapped_native: Address
    fee_raw: Callable[[int], int]
    """Gives the flash fee on a loan of so much."""
    available_raw: int
    """How much is lent: debt token, or collateral."""
    borrows_collateral: bool = False
    """Whether the collateral is lent. It buys the debt first; nothing of it is bought back."""
    slippage_bps: int = 0
    """By how much a purchase may become dearer: of the collateral so much more is borrowed."""
    gas: int = 0
    """About what its loan and its hops use of gas: it tells trades apart, and is in no profit."""

    @property
    def owes_native(self) -> bool:
        """Return whether the debt is the wrapped native token, and is paid out of what all is sold for."""
        return self.keeps_debt and not self.borrows_collateral

    @property
    def keeps_debt(self) -> bool:
        """Return whether debt token that is left is profit: it is the wrapped native token."""
        return self.terms.debt.address == self.wrapped_native

    def to_buy_raw(self, loan_raw: int) -> int:
        """Return how much debt token is to be bought for a repay of so much at most."""
        return loan_raw if self.borrows_collateral else loan_raw + self.fee_raw(loan_raw)

    @property
    def owes_collateral(self) -> bool:
        """Return whether the debt is the collateral's own token."""
        return self.terms.debt == self.terms.collateral


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What one size brings."""

    repay_raw: int
    settlement: Settlement
    flash_amount_raw: int
    """What is borrowed: the most that the repay may pull, or the most that this may cost in collateral."""
    flash_fee_raw: int
    """In what is borrowed."""
    buys: tuple[Flow, ...]
    """Debt token bought by exact output: loan and fee. None where nothing is bought."""
    sells: tuple[Flow, ...]
    """Collateral sold by exact input: what is left of it."""
    surplus_raw: int
    """Collateral that is left, to be sold or kept; below zero where buying costs more than is seized."""
    profit_wei: int
    """Wrapped native that reaches the vault, before gas and tip; a shortfall counts at the mid price."""
    pools_after: Mapping[Address, Pool]

    @property
    def bought_raw(self) -> int:
        """Return how much debt token is bought."""
        return sum(flow.amount_out_raw for flow in self.buys)

    @property
    def bought_for_raw(self) -> int:
        """Return how much collateral that costs."""
        return sum(flow.amount_in_raw for flow in self.buys)


def evaluate(trade: Trade, repay_raw: int, settlement: Settlement | None = None) -> Evaluation | Declined:
    """Return what repaying `repay_raw` brings, to the wei; Declined where loan or depth do not suffice.

    Debt token that was borrowed and not pulled counts as zero, unless it is the wrapped native token or the
    collateral, which reach the vault. `settlement` is what the repay moves, where that is known already.
    Raises ValueError outside the feasible set.
    """
    if settlement is None:
        settlement = trade.terms.settle(repay_raw)
    loan_raw = settlement.repaid_limit_raw
    to_buy_raw = trade.to_buy_raw(loan_raw)
    pools = Depth.of(trade.pools)
    buys: tuple[Flow, ...] = ()
    sells: tuple[Flow, ...] = ()
    surplus_raw = settlement.seized_raw
    if trade.buys:
        bought = buy_split(pools, trade.buys, to_buy_raw)
        if bought.exhausted:
            return Declined(reason=Reason.NO_ROUTE, detail=f"the pools do not hold {to_buy_raw}")
        buys, pools = bought.flows, pools.after(bought.after)
        surplus_raw -= bought.amount_in_raw
    if trade.borrows_collateral:
        most_raw, slippage_bps = settlement.seized_least_raw, trade.slippage_bps
        loan_raw = sum(dearest_raw(buys, most_raw=most_raw, slippage_bps=slippage_bps))
    if loan_raw > trade.available_raw:
        return Declined(reason=Reason.NO_FUNDING, detail=f"{trade.available_raw} of {loan_raw} are lent")
    fee_raw = trade.fee_raw(loan_raw)
    if trade.borrows_collateral:
        surplus_raw -= fee_raw
    elif trade.owes_collateral:
        surplus_raw -= settlement.repaid_raw + fee_raw

    profit_wei = surplus_raw
    if trade.sells and surplus_raw < 0:
        profit_wei = floor(surplus_raw * _mid_price(trade, trade.sells))
    elif trade.sells and surplus_raw > 0:
        sold = sell_split(pools, trade.sells, surplus_raw)
        if sold.exhausted:
            return Declined(reason=Reason.NO_ROUTE, detail=f"the pools do not take {surplus_raw}")
        sells, pools, profit_wei = sold.flows, pools.after(sold.after), sold.amount_out_raw
    if trade.owes_native and not trade.owes_collateral:
        profit_wei -= settlement.repaid_raw + fee_raw
    if trade.borrows_collateral and trade.keeps_debt:
        profit_wei += to_buy_raw - settlement.repaid_raw

    return Evaluation(
        repay_raw=repay_raw,
        settlement=settlement,
        flash_amount_raw=loan_raw,
        flash_fee_raw=fee_raw,
        buys=buys,
        sells=sells,
        surplus_raw=surplus_raw,
        profit_wei=profit_wei,
        pools_after=pools,
    )


def dearest_raw(buys: Sequence[Flow], *, most_raw: int, slippage_bps: int) -> tuple[int, ...]:
    """Return how much collateral each purchase may take: dearer by the slippage, `most_raw` in all at most.

    Where they cost more than that already, what they cost.
    """
    cost_raw = sum(flow.amount_in_raw for flow in buys)
    slack_raw = max(most_raw - cost_raw, 0)
    return tuple(
        raw + min(mul_div_up(raw, slippage_bps, BPS), slack_raw * raw // cost_raw)
        for raw in (flow.amount_in_raw for flow in buys)
    )


def waterfall(trade: Trade, evaluation: Evaluation) -> Waterfall:
    """Return how an evaluation's profit comes about, the gas left at 0.

    The bonus and the flash fee, each floored, are valued at the pools' mid prices before the sale:
    collateral along the first of the selling routes, debt back along the first of the buying ones. What is
    then missing to the profit is the price impact: slippage and the pools' fees, rounding, and what was
    borrowed and not pulled.
    """
    settlement = evaluation.settlement
    bonus_wei = value_wei(trade, collateral_raw=settlement.seized_raw, debt_raw=-settlement.repaid_raw)
    if trade.borrows_collateral:
        flash_fee_wei = value_wei(trade, collateral_raw=evaluation.flash_fee_raw)
    else:
        flash_fee_wei = value_wei(trade, debt_raw=evaluation.flash_fee_raw)
    return Waterfall(
        bonus_wei=bonus_wei,
        price_impact_wei=bonus_wei - flash_fee_wei - evaluation.profit_wei,
        flash_fee_wei=flash_fee_wei,
        gas_wei=0,
    )


def value_wei(trade: Trade, *, collateral_raw: int = 0, debt_raw: int = 0) -> int:
    """Return the worth of both amounts together, at the mid prices of the trade's pools, floored.

    An amount is worth nothing where a pool on its route is empty.
    """
    price = _mid_price(trade, trade.sells)
    if trade.owes_native:
        return floor(collateral_raw * price + debt_raw)
    debt_per_collateral = _mid_price(trade, trade.buys)
    if not debt_per_collateral:
        return floor(collateral_raw * price)
    # in ints: (collateral + debt / debt per collateral) * price
    bought, paid = debt_per_collateral.numerator, debt_per_collateral.denominator
    whole = (collateral_raw * bought + debt_raw * paid) * price.numerator
    return whole // (bought * price.denominator)


def _mid_price(trade: Trade, routes: Sequence[Route]) -> Fraction:
    """Return the price along the first of parallel routes, the best of them; one where there is none."""
    return (Depth.of(trade.pools).mid_price(routes[0]) or _WORTHLESS) if routes else _ITSELF
