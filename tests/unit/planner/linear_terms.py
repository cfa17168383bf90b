"""Terms in a few lines: a bonus on the oracle's price, a fee on the bonus, and dust rules that make holes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from keeper.domain.address import Address
from keeper.domain.calls import ContractCall, Guard, Spend
from keeper.domain.declined import Declined, Reason
from keeper.domain.fixed_point import BPS, WAD, mul_div_down, mul_div_half_up, mul_div_up
from keeper.domain.position import Cash, Interval, Settlement, Terms
from keeper.domain.token import Token, TokenAmount

_MARKET = Address(b"\x07" * 20)


@dataclass(frozen=True, kw_only=True)
class LinearTerms:
    """One collateral against one debt. Rounds where Aave V3.6 does, and leaves out its special cases."""

    collateral: Token
    debt: Token
    collateral_price_base: int
    debt_price_base: int
    balance_raw: int
    owed_raw: int
    bonus_bps: int
    """What is seized of what is repaid: 10,500 is a bonus of 5 %."""
    protocol_fee_bps: int = 1_000
    threshold_bps: int = 8_000
    dust_base: int = 1_000 * 10**8
    accrues_raw: int = 0
    """By how much the debt may grow up to the deadline."""
    cash: Cash | None = None
    shared_book: bytes | None = None

    @property
    def oracle_price(self) -> Fraction:
        return Fraction(
            self.collateral_price_base * self.debt.unit_raw, self.debt_price_base * self.collateral.unit_raw
        )

    @property
    def oracle_unchanged_s(self) -> int | None:
        return None

    @property
    def funds_itself(self) -> bool:
        return False

    def value_base(self, amount: TokenAmount) -> int:
        price_base = self.debt_price_base if amount.token == self.debt else self.collateral_price_base
        return amount.raw * price_base // amount.token.unit_raw

    @property
    def most_raw(self) -> int:
        """Return what clears the debt, or takes all the collateral."""
        value_raw = mul_div_down(
            self.balance_raw,
            self.collateral_price_base * self.debt.unit_raw,
            self.debt_price_base * self.collateral.unit_raw,
        )
        return min(self.owed_raw, mul_div_down(value_raw, BPS, self.bonus_bps))

    @cached_property
    def feasible(self) -> tuple[Interval, ...]:
        """Return what leaves neither debt nor collateral as dust, and the end, as far as there is cash."""
        if self.cash is None:
            return self._feasible
        low, high = 0, self.most_raw
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._gross_raw(middle) <= self.cash.raw else (low, middle - 1)
        within = ((one.least_raw, min(one.most_raw, low)) for one in self._feasible)
        return tuple(Interval(least_raw=a, most_raw=b) for a, b in within if a <= b)

    @property
    def _feasible(self) -> tuple[Interval, ...]:
        low, high = 0, self.most_raw - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._leaves_no_dust(middle) else (low, middle - 1)
        end = Interval(least_raw=self.most_raw, most_raw=self.most_raw)
        return (Interval(least_raw=1, most_raw=low), end) if low else (end,)

    def _leaves_no_dust(self, repay_raw: int) -> bool:
        left_debt = mul_div_up(self.owed_raw - repay_raw, self.debt_price_base, self.debt.unit_raw)
        left_collateral = mul_div_down(
            self.balance_raw - self._gross_raw(repay_raw),
            self.collateral_price_base,
            self.collateral.unit_raw,
        )
        return left_debt >= self.dust_base and left_collateral >= self.dust_base

    def _gross_raw(self, repay_raw: int) -> int:
        base_raw = mul_div_down(
            self.debt_price_base * repay_raw,
            self.collateral.unit_raw,
            self.collateral_price_base * self.debt.unit_raw,
        )
        return min(mul_div_half_up(base_raw, self.bonus_bps, BPS), self.balance_raw)

    def settle(self, repay_raw: int) -> Settlement:
        for interval in self.feasible:
            if interval.least_raw <= repay_raw <= interval.most_raw:
                break
        else:
            raise ValueError(f"{repay_raw} may not be repaid")
        gross_raw = self._gross_raw(repay_raw)
        bonus_raw = gross_raw - mul_div_half_up(gross_raw, BPS, self.bonus_bps)
        fee_raw = mul_div_half_up(bonus_raw, self.protocol_fee_bps, BPS)
        clears = repay_raw == self.owed_raw
        return Settlement(
            repaid_raw=repay_raw,
            seized_raw=gross_raw - fee_raw,
            protocol_fee_raw=fee_raw,
            repaid_limit_raw=repay_raw + (self.accrues_raw if clears else 0),
            seized_least_raw=gross_raw - fee_raw,
            clears_debt=clears,
            bad_debt_base=0,
        )

    def health_after_wad(self, repay_raw: int) -> int:
        left_raw = self.owed_raw - repay_raw
        if left_raw == 0:
            return 2**256 - 1
        kept_raw = self.balance_raw - self._gross_raw(repay_raw)
        weighed = kept_raw * self.collateral_price_base * self.threshold_bps * self.debt.unit_raw
        return weighed * WAD // (left_raw * self.debt_price_base * BPS * self.collateral.unit_raw)

    def repay_for_health(self, target_wad: int) -> int | None:
        for interval in self.feasible:
            low, high = interval.least_raw, interval.most_raw
            if self.health_after_wad(high) < target_wad:
                continue
            while low < high:
                middle = (low + high) // 2
                low, high = (
                    (low, middle) if self.health_after_wad(middle) >= target_wad else (middle + 1, high)
                )
            return low
        return None

    def call(self, repay_raw: int) -> ContractCall:
        return ContractCall(
            target=_MARKET,
            data=bytes(4) + repay_raw.to_bytes(32, "big"),
            spend=Spend(token=self.debt.address, amount_raw=self.settle(repay_raw).repaid_limit_raw),
        )

    def guards(self, repay_raw: int) -> tuple[Guard, ...]:
        return ()

    def reopened(self) -> None:
        return None

    def behind(self, earlier: Terms, repay_raw: int) -> LinearTerms | Declined:
        """Return the terms with as much cash as an earlier close leaves; its own heals the position."""
        if isinstance(earlier, LinearTerms) and replace(earlier, cash=self.cash) == self:
            return Declined(reason=Reason.HEALTHY, detail="its own close heals it")
        if self.cash is None or earlier.cash is None or earlier.cash.holder != self.cash.holder:
            return self
        cash_raw = self.cash.raw - earlier.settle(repay_raw).seized_raw
        if self._gross_raw(1) >= cash_raw:
            return Declined(reason=Reason.NO_CASH, detail=str(cash_raw))
        return replace(self, cash=Cash(self.cash.holder, cash_raw))
