"""Where a pool keeps what must be known of it: it moved as Aave V3 grew, apart from the arithmetic.

A layout is four answers to that; each one since the first is the one before, but for what moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

from keeper.abi import Function, load, uint
from keeper.domain.address import ZERO_ADDRESS, Address
from keeper.domain.errors import Broken
from keeper.erc20 import balance_of
from keeper.protocols.aave_v3.state import Configuration, EMode
from keeper.query import Call, Query, Reverted, ahead, attempt, both, read

_POOL = load("aave_v3_pool")
_RESERVE_DATA = _POOL.function("getReserveData")
_VIRTUAL_BALANCE = _POOL.function("getVirtualUnderlyingBalance")
_GRACE = _POOL.function("getLiquidationGracePeriod")
_CATEGORY = _POOL.function("getEModeCategoryData")
_E_MODE = _POOL.function("getEModeCategoryCollateralConfig")
_E_MODE_COLLATERAL = _POOL.function("getEModeCategoryCollateralBitmap")
_E_MODE_LTV_ZERO = _POOL.function("getEModeCategoryLtvzeroBitmap")

_E_MODES = range(1, 256)
"""Every id that a user's uint8 may name: the pool keeps no list of those that exist."""


class Kept(NamedTuple):
    """A reserve's token, and who holds the pool's own."""

    asset: Address
    a_token: Address


EModes: TypeAlias = Callable[[Address, Sequence[Address], Sequence[int] | None], Query[tuple[EMode, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one generation of pools is asked, for what they were not always asked alike."""

    e_modes: EModes
    """Given the pool and its tokens, the e-modes that are set up, in two rounds at most; in one where the ids
    are given that it can be."""
    cash: Callable[[Address, Sequence[Kept]], Query[tuple[int, ...]]]
    """Given the pool and its reserves, what each can pay out, in one round."""
    graces: Callable[[Address, Sequence[Address]], Query[tuple[int, ...]]]
    """Given the pool and its tokens, up to when nothing of each is liquidated, in one round."""
    has_sentinel: bool
    """Whether the pool asks the price oracle's sentinel, where the provider names one."""


# --- asking -------------------------------------------------------------------------------------------------


def _balances(pool: Address, reserves: Sequence[Kept]) -> Query[tuple[int, ...]]:
    """Return what the aTokens have. A token that can't say counts as none."""
    calls = [balance_of(one.asset, one.a_token) for one in reserves]
    found = yield from attempt(calls, uint)
    return tuple(0 if isinstance(one, Reverted) else one for one in found)


def _virtual_balances(pool: Address, reserves: Sequence[Kept]) -> Query[tuple[int, ...]]:
    return (yield from read(_calls(pool, _VIRTUAL_BALANCE, [one.asset for one in reserves]), uint))


def _no_grace(pool: Address, assets: Sequence[Address]) -> Query[tuple[int, ...]]:
    yield from ()
    return (0,) * len(assets)


def _graces(pool: Address, assets: Sequence[Address]) -> Query[tuple[int, ...]]:
    return (yield from read(_calls(pool, _GRACE, assets), uint))


def _categories(
    pool: Address, assets: Sequence[Address], ids: Sequence[int] | None
) -> Query[tuple[EMode, ...]]:
    """Return the e-modes where each reserve names the one that it is in.

    One that is priced by an oracle of its own, which no market ever had, raises Broken.
    """
    possible = _E_MODES if ids is None else ids
    categories, reserves = yield from both(
        attempt(_calls(pool, _CATEGORY, possible), _category), _listed(pool, assets)
    )
    used = [
        (id_, found)
        for id_, found in zip(possible, categories, strict=True)
        if not isinstance(found, Reverted) and any(found[:3])
    ]
    for id_, (*_, price_source) in used:
        if price_source != ZERO_ADDRESS:
            raise Broken(f"e-mode {id_} is priced by an oracle of its own")
    return tuple(
        EMode(
            id=id_,
            ltv_bps=ltv_bps,
            liquidation_threshold_bps=threshold_bps,
            liquidation_bonus_bps=bonus_bps,
            collateral_bitmap=_bitmap(one.id for one in reserves if one.e_mode == id_),
            ltv_zero_bitmap=_bitmap(one.id for one in reserves if one.ltv_bps == 0),
        )
        for id_, (ltv_bps, threshold_bps, bonus_bps, _) in used
    )


def _bitmaps(pool: Address, assets: Sequence[Address], ids: Sequence[int] | None) -> Query[tuple[EMode, ...]]:
    """Return the e-modes where each has a bitmap of its collaterals, and its loan-to-value is every one's.

    A reserve without a loan-to-value of its own has none in an e-mode either.
    """

    def covers(ids: Sequence[int]) -> Query[tuple[int, ...]]:
        return read(_calls(pool, _E_MODE_COLLATERAL, ids), uint)

    (used, reserves), _ = yield from both(
        both(_used(pool, ids), _listed(pool, assets)), ahead(covers(ids or ()))
    )
    covered = yield from covers([id_ for id_, _ in used])
    without_ltv = _bitmap(one.id for one in reserves if one.ltv_bps == 0)
    return _e_modes(used, covered, (without_ltv,) * len(used))


def _bitmaps_of_both(
    pool: Address, assets: Sequence[Address], ids: Sequence[int] | None
) -> Query[tuple[EMode, ...]]:
    """Return the e-modes where each also has a bitmap of those that are no collateral for new debt."""

    def covers(ids: Sequence[int]) -> Query[tuple[tuple[int, ...], tuple[int, ...]]]:
        collateral, ltv_zero = (_calls(pool, one, ids) for one in (_E_MODE_COLLATERAL, _E_MODE_LTV_ZERO))
        return both(read(collateral, uint), read(ltv_zero, uint))

    used, _ = yield from both(_used(pool, ids), ahead(covers(ids or ())))
    covered, without_ltv = yield from covers([id_ for id_, _ in used])
    return _e_modes(used, covered, without_ltv)


_Used: TypeAlias = tuple[int, tuple[int, int, int]]


def _used(pool: Address, ids: Sequence[int] | None) -> Query[tuple[_Used, ...]]:
    possible = _E_MODES if ids is None else ids
    found = yield from attempt(_calls(pool, _E_MODE, possible), _e_mode)
    return tuple(
        (id_, one)
        for id_, one in zip(possible, found, strict=True)
        if not isinstance(one, Reverted) and any(one)
    )


def _e_modes(used: Sequence[_Used], covered: Sequence[int], without_ltv: Sequence[int]) -> tuple[EMode, ...]:
    return tuple(
        EMode(
            id=id_,
            ltv_bps=ltv_bps,
            liquidation_threshold_bps=threshold_bps,
            liquidation_bonus_bps=bonus_bps,
            collateral_bitmap=collateral_bitmap,
            ltv_zero_bitmap=ltv_zero_bitmap,
        )
        for (id_, (ltv_bps, threshold_bps, bonus_bps)), collateral_bitmap, ltv_zero_bitmap in zip(
            used, covered, without_ltv, strict=True
        )
    )


# --- decoding -----------------------------------------------------------------------------------------------


class _Listed(NamedTuple):
    """What of a reserve's own configuration bears on e-modes."""

    id: int
    ltv_bps: int
    e_mode: int
    """The one that it is in, up to 3.1."""


def _listed(pool: Address, assets: Sequence[Address]) -> Query[tuple[_Listed, ...]]:
    return (yield from read(_calls(pool, _RESERVE_DATA, assets), _reserve))


def _reserve(answer: bytes) -> _Listed:
    (stored,) = _RESERVE_DATA.decode(answer)
    bitmap, id_ = stored[0], stored[7]
    return _Listed(id_, Configuration.unpack(bitmap).ltv_bps, bitmap >> 168 & 0xFF)


def _category(answer: bytes) -> tuple[int, int, int, Address]:
    ((ltv_bps, threshold_bps, bonus_bps, price_source, _),) = _CATEGORY.decode(answer)
    return ltv_bps, threshold_bps, bonus_bps, price_source


def _e_mode(answer: bytes) -> tuple[int, int, int]:
    ((ltv_bps, threshold_bps, bonus_bps),) = _E_MODE.decode(answer)
    return ltv_bps, threshold_bps, bonus_bps


def _calls(pool: Address, function: Function, arguments: Sequence[Any]) -> list[Call]:
    return [Call(pool, function.encode(argument)) for argument in arguments]


def _bitmap(ids: Iterable[int]) -> int:
    return sum(1 << id_ for id_ in ids)


# --- the layouts --------------------------------------------------------------------------------------------

V3_0 = Layout(e_modes=_categories, cash=_balances, graces=_no_grace, has_sentinel=True)
V3_1 = replace(V3_0, cash=_virtual_balances, graces=_graces)
V3_2 = replace(V3_1, e_modes=_bitmaps)
V3_6 = replace(V3_2, e_modes=_bitmaps_of_both)
V3_7 = replace(V3_6, has_sentinel=False)
