"""Drafts: what is closed at which sizes, and the transaction that does it.

A draft is made of sized pairs, or of what the vault pays for and keeps; and of several borrowers' drafts one
that runs them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keeper.domain.observation import Observation
from keeper.domain.plan import Close, Draft, Objective, Transaction, Waterfall
from keeper.domain.position import Opportunity
from keeper.domain.surcharge import NO_SURCHARGE
from keeper.domain.token import TokenAmount
from keeper.planner.assembly import (
    Closing,
    Desk,
    Joining,
    carry_transaction,
    joined_transaction,
    transaction,
)
from keeper.planner.carrying import Carrying
from keeper.planner.costs import floor_wei, gas_limit, tip_wei, transaction_wei
from keeper.planner.options import PlannerOptions
from keeper.planner.pairs import Pair
from keeper.planner.sizing import Evaluation, waterfall
from keeper.ports import Carrier

_NOTHING_EARNED = Waterfall(bonus_wei=0, price_impact_wei=0, flash_fee_wei=0, gas_wei=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A draft, and what it was made from: pairs and their sizes, in the order that they are closed."""

    sized: tuple[tuple[Pair, Evaluation], ...]
    """None where it is carried."""
    draft: Draft
    carrying: Carrying | None = None
    """What is paid for by the vault, and kept there, instead."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Return the pairs, each as those before it leave it."""
        return tuple(pair for pair, _ in self.sized)

    @property
    def repaid_wei(self) -> int:
        """Return the worth of all that is repaid, at the pools' prices."""
        if self.carrying is not None:
            return self.carrying.size.paid_wei
        return sum(pair.repaid_wei(size) for pair, size in self.sized)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """Makes drafts, and tells what they cost."""

    desk: Desk
    options: PlannerOptions

    def draft(
        self,
        seen: Observation,
        opportunity: Opportunity,
        sized: Sequence[tuple[Pair, Evaluation]],
        objective: Objective,
        *,
        floor: int | None = None,
        transaction: Transaction | None = None,
    ) -> Drafted:
        """Return a draft of these sizes, with a floor and a transaction of their own unless given."""
        profit_wei = sum(size.profit_wei for _, size in sized)
        if floor is None:
            floor = floor_wei(profit_wei=profit_wei, options=self.options)
        flows = [flow for _, size in sized for flow in (*size.buys, *size.sells)]
        closes = tuple(self.close(pair, size, gas_wei=0) for pair, size in sized)
        draft = Draft(
            market=opportunity.market,
            borrower=opportunity.borrower,
            health_factor_wad=opportunity.health.health_factor_wad,
            objective=objective,
            closes=closes,
            funding=", then ".join(dict.fromkeys(pair.funding.name for pair, _ in sized)),
            waterfall=replace(
                sum((one.waterfall for one in closes[1:]), start=closes[0].waterfall),
                tip_wei=tip_wei(profit_wei=max(profit_wei, 0), options=self.options),
            ),
            pools=frozenset(hop.pool for flow in flows for hop in flow.route.hops),
            floor_wei=floor,
            deadline_s=seen.deadline_s,
            transaction=transaction or self._transaction(seen, sized, floor_wei=floor),
            caveat=opportunity.caveat,
        )
        return Drafted(sized=tuple(sized), draft=draft)

    def carried(
        self, seen: Observation, carrier: Carrier, opportunity: Opportunity, carrying: Carrying
    ) -> Drafted:
        """Return the draft of a close that the vault pays for: nothing of it is earned in its transaction."""
        terms, settlement = carrying.terms, carrying.size.settlement
        close = Close(
            repaid=TokenAmount(token=terms.debt, raw=settlement.repaid_raw),
            seized=TokenAmount(token=terms.collateral, raw=settlement.seized_raw),
            owed=TokenAmount(token=terms.debt, raw=terms.owed_raw),
            buys=(),
            sells=(),
            flash_fee=TokenAmount(token=terms.debt, raw=0),
            waterfall=_NOTHING_EARNED,
            health_factor_after_wad=terms.health_after_wad(carrying.size.repay_raw),
        )
        draft = Draft(
            market=opportunity.market,
            borrower=opportunity.borrower,
            health_factor_wad=opportunity.health.health_factor_wad,
            objective=Objective.MAX_PROFIT,
            closes=(close,),
            funding=carrier.name,
            waterfall=_NOTHING_EARNED,
            pools=frozenset({carrier.vault}),  # it is used up as a pool is: whoever counts on it waits
            floor_wei=0,
            deadline_s=seen.deadline_s,
            transaction=carry_transaction(
                self.desk, carrier, carrying, deadline_s=seen.deadline_s, options=self.options
            ),
            caveat=opportunity.caveat,
            carry=carrying.by(carrier.vault),
        )
        return Drafted(sized=(), draft=draft, carrying=carrying)

    def _transaction(
        self, seen: Observation, sized: Sequence[tuple[Pair, Evaluation]], *, floor_wei: int
    ) -> Transaction:
        return transaction(
            self.desk,
            _closings(sized),
            floor_wei=floor_wei,
            deadline_s=seen.deadline_s,
            options=self.options,
        )

    def close(self, pair: Pair, evaluation: Evaluation, *, gas_wei: int) -> Close:
        """Return one close of a draft, for so much gas."""
        terms = pair.terms
        before_tip = waterfall(pair.trade, evaluation)
        return Close(
            repaid=TokenAmount(token=terms.debt, raw=evaluation.settlement.repaid_raw),
            seized=TokenAmount(token=terms.collateral, raw=evaluation.settlement.seized_raw),
            owed=TokenAmount(token=terms.debt, raw=terms.owed_raw),
            buys=evaluation.buys,
            sells=evaluation.sells,
            flash_fee=TokenAmount(
                token=terms.collateral if pair.trade.borrows_collateral else terms.debt,
                raw=evaluation.flash_fee_raw,
            ),
            waterfall=Waterfall(
                bonus_wei=before_tip.bonus_wei,
                price_impact_wei=before_tip.price_impact_wei,
                flash_fee_wei=before_tip.flash_fee_wei,
                tip_wei=tip_wei(profit_wei=max(evaluation.profit_wei, 0), options=self.options),
                gas_wei=gas_wei,
            ),
            health_factor_after_wad=terms.health_after_wad(evaluation.repay_raw),
        )

    def joined(
        self, seen: Observation, opportunity: Opportunity, parts: Sequence[Drafted], gas_used: Sequence[int]
    ) -> Drafted:
        """Return several borrowers' drafts as one, whose transaction runs them in this order.

        `opportunity` is the first one's. One that fails then is left out, and the others run all the same:
        each with so much gas as it used by itself, and some more. So the floor is the lowest of theirs.
        """
        first, *others = [one.draft for one in parts]
        floor = min(one.floor_wei for one in (first, *others))
        made = self.draft(
            seen,
            opportunity,
            [size for one in parts for size in one.sized],
            first.objective,
            floor=floor,
            transaction=joined_transaction(
                self.desk,
                [
                    Joining(_closings(one.sized), gas_limit(gas))
                    for one, gas in zip(parts, gas_used, strict=True)
                ],
                floor_wei=floor,
                deadline_s=seen.deadline_s,
                options=self.options,
            ),
        )
        caveats = dict.fromkeys(one.caveat for one in (first, *others) if one.caveat)
        draft = replace(
            made.draft,
            caveat="; ".join(caveats),
            others=tuple(one.position for one in others),
            parts=(first, *others),
        )
        return replace(made, draft=draft)

    def cost_wei(self, seen: Observation, draft: Draft, gas_used: int) -> int:
        """Return what a draft's transaction costs in all, where it uses so much gas."""
        return transaction_wei(
            gas_used=gas_used,
            calldata=draft.transaction.data,
            block=seen.block,
            surcharge=seen.surcharge or NO_SURCHARGE,
            options=self.options,
        )


def _closings(sized: Iterable[tuple[Pair, Evaluation]]) -> list[Closing]:
    return [Closing(pair.terms, size, pair.funding) for pair, size in sized]
