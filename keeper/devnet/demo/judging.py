"""Judging the keeper's decisions by what the referee finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.devnet.demo.following import Decision
from keeper.devnet.demo.referee import FULL_BPS, HALF_BPS, Attempt, Block, Pending, Position, Referee
from keeper.devnet.demo.report import Comparison, Overlooked
from keeper.devnet.demo.stage import MIN_PROFIT_GAS_RATIO_BPS, MIN_PROFIT_WEI, PRIORITY_FEE_WEI
from keeper.domain.address import Address
from keeper.domain.declined import Reason
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Plan
from keeper.domain.position import PositionId

_LIMITS = frozenset(
    {
        *(Reason.DENIED, Reason.BASE_FEE, Reason.DIVERGENCE, Reason.STALE_ORACLE, Reason.BELOW_MINIMUM),
        Reason.ODDS,
        *(Reason.BAD_DEBT, Reason.IN_FLIGHT, Reason.BACKING_OFF),
    }
)
"""Reasons that are limits which the operator has stated, or the keeper states of itself: it leaves alone what
leaves more bad debt than it wins. A transaction in flight is one for a block: its pools are spoken for, and
at the next block the referee looks again. So it is with whom a plan has just failed for: the keeper waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Holds the keeper to what could have been done in the block that a decision was for."""

    referee: Referee
    operator: Address
    symbols: Mapping[Address, str]

    def overlooked(
        self, unhealthy: Sequence[Position], decision: Decision, block: Block
    ) -> tuple[Overlooked, ...]:
        """Return what would have paid, and was neither pursued nor declined for a stated limit.

        What pays alone must also pay behind what the keeper sends in the same block: no depth is sold twice.
        """
        settled = {plan.draft.position for plan in decision.plans}
        settled |= {position for position, why in decision.left.items() if why.reason in _LIMITS}
        left = [one for one in unhealthy if one.id not in settled]
        alone = self._paying(left, block, after=())
        behind = self._paying(
            [one for one in left if one.id in alone], block, after=self._pending(decision.plans)
        )
        return tuple(
            Overlooked(
                block_number=block.number,
                position=position,
                collateral=attempt.collateral,
                debt=attempt.debt,
                net_wei=attempt.net_wei(_gas_price_wei(block)),
                why=decision.left.get(position),
            )
            for position, attempt in behind.items()
        )

    def comparisons(self, decision: Decision, block: Block) -> tuple[Comparison, ...]:
        """Return, for each plan that was sent, what a plain half and a full close would have left there."""
        pending = self._pending(decision.plans)
        return tuple(
            Comparison(
                half_wei=self._instead(plan, HALF_BPS, block, pending[:place]),
                full_wei=self._instead(plan, FULL_BPS, block, pending[:place]),
            )
            for place, plan in enumerate(decision.plans)
        )

    def _instead(self, plan: Plan, share_bps: int, block: Block, after: Sequence[Pending]) -> int | None:
        """Return what closing that share of the same pair would have left after gas, None where refused."""
        close, price_wei = plan.draft.close, _gas_price_wei(block)
        attempt = self.referee.close(
            plan.draft.position,
            self.symbols[close.seized.token.address],
            self.symbols[close.repaid.token.address],
            share_bps=share_bps,
            block=block,
            after=after,
            gas_price_wei=price_wei,
        )
        return attempt.net_wei(price_wei) if attempt else None

    def _paying(
        self, positions: Sequence[Position], block: Block, *, after: Sequence[Pending]
    ) -> Mapping[PositionId, Attempt]:
        """Return the best full close of each position, where it clears the minimums that are stated."""
        price_wei = _gas_price_wei(block)
        closes = self.referee.full_closes(positions, block, after=after)
        best = {who: max(tried, key=lambda one: one.net_wei(price_wei)) for who, tried in closes.items()}
        return {position: attempt for position, attempt in best.items() if _pays(attempt, price_wei)}

    def _pending(self, plans: Sequence[Plan]) -> tuple[Pending, ...]:
        calls = (plan.draft.transaction for plan in plans)
        return tuple(Pending(sender=self.operator, to=call.to, data=call.data) for call in calls)


def _gas_price_wei(block: Block) -> int:
    """Return what the keeper pays for a unit of gas in that block."""
    return block.base_fee_wei + PRIORITY_FEE_WEI


def _pays(attempt: Attempt, gas_price_wei: int) -> bool:
    gas_wei = attempt.gas_used * gas_price_wei
    least_wei = max(MIN_PROFIT_WEI, gas_wei * MIN_PROFIT_GAS_RATIO_BPS // BPS)
    return attempt.net_wei(gas_price_wei) >= least_wei
