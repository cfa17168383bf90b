"""What a borrower's pairs would bring: three sizes of each, and a curve, for a person to look at.

Decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.declined import Declined
from keeper.domain.observation import Observation
from keeper.domain.plan import Close, Decision, Draft, Objective, Plan
from keeper.domain.position import Terms
from keeper.domain.report import Curve, Lender, PairReport
from keeper.planner.costs import tip_wei
from keeper.planner.curve import curve
from keeper.planner.drafting import Drafted, Drafter
from keeper.planner.lenders import lenders
from keeper.planner.pairs import Key, Pair, key_of
from keeper.planner.proposal import Proposal
from keeper.planner.sizing import Evaluation, evaluate


@dataclass(frozen=True, slots=True)
class Explainer:
    """Tells of pairs as a drafter would close them."""

    drafter: Drafter

    def explain(
        self, seen: Observation, proposal: Proposal, gas_used: Mapping[Draft, int | Declined]
    ) -> tuple[PairReport, ...]:
        """Return every pair with the three sizes, each with its gas where that is known."""
        drafts = _by_pair(proposal)

        def sizes(terms: Terms, pair: Pair | Declined, objective: Objective) -> Close | Declined:
            if isinstance(pair, Declined):
                return pair
            drafted = drafts.get(key_of(terms))
            gas = gas_used.get(drafted.draft) if drafted else 0
            if isinstance(gas, Declined):
                return gas
            gas_wei = self.drafter.cost_wei(seen, drafted.draft, gas) if drafted and gas else 0
            evaluation = pair.size(objective, gas_wei=gas_wei, options=self.drafter.options)
            if isinstance(evaluation, Declined):
                return evaluation
            return self.drafter.close(pair, evaluation, gas_wei=gas_wei)

        return tuple(
            PairReport(
                collateral=terms.collateral,
                debt=terms.debt,
                feasible=terms.feasible,
                lenders=self._lenders(seen, pair),
                max_profit=sizes(terms, pair, Objective.MAX_PROFIT),
                max_close=sizes(terms, pair, Objective.MAX_CLOSE),
                restore_health=sizes(terms, pair, Objective.RESTORE_HEALTH),
            )
            for terms, pair in zip(proposal.opportunity.terms, proposal.pairs, strict=True)
        )

    def _lenders(self, seen: Observation, pair: Pair | Declined) -> tuple[Lender, ...]:
        fundings = pair if isinstance(pair, Declined) else self.drafter.desk.fundings(pair.terms, seen.offers)
        return () if isinstance(pair, Declined) or isinstance(fundings, Declined) else lenders(pair, fundings)

    def curve(
        self,
        seen: Observation,
        proposal: Proposal,
        gas_used: Mapping[Draft, int | Declined],
        decision: Decision,
    ) -> Curve | None:
        """Return the curve of the pair that is planned, else of the one that came nearest, or None."""
        sized = [pair for pair in proposal.pairs if isinstance(pair, Pair)]
        if not sized:
            return None
        drafts = _by_pair(proposal)
        earns = isinstance(decision, Plan) and decision.draft.carry is None
        closes = decision.draft.closes if isinstance(decision, Plan) and earns else ()
        planned = closes[0] if len(closes) == 1 else None
        tokens = planned and (planned.seized.token.address, planned.repaid.token.address)
        pair = max(sized, key=lambda one: (one.key == tokens, one.best.profit_wei))
        drafted = drafts.get(pair.key)
        gas = gas_used.get(drafted.draft) if drafted else None
        chosen = evaluate(pair.trade, planned.repaid.raw) if planned else None
        costs_wei = self.drafter.cost_wei
        return curve(
            pair,
            gas_wei=costs_wei(seen, drafted.draft, gas) if drafted and isinstance(gas, int) else None,
            target_wad=self.drafter.options.target_health_factor_wad,
            chosen=chosen if isinstance(chosen, Evaluation) else None,
            tip_wei=lambda profit_wei: tip_wei(profit_wei=profit_wei, options=self.drafter.options),
        )


def _by_pair(proposal: Proposal) -> Mapping[Key, Drafted]:
    """Return the drafts of one close by what they close: they tell its gas."""
    return {one.pairs[0].key: one for one in proposal.drafts if len(one.pairs) == 1}
