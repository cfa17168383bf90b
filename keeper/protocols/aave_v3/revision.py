"""What the arithmetic of one pool revision provides, and the values it speaks of.

Each revision is a package beside this module (``revision_10``), which implements `Revision` by its
functions. Revisions differ in rounding, in the accrual formula and in their rules; the shapes do not. What is
the same in two of them stands in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import NamedTuple, Protocol

from keeper.protocols.aave_v3.state import Market, Reserve, Row

MAX_UINT = 2**256 - 1


class Indices(NamedTuple):
    """A reserve's indices at one block time."""

    liquidity_ray: int
    debt_ray: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """What a borrower has of one reserve, as collateral, at one block time."""

    reserve: Reserve
    scaled: int
    index_ray: int
    raw: int
    base: int
    ltv_bps: int
    threshold_bps: int
    bonus_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What a borrower owes of one reserve at one block time."""

    reserve: Reserve
    scaled: int
    index_ray: int
    raw: int
    base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A borrower at one block time, everything accrued and valued."""

    at_s: int
    collaterals: tuple[Collateral, ...]
    debts: tuple[Debt, ...]
    collateral_base: int
    threshold_base_bps: int
    """The sum of each collateral's value times its threshold."""
    debt_base: int
    health_factor_wad: int
    unpriced: tuple[Reserve, ...]
    """Reserves that the oracle reverts for, counted as worth nothing; the pool reverts with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One collateral against one debt of an account."""

    account: Account
    collateral: Collateral
    debt: Debt
    limit_raw: int
    """The close factor's limit: no call repays more."""


class Refusal(StrEnum):
    """Why a liquidation reverts: the pool's error, by its name since 3.4, or the compiler's panic."""

    SELF_LIQUIDATION = "SelfLiquidation"
    RESERVE_INACTIVE = "ReserveInactive"
    RESERVE_PAUSED = "ReservePaused"
    SENTINEL = "PriceOracleSentinelCheckFailed"
    GRACE = "LiquidationGraceSentinelCheckFailed"
    HEALTHY = "HealthFactorNotBelowThreshold"
    NOT_COLLATERAL = "CollateralCannotBeLiquidated"
    NOT_BORROWED = "SpecifiedCurrencyNotBorrowedByUser"
    DUST = "MustNotLeaveDust"
    NOTHING_BURNED = "InvalidBurnAmount"
    NO_CASH = "Panic(0x11)"
    """Less cash in the collateral's reserve than is seized: what is available underflows."""
    ZERO_PRICE = "Panic(0x12)"
    """A price of zero is divided by."""
    NO_PRICE = "no price"
    """The oracle reverts, for its fallback does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deficit:
    """Debt of one reserve written off."""

    reserve: Reserve
    raw: int
    base: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """What one liquidation does."""

    repaid_raw: int
    seized_raw: int
    """What reaches the liquidator."""
    protocol_fee_raw: int
    collateral_scaled_after: int
    debt_scaled_after: int
    stays_collateral: bool
    """The rest of the collateral still counts as such."""
    clears_collateral: bool
    """No collateral of value is left in the whole position: all debt is burned."""
    deficits: tuple[Deficit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """What is left of the whole position after a close, at the same prices and time."""

    collateral_base: int
    threshold_base_bps: int
    debt_base: int
    health_factor_wad: int


class Kind(Enum):
    """What a stretch of repay amounts leaves."""

    PART = auto()
    """Enough of both sides."""
    ALL_COLLATERAL = auto()
    """Nothing of this collateral, by asking for what it costs to the unit."""
    ALL_COLLATERAL_BY_CAP = auto()
    """Nothing of this collateral, by asking for more: the pool takes all there is and lowers the repay."""
    ALL_DEBT = auto()
    """Nothing of this debt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Repay amounts that go through, all of one kind; both ends are included."""

    kind: Kind
    least_raw: int
    most_raw: int


class Revision(Protocol):
    """The arithmetic of one pool revision."""

    def accrue(self, reserve: Reserve, *, at_s: int) -> Indices:
        """Return the reserve's indices at `at_s`, not before its last update."""
        ...

    def account(self, market: Market, row: Row, *, at_s: int) -> Account:
        """Return the borrower's account at `at_s`."""
        ...

    def counts(self, reserve: Reserve) -> bool:
        """Return whether collateral of the reserve is looked at."""
        ...

    def collateral_raw(self, scaled: int, index_ray: int) -> int:
        """Return an aToken balance."""
        ...

    def collateral_base(self, raw: int, reserve: Reserve) -> int:
        """Return the value of collateral in the oracle's currency."""
        ...

    def debt_raw(self, scaled: int, index_ray: int) -> int:
        """Return what is owed."""
        ...

    def debt_base(self, raw: int, reserve: Reserve) -> int:
        """Return the value of debt in the oracle's currency."""
        ...

    def health_factor_wad(self, *, collateral_base: int, threshold_base_bps: int, debt_base: int) -> int:
        """Return the health factor; the largest uint without debt."""
        ...

    def least_threshold_bps(self, reserve: Reserve, threshold_bps: int) -> int:
        """Return the part of a collateral's threshold that the health factor is sure to count."""
        ...

    def refusal(
        self, market: Market, account: Account, *, collateral: Reserve, debt: Reserve
    ) -> Refusal | None:
        """Return why no liquidation of this pair goes through, whatever its size; None where one may."""
        ...

    def pair(self, account: Account, *, collateral: Reserve, debt: Reserve) -> Pair:
        """Return the pair. Raises LookupError where the account has not both."""
        ...

    def close(self, pair: Pair, *, debt_to_cover: int, receive_a_token: bool) -> Close | Refusal:
        """Return what a call with `debt_to_cover` does, or why it reverts."""
        ...

    def remainder(self, pair: Pair, close: Close) -> Remainder:
        """Return what is left of the whole position after `close`."""
        ...

    def best_health_wad(self, first: Remainder, last: Remainder) -> int:
        """Return a health factor that no repay between those of `first` and `last` leaves exceeded.

        Both are left by repaying one debt for one collateral, more of it in the `last`.
        """
        ...

    def feasible(self, pair: Pair) -> tuple[Stretch, ...] | Refusal:
        """Return every amount above zero that can be repaid, or why there is none."""
        ...
