"""What the commands tell a person or a machine: values, for :mod:`keeper.render` to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from keeper.domain.address import Address, Hash32
from keeper.domain.brake import Resumed, Tripped
from keeper.domain.declined import Declined
from keeper.domain.head import Head, NextBlock
from keeper.domain.ledger import Entry, Split, Watched
from keeper.domain.observation import Skipped
from keeper.domain.plan import Close, Decision, Objective
from keeper.domain.position import Currency, DeclinedPair, Health, Holding, Interval
from keeper.domain.race import Race
from keeper.domain.token import Token, TokenAmount

# --- scan ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Closable:
    """The most that may be closed of one pair now, whether or not it pays."""

    repaid: Holding
    seized: Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """One position, as its market sees it."""

    market: str
    borrower: Address
    health: Health
    currency: Currency
    """What its `_base` amounts count."""
    collateral: tuple[Holding, ...]
    debt: tuple[Holding, ...]
    closable: tuple[Closable, ...]
    """By pair, the largest repay first. Empty where the position is healthy, or nothing may be closed."""
    declined: tuple[DeclinedPair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """A token's price as it is not on the chain: what is supposed of it."""

    token: Token
    factor: Fraction
    """So many times what every market's oracle says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A price that moves because another token's does: they are made from the same feed."""

    market: str
    token: Token
    loan: Token | None
    """In what it is counted; None for the market's own currency."""
    factor: Fraction
    """So many times what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """The price of a token at which the next borrower of a market falls below health 1, and what moves it."""

    market: str
    borrower: Address
    token: Token
    change_bps: int
    """From the protocol's price, rounded toward zero; above zero where it rises: what is owed does."""
    price: str | None
    """In dollars for a whole token, None where the market counts in something else."""
    feed: str
    """The feed that moves it, as that calls itself."""
    feed_address: Address
    feed_change_bps: int
    """From its answer. More than `change_bps` where a cap lies between."""
    feed_answer: str
    """What it reports there, in its own unit."""
    moves_with: tuple[str, ...]
    """The market's other tokens that the same feed moves, by symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpredicted:
    """A price of which nothing can be foretold, since what it is made of is not known."""

    market: str
    token: Token
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """Every position under a health factor, the worst first."""

    head: Head
    below_wad: int
    borrowers: int
    """How many positions with debt were looked at."""
    rows: tuple[ScanRow, ...]
    skipped: tuple[Skipped, ...]
    supposed: tuple[Supposed, ...] = ()
    """The prices under which all this is told, where they are not the chain's."""
    followed: tuple[Followed, ...] = ()
    """What moves with the tokens that are `supposed`, without being named."""
    triggers: tuple[Trigger, ...] = ()
    """For each market, feed and token, from the chain's prices; none for a feed that lets nobody fall."""
    unpredicted: tuple[Unpredicted, ...] = ()
    """Prices that no trigger is told of, since what they are made of is not known."""


# --- plan ---------------------------------------------------------------------------------------------------

Size: TypeAlias = Close | Declined
"""What an objective makes of a pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lender:
    """One way to pay for a pair's most profitable size."""

    name: str
    borrowed: TokenAmount
    """What has to be borrowed: of the debt, or of the collateral, which buys it."""
    available_raw: int
    """How much of it is lent."""
    fee_raw: int
    """For what has to be borrowed."""
    gas: int
    """About what it costs in gas, beyond what runs inside."""
    sold_into: bool
    """Whether it lends from a pool that the sale passes through, and that is locked meanwhile."""
    taken: bool

    @property
    def would_do(self) -> bool:
        """Return whether it could pay for that size."""
        return self.available_raw >= self.borrowed.raw and not self.sold_into


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport:
    """One collateral against one debt: what may be repaid, and what each objective would."""

    collateral: Token
    debt: Token
    feasible: tuple[Interval, ...]
    lenders: tuple[Lender, ...]
    """Who could pay for the most profitable size, the one that is taken first; none where there is none."""
    max_profit: Size
    max_close: Size
    restore_health: Size

    def size(self, objective: Objective) -> Size:
        """Return what an objective makes of this pair."""
        sizes: Mapping[Objective, Size] = {
            Objective.MAX_PROFIT: self.max_profit,
            Objective.MAX_CLOSE: self.max_close,
            Objective.RESTORE_HEALTH: self.restore_health,
        }
        return sizes[objective]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One size, and what it would bring after tip and gas."""

    repay_raw: int
    net_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What each size of one pair would bring, through the same routes and on the same funding."""

    collateral: Token
    debt: Token
    owed_raw: int
    """All that the borrower owes of this debt."""
    funding: str
    feasible: tuple[Interval, ...]
    stretches: tuple[tuple[CurvePoint, ...], ...]
    """For each interval of `feasible` its sizes, ascending; those that can't be carried out are left out."""
    gas_wei: int | None
    """What is taken off for gas; None where no simulation told it: then all is before gas."""
    best: CurvePoint
    chosen: CurvePoint | None
    """What is to be sent; None where nothing is."""
    break_even: tuple[CurvePoint, ...]
    """The smallest size that pays and the largest, where a smaller and a larger one would lose."""
    restore_health: CurvePoint | None
    """The smallest that brings the position to the target; None where none does."""
    half: CurvePoint | None
    """Half of the debt; None where that may not be repaid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPosition:
    """Another position of the same borrower's, which is not the one explained."""

    market: str
    health_factor_wad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReport:
    """One borrower's decision, with everything that led to it."""

    head: Head
    block: NextBlock
    market: str
    borrower: Address
    health: Health
    currency: Currency
    """What its `_base` amounts count."""
    native: Token
    """The wrapped native token, which waterfalls are counted in."""
    objective: Objective
    pairs: tuple[PairReport, ...]
    declined: tuple[DeclinedPair, ...]
    """Pairs that the protocol's state rules out."""
    symbols: Mapping[Address, str]
    """Of every token that a route touches."""
    decision: Decision | None
    """None where the position is healthy: there is nothing to decide."""
    others: tuple[OtherPosition, ...] = ()
    """The worst first."""
    curve: Curve | None = None
    """Of the pair that was chosen, or came nearest; None where it was not asked for, or there is none."""


# --- deploy -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployReport:
    """The executor and the vault, deployed."""

    chain_id: int
    chain_name: str
    owner: Address
    operator: Address
    executor: Address
    vault: Address
    transactions: tuple[Hash32, ...]
    cost_wei: int
    """What the deployment paid for gas."""


# --- report -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """What was sent and landed within a day, or in a protocol."""

    name: str
    included: int
    reverted: int
    predicted: Split
    """Of what was included."""
    realised: Split
    """Of all that landed: what reverted cost its gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedRow:
    """All that was spent of one token on another that is carried."""

    times: int
    paid: TokenAmount
    received: TokenAmount
    paid_wei: int
    """What it cost then, in the native coin."""
    booked_wei: int
    """What was received was worth then, at the lower of the oracle's price and of what pools gave for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """Predicted against realised."""

    since_s: int
    entries: tuple[Entry, ...]
    """Everything that was intended, oldest first."""
    days: tuple[LedgerRow, ...]
    protocols: tuple[LedgerRow, ...]
    total: LedgerRow
    carried: tuple[CarriedRow, ...] = ()
    """What the vault paid and kept, in none of the sums above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRow:
    """The races that were lost for one reason."""

    verdict: str
    races: int
    median_ms_ahead: int | None
    """How long before its end the position was seen."""
    median_outbid_by_wei: int
    """For each unit of gas."""
    foregone_wei: int
    """What the plans for them were predicted to net."""
    winners_gas_wei: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LostReport:
    """What others liquidated, and why this keeper did not."""

    since_s: int
    races: tuple[Race, ...]
    rows: tuple[LostRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleReport:
    """How much was watched, and why nothing more came of it."""

    since_s: int
    watched: Watched
    declined: tuple[tuple[str, int], ...]
    """By reason, at each head anew; the most frequent first."""
    included: int
    turns: tuple[Tripped | Resumed, ...]


# --- check --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """One thing that must hold before the keeper can work."""

    name: str
    ok: bool
    detail: str
    """What was found."""
    advice: str = ""
    """What to do about it, where it is not ok."""
