"""What the operator asks of the planner."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.plan import Objective
from keeper.domain.token_rules import ALL_ATOMIC, TokenRules
from keeper.ports import BidForm


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerOptions:
    """Sizes, minimums and limits. A ratio is in bps of what it is a ratio of."""

    objective: Objective = Objective.MAX_PROFIT
    max_close_keep_bps: int = 9_000
    """Of the maximal profit, for the largest close."""
    target_health_factor_wad: int = 1_020_000_000_000_000_000

    min_profit_wei: int = 1_000_000_000_000_000
    min_profit_gas_ratio_bps: int = 2_000
    """Of the gas at risk."""
    min_profit_bps: int = 0
    """Of the repay, valued at the pools' prices."""

    max_slippage_bps: int = 50
    """How much dearer than predicted a purchase may become before it reverts."""
    floor_tolerance_bps: int = 500
    """How much of the predicted profit may be missing before the executor reverts."""
    most_closes: int = 4
    """Of one borrower in one transaction."""
    exact_orders: int = 6
    """Of so many borrowers that share something the best order is found for certain."""
    most_joined: int = 1
    """Borrowers that one transaction may close, where nothing is behind a hash."""
    ladder_rungs: int = 2
    """How many smaller sizes are prepared beside a plan, each of half the repay of the one before."""
    max_oracle_divergence_bps: int = 500
    """Between the oracle's and the pools' price of a pair."""
    max_oracle_age_s: int = 86_400
    """An oracle that diverges and has not changed for so long is called stale."""

    max_fee_per_gas_wei: int = 300_000_000_000
    priority_fee_wei: int = 1_000_000_000
    tip_bps: int = 0
    """Of the measured profit, to the block's builder."""
    max_tip_wei: int = 0
    bid_form: BidForm = BidForm.NONE
    """How a learned bid is paid: in place of the tip, or on top of the priority fee."""
    bid_bps: int = 0
    """The share that is bid: of the measured profit to the coinbase, or of what is left after gas."""

    max_value_wei: int | None = None
    """The most that one liquidation may repay, by the pools' prices."""

    deny_borrowers: frozenset[Address] = frozenset()
    tokens: TokenRules = ALL_ATOMIC
    """The wrapped native token is at the end of every sale, whatever they say of it."""
    carry_haircut_bps: int | None = None
    """Taken off the oracle's price of what is carried and no pools buy; None where that is not carried."""
    intermediates: tuple[Address, ...] = ()
    """Tokens that a sale may hop through."""
