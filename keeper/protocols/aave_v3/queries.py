"""What must be known of the chain: the market in three rounds, one round a head from then on, and one more
where it is read whole again; rows in two, or in one where it is known what they were.

What moved from one generation of pools to the next is asked for by a `Layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from keeper.abi import Function, load, uint
from keeper.domain.address import ZERO_ADDRESS, Address, address_of
from keeper.domain.token import Token
from keeper.erc20 import Said, said
from keeper.ports import Sourced
from keeper.protocols.aave_v3.events import Configured
from keeper.protocols.aave_v3.layout import Kept, Layout
from keeper.protocols.aave_v3.state import Configuration, EMode, Market, Reserve, Row, Scaled
from keeper.query import Call, Query, Reverted, ahead, attempt, both, read, read_one

_POOL = load("aave_v3_pool")
_PROVIDER = load("aave_v3_addresses_provider")
_PRICE = load("aave_v3_oracle").function("getAssetPrice")
_SOURCE_OF = load("aave_v3_oracle").function("getSourceOfAsset")
_SENTINEL_ALLOWS = load("aave_v3_sentinel").function("isLiquidationAllowed")
_SCALED_BALANCE = load("aave_v3_scaled_token").function("scaledBalanceOf")

_RESERVES_LIST = _POOL.function("getReservesList")
_RESERVE_DATA = _POOL.function("getReserveData")
_USER_CONFIGURATION = _POOL.function("getUserConfiguration")
_USER_E_MODE = _POOL.function("getUserEMode")
_USER_ACCOUNT_DATA = _POOL.function("getUserAccountData")

_WORD = 32


class _Listing(NamedTuple):
    """What is known of a reserve before its figures are read."""

    token: Token
    a_token: Address
    fault: str | None


class AccountData(NamedTuple):
    """What the pool's own view says of a borrower."""

    collateral_base: int
    debt_base: int
    health_factor_wad: int


class _Contracts(NamedTuple):
    """The contracts beside the pool."""

    provider: Address
    configurator: Address
    oracle: Address
    sentinel: Address | None


# --- the market ---------------------------------------------------------------------------------------------


def open_market(
    pool: Address, *, layout_of: Callable[[int], Layout], e_modes: Sequence[int] | None = None
) -> Query[Market]:
    """Return the market, read whole, with all its e-modes but where their ids are told.

    `layout_of` raises Broken where the pool's revision is not known.
    """
    (revision, provider), assets = yield from both(
        both(
            read_one(Call(pool, _POOL.function("POOL_REVISION").encode()), uint),
            read_one(Call(pool, _POOL.function("ADDRESSES_PROVIDER").encode()), _address),
        ),
        read_one(Call(pool, _RESERVES_LIST.encode()), _addresses),
    )
    layout = layout_of(revision)
    set_up, (contracts, reserves, allows) = yield from both(
        layout.e_modes(pool, assets, e_modes), _figures(pool, provider, assets, layout)
    )
    return _market(revision, contracts, reserves, allows, set_up)


def reopen_market(
    pool: Address, market: Market, told: Configured, *, layout_of: Callable[[int], Layout]
) -> Query[Market]:
    """Return the market, read whole again: in one round, where what it was tells all that is to be asked.

    That is so where nothing was listed since but what was `told`, and neither the pool's revision nor the
    contracts beside it are others.
    """
    layout = layout_of(market.revision)
    were = [Kept(reserve.token.address, reserve.a_token) for reserve in market.reserves.values()]
    kept = tuple({one.asset: one for one in (*were, *told.listed)}.values())
    assets = [one.asset for one in kept]
    e_modes = tuple(market.e_modes) if told.e_modes is None else told.e_modes
    contracts = _Contracts(market.provider, market.configurator, market.oracle, market.sentinel)
    guesses = both(
        both(both(_contracts(market.provider, layout), _allows(contracts)), _listings(pool, assets)),
        both(layout.e_modes(pool, assets, e_modes), _told(pool, market.oracle, kept, layout)),
    )
    reopened, _ = yield from both(
        open_market(pool, layout_of=layout_of, e_modes=told.e_modes), ahead(guesses)
    )
    return reopened


def refresh_market(pool: Address, market: Market, *, layout: Layout) -> Query[Market]:
    """Return the market with its figures as they are now, in one round.

    Who is listed, the e-modes and the contracts beside the pool stay as they were read.
    """
    contracts = _Contracts(market.provider, market.configurator, market.oracle, market.sentinel)
    listings = [
        _Listing(reserve.token, reserve.a_token, reserve.fault) for reserve in market.reserves.values()
    ]
    reserves, allows = yield from both(
        _reserves(pool, contracts.oracle, listings, layout), _allows(contracts)
    )
    return _market(market.revision, contracts, reserves, allows, tuple(market.e_modes.values()))


def _figures(
    pool: Address, provider: Address, assets: Sequence[Address], layout: Layout
) -> Query[tuple[_Contracts, tuple[Reserve, ...], bool]]:
    """Return the contracts beside the pool, the reserves, and whether the sentinel allows liquidations."""
    contracts, listings = yield from both(_contracts(provider, layout), _listings(pool, assets))
    reserves, allows = yield from both(
        _reserves(pool, contracts.oracle, listings, layout), _allows(contracts)
    )
    return contracts, reserves, allows


def _market(
    revision: int,
    contracts: _Contracts,
    reserves: Sequence[Reserve],
    allows: bool,
    e_modes: Sequence[EMode],
) -> Market:
    return Market(
        revision=revision,
        provider=contracts.provider,
        configurator=contracts.configurator,
        oracle=contracts.oracle,
        sentinel=contracts.sentinel,
        sentinel_allows=allows,
        reserves={reserve.id: reserve for reserve in reserves},
        e_modes={e_mode.id: e_mode for e_mode in e_modes},
    )


def price_call(oracle: Address, reserve: Reserve) -> Call:
    """Return the call by which the pool learns a reserve's price."""
    return Call(oracle, _PRICE.encode(reserve.token.address))


def read_sources(market: Market) -> Query[tuple[Sourced, ...]]:
    """Return which contract the oracle takes each reserve's price from, in one round."""
    reserves = tuple(market.reserves.values())
    asked = [Call(market.oracle, _SOURCE_OF.encode(one.token.address)) for one in reserves]
    sources = yield from attempt(asked, lambda answer: _address(answer) if len(answer) >= _WORD else None)
    return tuple(
        Sourced(
            call=price_call(market.oracle, one),
            source=ZERO_ADDRESS if isinstance(source, Reverted) or source is None else source,
            token=one.token,
            loan=None,
        )
        for one, source in zip(reserves, sources, strict=True)
    )


def _contracts(provider: Address, layout: Layout) -> Query[_Contracts]:
    names = ["getPoolConfigurator", "getPriceOracle"]
    names += ["getPriceOracleSentinel"] if layout.has_sentinel else []
    calls = [Call(provider, _PROVIDER.function(name).encode()) for name in names]
    configurator, oracle, *sentinels = yield from read(calls, _address)
    named = [sentinel for sentinel in sentinels if sentinel != ZERO_ADDRESS]
    return _Contracts(provider, configurator, oracle, named[0] if named else None)


def _allows(contracts: _Contracts) -> Query[bool]:
    """Return whether the sentinel allows liquidations; one that reverts does not."""
    calls = [] if contracts.sentinel is None else [Call(contracts.sentinel, _SENTINEL_ALLOWS.encode())]
    return all(not isinstance(one, Reverted) and one != 0 for one in (yield from attempt(calls, uint)))


# --- reserves -----------------------------------------------------------------------------------------------


def _reserves(
    pool: Address, oracle: Address, listings: Sequence[_Listing], layout: Layout
) -> Query[tuple[Reserve, ...]]:
    """Return the reserves' figures, in one round. One that the oracle reverts for is left unpriced."""
    kept = [Kept(one.token.address, one.a_token) for one in listings]
    (stored, cash), (graces, prices) = yield from _told(pool, oracle, kept, layout)
    return tuple(map(_reserve, listings, stored, cash, graces, prices))


_Told: TypeAlias = tuple[
    tuple[tuple[tuple[Any, ...], ...], tuple[int, ...]], tuple[tuple[int, ...], tuple[int | Reverted, ...]]
]
"""What is stored of each reserve, and its cash; up to when it is in grace, and its price."""


def _told(pool: Address, oracle: Address, kept: Sequence[Kept], layout: Layout) -> Query[_Told]:
    assets = [one.asset for one in kept]
    return both(
        both(read(_calls(pool, _RESERVE_DATA, assets), _stored), layout.cash(pool, kept)),
        both(layout.graces(pool, assets), attempt(_calls(oracle, _PRICE, assets), uint)),
    )


def _reserve(
    listing: _Listing, stored: tuple[Any, ...], cash_raw: int, grace_until_s: int, price: int | Reverted
) -> Reserve:
    bitmap, liquidity_index, liquidity_rate, debt_index, debt_rate, _, updated_at_s, id_ = stored[:8]
    debt_token = stored[10]
    return Reserve(
        id=id_,
        token=listing.token,
        a_token=listing.a_token,
        debt_token=debt_token,
        configuration=Configuration.unpack(bitmap),
        liquidity_index_ray=liquidity_index,
        liquidity_rate_ray=liquidity_rate,
        debt_index_ray=debt_index,
        debt_rate_ray=debt_rate,
        updated_at_s=updated_at_s,
        grace_until_s=grace_until_s,
        cash_raw=cash_raw,
        price_base=0 if isinstance(price, Reverted) else price,
        priced=not isinstance(price, Reverted),
        fault=listing.fault,
    )


def _listings(pool: Address, assets: Sequence[Address]) -> Query[tuple[_Listing, ...]]:
    """Return each reserve's token. One that can't say its decimals is kept, with that as its fault.

    The market goes on counting it by its own configuration, and so does this: positions that hold it keep
    their health; only liquidating into or out of it is left alone.
    """
    told, stored = yield from both(said(assets), read(_calls(pool, _RESERVE_DATA, assets), _stored))
    return tuple(_listing(asset, says, data) for asset, says, data in zip(assets, told, stored, strict=True))


def _listing(asset: Address, says: Said, stored: tuple[Any, ...]) -> _Listing:
    counted, a_token = Configuration.unpack(stored[0]).decimals, stored[8]
    fault = None
    if says.decimals is None:
        fault = "its decimals() fails"
    elif says.decimals != counted:
        fault = f"its decimals() says {says.decimals} where the market counts {counted}"
    return _Listing(Token(address=asset, symbol=says.symbol, decimals=counted), a_token, fault)


# --- borrowers ----------------------------------------------------------------------------------------------


def read_rows(
    pool: Address, market: Market, borrowers: Sequence[Address], were: Mapping[Address, Row]
) -> Query[tuple[Row, ...]]:
    """Return each borrower's row: first which reserves and e-mode, then the scaled balances of just those.

    Where it is known which reserves they `were` in, the balances there are asked for along with the first.
    """
    guessed = [call for borrower, row in were.items() for call in _balances(market, borrower, row)]
    (bitmaps, e_modes), balances = yield from both(
        both(
            read(_calls(pool, _USER_CONFIGURATION, borrowers), uint),
            read(_calls(pool, _USER_E_MODE, borrowers), uint),
        ),
        attempt(guessed, uint),
    )
    told = {call: raw for call, raw in zip(guessed, balances, strict=True) if not isinstance(raw, Reverted)}
    has = [_flagged(market, bitmap >> 1) for bitmap in bitmaps]
    owes = [_flagged(market, bitmap) for bitmap in bitmaps]
    calls = [
        _balance(token, borrower)
        for borrower, collaterals, debts in zip(borrowers, has, owes, strict=True)
        for token in (*(one.a_token for one in collaterals), *(one.debt_token for one in debts))
    ]
    untold = [call for call in calls if call not in told]
    told |= dict(zip(untold, (yield from read(untold, uint)), strict=True))
    scaled = iter([told[call] for call in calls])
    return tuple(
        Row(
            e_mode=e_mode,
            collaterals=tuple(Scaled(one.id, next(scaled)) for one in collaterals),
            debts=tuple(Scaled(one.id, next(scaled)) for one in debts),
        )
        for e_mode, collaterals, debts in zip(e_modes, has, owes, strict=True)
    )


def _balances(market: Market, borrower: Address, row: Row) -> Iterator[Call]:
    """Yield what asks for the balances that a row is made of, as far as its reserves are listed."""
    reserves = market.reserves
    yield from (
        _balance(reserves[one.reserve_id].a_token, borrower)
        for one in row.collaterals
        if one.reserve_id in reserves
    )
    yield from (
        _balance(reserves[one.reserve_id].debt_token, borrower)
        for one in row.debts
        if one.reserve_id in reserves
    )


def _balance(token: Address, borrower: Address) -> Call:
    return Call(token, _SCALED_BALANCE.encode(borrower))


def read_account_data(pool: Address, borrowers: Sequence[Address]) -> Query[tuple[AccountData | None, ...]]:
    """Return what the pool says of each borrower, in one round; None where its view reverts."""
    answers = yield from attempt(_calls(pool, _USER_ACCOUNT_DATA, borrowers), _account_data)
    return tuple(None if isinstance(answer, Reverted) else answer for answer in answers)


def _flagged(market: Market, bitmap: int) -> list[Reserve]:
    """Return the reserves whose even bit is set; what is not listed (any more) is passed over."""
    return [reserve for id_, reserve in market.reserves.items() if bitmap >> 2 * id_ & 1]


# --- decoding -----------------------------------------------------------------------------------------------


def _calls(to: Address, function: Function, arguments: Sequence[object]) -> list[Call]:
    return [Call(to, function.encode(argument)) for argument in arguments]


def _stored(answer: bytes) -> tuple[Any, ...]:
    (reserve,) = _RESERVE_DATA.decode(answer)
    return tuple(reserve)


def _account_data(answer: bytes) -> AccountData:
    collateral_base, debt_base, _, _, _, health_factor_wad = _USER_ACCOUNT_DATA.decode(answer)
    return AccountData(collateral_base, debt_base, health_factor_wad)


def _address(answer: bytes) -> Address:
    return address_of(uint(answer).to_bytes(_WORD, "big"))


def _addresses(answer: bytes) -> tuple[Address, ...]:
    (addresses,) = _RESERVES_LIST.decode(answer)
    return tuple(addresses)
