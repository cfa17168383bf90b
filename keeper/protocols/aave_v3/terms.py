"""One collateral against one debt: `Terms` for the planner, over whichever revision's arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall, Guard, Spend
from keeper.domain.declined import Declined, Reason
from keeper.domain.errors import Invariant
from keeper.domain.fixed_point import BPS, WAD, mul_div_down, mul_div_up
from keeper.domain.position import Cash, Interval, Settlement, Terms
from keeper.domain.search import smallest
from keeper.domain.token import Token, TokenAmount
from keeper.protocols.aave_v3.revision import (
    MAX_UINT,
    Close,
    Kind,
    Pair,
    Refusal,
    Remainder,
    Revision,
    Stretch,
)
from keeper.protocols.aave_v3.sequel import account_after

_LIQUIDATION_CALL = load("aave_v3_pool").function("liquidationCall")
_SCALED_BALANCE = load("aave_v3_scaled_token").function("scaledBalanceOf")

_GUARD_SLACK = 1_000
"""A guard lets a thousandth be gone: a rival closes more, and repaying one unit must not stop us."""


_WHOLE = {Kind.ALL_COLLATERAL_BY_CAP, Kind.ALL_DEBT}

_ROUNDINGS = 8
"""More units of either token than all the roundings of a close together are worth."""


class _Known:
    """What was computed of terms already: the same amounts are asked about again and again."""

    __slots__ = ("closes", "feasible", "late_closes", "settlements")

    def __init__(self) -> None:
        self.closes: dict[int, Close] = {}
        self.late_closes: dict[int, Close | Refusal] = {}
        self.settlements: dict[int, Settlement] = {}
        self.feasible: tuple[Interval, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveTerms:
    """The terms of one pair: a :class:`keeper.domain.position.Terms`."""

    revision: Revision
    pool: Address
    borrower: Address
    pair: Pair
    """At the time of the block that the liquidation is meant for."""
    late: Pair
    """The same pair at the deadline."""
    stretches: tuple[Stretch, ...]
    """What can be repaid: the revision's `feasible`, made `steady`."""
    as_a_token: bool = False
    """Whether the collateral is taken as aToken: then the reserve needs no cash."""
    _known: _Known = field(default_factory=_Known, init=False, compare=False, repr=False)

    # --- what is exchanged

    @property
    def collateral(self) -> Token:
        reserve = self.pair.collateral.reserve
        if self.as_a_token:
            return replace(reserve.token, address=reserve.a_token, symbol=f"a{reserve.token.symbol}")
        return reserve.token

    @property
    def debt(self) -> Token:
        return self.pair.debt.reserve.token

    @property
    def oracle_price(self) -> Fraction:
        collateral, debt = self.pair.collateral.reserve, self.pair.debt.reserve
        return Fraction(collateral.price_base * debt.unit_raw, debt.price_base * collateral.unit_raw)

    @property
    def oracle_unchanged_s(self) -> int | None:
        return None

    @property
    def funds_itself(self) -> bool:
        return False

    def value_base(self, amount: TokenAmount) -> int:
        is_debt = amount.token == self.debt
        reserve = self.pair.debt.reserve if is_debt else self.pair.collateral.reserve
        return mul_div_down(amount.raw, reserve.price_base, reserve.unit_raw)

    # --- how much

    @property
    def owed_raw(self) -> int:
        return self.pair.debt.raw

    @property
    def feasible(self) -> tuple[Interval, ...]:
        """Return the amounts that may be repaid, ascending and disjoint."""
        if self._known.feasible is None:
            self._known.feasible = self._joined()
        return self._known.feasible

    def _joined(self) -> tuple[Interval, ...]:
        """Return the stretches, those that touch as one."""
        joined: list[Interval] = []
        for stretch in self.stretches:
            least, most = stretch.least_raw, stretch.most_raw
            if joined and least <= joined[-1].most_raw + 1:
                touching = joined.pop()
                least, most = touching.least_raw, max(touching.most_raw, most)
            joined.append(Interval(least_raw=least, most_raw=most))
        return tuple(joined)

    def settle(self, repay_raw: int) -> Settlement:
        """Return what repaying `repay_raw` moves. Raises ValueError outside the feasible set."""
        known = self._known.settlements.get(repay_raw)
        if known is not None:
            return known
        close, late = self._close(repay_raw), self._late_close(repay_raw)
        latest = close if isinstance(late, Refusal) else late
        settlement = self._known.settlements[repay_raw] = Settlement(
            repaid_raw=close.repaid_raw,
            seized_raw=close.seized_raw,
            protocol_fee_raw=close.protocol_fee_raw,
            repaid_limit_raw=max(close.repaid_raw, latest.repaid_raw),
            seized_least_raw=min(close.seized_raw, latest.seized_raw),
            clears_debt=close.debt_scaled_after == 0,
            bad_debt_base=sum([deficit.base for deficit in close.deficits]),
        )
        return settlement

    def health_after_wad(self, repay_raw: int) -> int:
        """Return the health factor after repaying `repay_raw`. Raises ValueError outside the feasible set."""
        return self._remainder(repay_raw).health_factor_wad

    def repay_for_health(self, target_wad: int) -> int | None:
        """Return the smallest feasible repay that leaves at least `target_wad` of health, or None."""
        reaching = [self._reaching(stretch, target_wad) for stretch in self.stretches]
        return min((repay for repay in reaching if repay is not None), default=None)

    # --- how it is done

    def call(self, repay_raw: int) -> ContractCall:
        """Return the liquidation call; it approves as much as is owed if it runs as late as the deadline."""
        return ContractCall(
            target=self.pool,
            data=_LIQUIDATION_CALL.encode(
                self.pair.collateral.reserve.token.address,
                self.debt.address,
                self.borrower,
                self._debt_to_cover(repay_raw),
                self.as_a_token,
            ),
            spend=Spend(token=self.debt.address, amount_raw=self.settle(repay_raw).repaid_limit_raw),
        )

    def guards(self, repay_raw: int) -> tuple[Guard, ...]:
        """Return two reads: the borrower still owes, and still has, what the terms were computed from.

        Scaled balances do not grow with time: they fall by a repay, a withdrawal, or a rival's liquidation.
        """
        collateral, debt = self.pair.collateral, self.pair.debt
        return tuple(
            Guard(
                target=token,
                data=_SCALED_BALANCE.encode(self.borrower),
                word_index=0,
                least=scaled - scaled // _GUARD_SLACK,
                most=MAX_UINT,
            )
            for token, scaled in (
                (debt.reserve.debt_token, debt.scaled),
                (collateral.reserve.a_token, collateral.scaled),
            )
        )

    @property
    def cash(self) -> Cash | None:
        """Return the reserve's: it may be lent out. None where none is needed."""
        if self.as_a_token:
            return None
        reserve = self.pair.collateral.reserve
        return Cash(holder=reserve.a_token, raw=reserve.cash_raw)

    @property
    def shared_book(self) -> None:
        """Return None: within a block, indices and prices stay, whoever else is liquidated."""
        return None

    def behind(self, earlier: Terms, repay_raw: int) -> AaveTerms | Declined:
        """Return the terms after an earlier close: of the position as it is then, or with the cash then."""
        if not isinstance(earlier, AaveTerms) or earlier.pool != self.pool:
            return self
        if earlier.borrower == self.borrower:
            return self._after_own(earlier, repay_raw)
        if self.as_a_token:
            return self
        reserve, settlement = self.pair.collateral.reserve, earlier.settle(repay_raw)
        out_raw = settlement.seized_raw if earlier.pair.collateral.reserve.id == reserve.id else 0
        in_raw = settlement.repaid_raw if earlier.pair.debt.reserve.id == reserve.id else 0
        if out_raw == in_raw:
            return self
        left = replace(reserve, cash_raw=reserve.cash_raw + in_raw - out_raw)
        pair, late = (
            replace(one, collateral=replace(one.collateral, reserve=left)) for one in (self.pair, self.late)
        )
        return self._of(pair, late)

    def reopened(self) -> AaveTerms | None:
        """Return the terms cut to what leaves the position liquidatable, up to the deadline.

        Some units of the oracle's currency short of healing, for the protocol's roundings. None where nothing
        does; themselves where everything does.
        """
        late = self._of(self.late, self.late)
        open_raw = [one._open_up_to_raw() for one in (self, late) if isinstance(one, AaveTerms)]
        most_raw = min((raw for raw in open_raw if raw is not None), default=None)
        if most_raw is None:
            return self
        cut = [replace(one, most_raw=min(one.most_raw, most_raw)) for one in self.stretches]
        stretches = tuple(one for one in cut if one.least_raw <= one.most_raw and one.kind not in _WHOLE)
        return replace(self, stretches=stretches) if stretches else None

    # --- inside

    def _of(self, pair: Pair, late: Pair) -> AaveTerms | Declined:
        """Return the terms with this pair, now and late, in their place."""
        found = self.revision.feasible(pair)
        if isinstance(found, Refusal):
            reason = Reason.NO_CASH if found is Refusal.NO_CASH else Reason.DUST
            return Declined(reason=reason, detail=f"{found} after those before it")
        return replace(self, pair=pair, late=late, stretches=steady(found))

    def _after_own(self, earlier: AaveTerms, repay_raw: int) -> AaveTerms | Declined:
        """Return the terms of the same borrower's pair once an earlier close of theirs went through."""
        health_wad = earlier.health_after_wad(repay_raw)
        if health_wad >= WAD:
            detail = f"health factor {health_wad / 1e18:.4f} after the close before"
            return Declined(reason=Reason.HEALTHY, detail=detail)
        late = earlier._late_close(repay_raw)
        now = account_after(self.revision, earlier.pair, earlier._close(repay_raw))
        then = now if isinstance(late, Refusal) else account_after(self.revision, earlier.late, late)
        sides = {"collateral": self.pair.collateral.reserve, "debt": self.pair.debt.reserve}
        try:
            pairs = [self.revision.pair(account, **sides) for account in (now, then)]
        except LookupError:
            return Declined(reason=Reason.DUST, detail="nothing of it is left after the close before")
        return self._of(*pairs)

    def _debt_to_cover(self, repay_raw: int) -> int:
        """Return what to ask for: without bound where it clears the debt or takes all of the collateral.

        Both grow with time; a number would leave dust a second later. Raises ValueError outside the
        feasible set.
        """
        kinds = [one.kind for one in self.stretches if one.least_raw <= repay_raw <= one.most_raw]
        if not kinds:
            raise ValueError(f"{repay_raw} of {self.debt.symbol} is not among the amounts that may be repaid")
        return repay_raw if _WHOLE.isdisjoint(kinds) else MAX_UINT

    def _close(self, repay_raw: int) -> Close:
        known = self._known.closes.get(repay_raw)
        if known is not None:
            return known
        close = self.revision.close(
            self.pair, debt_to_cover=self._debt_to_cover(repay_raw), receive_a_token=self.as_a_token
        )
        if isinstance(close, Refusal) or close.repaid_raw != repay_raw:
            raise Invariant(f"repaying {repay_raw} was feasible, and came out as {close}")
        self._known.closes[repay_raw] = close
        return close

    def _late_close(self, repay_raw: int) -> Close | Refusal:
        """Return what the same call does at the deadline."""
        known = self._known.late_closes.get(repay_raw)
        if known is None:
            known = self._known.late_closes[repay_raw] = self.revision.close(
                self.late, debt_to_cover=self._debt_to_cover(repay_raw), receive_a_token=self.as_a_token
            )
        return known

    def _remainder(self, repay_raw: int) -> Remainder:
        return self.revision.remainder(self.pair, self._close(repay_raw))

    def _reaching(self, stretch: Stretch, target_wad: int) -> int | None:
        """Return the smallest repay of the stretch that reaches the target.

        What is left of the collateral's and of the debt's value can only fall as more is repaid. So what
        two amounts leave bounds the health between them; where the bound misses the target, nothing in
        between reaches it.
        """
        remainder = cache(self._remainder)

        def reaches(repay: int) -> bool:
            return remainder(repay).health_factor_wad >= target_wad

        def may_reach(least: int, most: int) -> bool:
            return self.revision.best_health_wad(remainder(least), remainder(most)) >= target_wad

        least = stretch.least_raw
        if not reaches(least):
            least = max(least, min(self._too_little_for(target_wad), stretch.most_raw))
        return smallest(least, stretch.most_raw, reaches, may_reach)

    def _open_up_to_raw(self) -> int | None:
        """Return up to which repay the position stays unhealthy; None where it does whatever is repaid."""
        collateral = self.pair.collateral
        if collateral.bonus_bps * collateral.threshold_bps >= BPS * BPS:  # the more, the worse: but cleared
            healed_raw = self.repay_for_health(WAD)
            return None if healed_raw is None else healed_raw - 1
        too_little_raw = self._too_little_for(WAD)
        return None if too_little_raw > self.stretches[-1].most_raw else too_little_raw - 1

    def _too_little_for(self, target_wad: int) -> int:
        """Return a repay that can't be above the smallest one reaching the target, and is close to it.

        In values, closing ``(target * debt - weighted collateral) / (target - bonus * threshold)`` reaches
        it; a few units of each token, the most that all the roundings come to, are taken off.
        """
        account, collateral, debt = self.pair.account, self.pair.collateral, self.pair.debt
        target = target_wad * BPS * BPS
        rate = target - collateral.bonus_bps * collateral.threshold_bps * WAD
        if rate <= 0:
            return 0
        unit_base = mul_div_up(debt.reserve.price_base, 1, debt.reserve.unit_raw)
        unit_base += mul_div_up(collateral.reserve.price_base, 1, collateral.reserve.unit_raw)
        missing = target * account.debt_base - account.threshold_base_bps * BPS * WAD
        missing -= _ROUNDINGS * unit_base * target
        return max(missing, 0) * debt.reserve.unit_raw // (rate * debt.reserve.price_base)


def steady(stretches: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """Return the stretches without those that only hold for a second.

    What takes all of the collateral by asking for it to the unit leaves dust as soon as the collateral has
    grown by one. Where more may be asked for, the cap takes as much, and its price keeps up.
    """
    capped = any(one.kind is Kind.ALL_COLLATERAL_BY_CAP for one in stretches)
    return tuple(one for one in stretches if not (capped and one.kind is Kind.ALL_COLLATERAL))


def with_cash(pair: Pair) -> Pair:
    """Return the pair as if its collateral's reserve had any amount of cash: an aToken needs none."""
    reserve = replace(pair.collateral.reserve, cash_raw=MAX_UINT)
    return replace(pair, collateral=replace(pair.collateral, reserve=reserve))
