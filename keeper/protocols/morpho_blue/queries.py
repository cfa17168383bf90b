"""What must be known of the chain: who is listed, and at each head the figures of the markets in use.

A quiet head is one round: each market's totals, its oracle's price, and its rate for the totals that were
known. Where the totals turn out to be others, the rate is asked for again. A market whose oracle or rate
model reverts is left without a price or a rate; no other notices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from keeper.abi import load, uint
from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.token import Token
from keeper.erc20 import Said, said
from keeper.ports import Sourced
from keeper.protocols.morpho_blue.state import IsolatedMarket, Listing, Position, Totals
from keeper.query import Call, Query, Reverted, attempt, both, read, read_one

_MORPHO = load("morpho_blue")
_OWNER = _MORPHO.function("owner")
_MARKET = _MORPHO.function("market")
_POSITION = _MORPHO.function("position")
_PARAMS = _MORPHO.function("idToMarketParams")
_PRICE = load("morpho_oracle").function("price")
_PRICE_DATA = _PRICE.encode()
_RATE = load("morpho_irm").function("borrowRateView")
_WORD = 32

_Params: TypeAlias = tuple[Address, Address, Address, Address, int]
"""Loan token, collateral token, oracle, rate model, and the limit of loan to value, as a wad."""


def recognise(morpho: Address) -> Query[None]:
    """Return where it is a Morpho. Raises Broken where it answers otherwise than one."""
    yield from both(
        read_one(Call(morpho, _OWNER.encode()), uint),
        both(
            read_one(Call(morpho, _MARKET.encode(bytes(32))), _totals),
            read_one(Call(morpho, _PARAMS.encode(bytes(32))), _params),
        ),
    )


# --- listings -----------------------------------------------------------------------------------------------


def read_listings(morpho: Address, ids: Sequence[Hash32]) -> Query[tuple[Listing, ...]]:
    """Return what each market is made of, in two rounds. Ids that were never created are left out."""
    made_of = yield from _read_params(morpho, ids)
    created = [(id_, params) for id_, params in zip(ids, made_of, strict=True) if params[0] != ZERO_ADDRESS]
    tokens = sorted({token for _, params in created for token in params[:2]})
    told = dict(zip(tokens, (yield from said(tokens)), strict=True))
    return tuple(_listing(id_, params, told[params[0]], told[params[1]]) for id_, params in created)


def _read_params(morpho: Address, ids: Sequence[Hash32]) -> Query[tuple[_Params, ...]]:
    return read([Call(morpho, _PARAMS.encode(id_)) for id_ in ids], _params)


def _listing(id_: Hash32, params: _Params, loan: Said, collateral: Said) -> Listing:
    """Return a listing. A token that can't say its decimals is counted in raw units, and left alone."""
    loan_token, collateral_token, oracle, irm, lltv_wad = params
    silent = [one.symbol for one in (loan, collateral) if one.decimals is None]
    return Listing(
        id=id_,
        loan=Token(address=loan_token, symbol=loan.symbol, decimals=loan.decimals or 0),
        collateral=Token(
            address=collateral_token, symbol=collateral.symbol, decimals=collateral.decimals or 0
        ),
        oracle=oracle,
        irm=irm,
        lltv_wad=lltv_wad,
        fault=f"decimals() of {', '.join(silent)} fails" if silent else None,
    )


# --- figures ------------------------------------------------------------------------------------------------


def read_whole(
    morpho: Address, markets: Sequence[IsolatedMarket], *, at_s: int | None
) -> Query[tuple[IsolatedMarket, ...]]:
    """Return the markets as they are now, in two rounds: which are in use, then the figures of those."""
    totals = yield from read_totals(morpho, [one.listing.id for one in markets])
    retold = [replace(one, totals=each) for one, each in zip(markets, totals, strict=True)]
    live = iter((yield from read_figures(morpho, [one for one in retold if one.is_live], at_s=at_s)))
    return tuple(next(live) if one.is_live else one for one in retold)


def read_totals(morpho: Address, ids: Sequence[Hash32]) -> Query[tuple[Totals, ...]]:
    """Return each market's totals, in one round."""
    return read([Call(morpho, _MARKET.encode(id_)) for id_ in ids], _totals)


def read_figures(
    morpho: Address, markets: Sequence[IsolatedMarket], *, at_s: int | None
) -> Query[tuple[IsolatedMarket, ...]]:
    """Return the markets as they are now: in one round, two where totals have changed."""
    (totals, prices), rates = yield from both(
        both(
            read_totals(morpho, [one.listing.id for one in markets]),
            attempt([price_call(one.listing.oracle) for one in markets], _number),
        ),
        _rates([(one.listing, one.totals) for one in markets]),
    )
    changed = [place for place, one in enumerate(markets) if totals[place] != one.totals]
    again = yield from _rates([(markets[place].listing, totals[place]) for place in changed])
    by_place = dict(enumerate(rates)) | dict(zip(changed, again, strict=True))
    return tuple(
        _figured(market, totals[place], by_place[place], prices[place], at_s)
        for place, market in enumerate(markets)
    )


def read_first_figures(morpho: Address, ids: Sequence[Hash32]) -> Query[None]:
    """Ask, in two rounds, what `read_whole` will of markets of which no more is known than their ids."""
    made_of, totals = yield from both(_read_params(morpho, ids), read_totals(morpho, ids))
    prices = [price_call(oracle) for _, _, oracle, _, _ in made_of]
    rates = [
        _rate_call(params, each)
        for params, each in zip(made_of, totals, strict=True)
        if params[3] != ZERO_ADDRESS
    ]
    yield from both(attempt(prices, _number), attempt(rates, _number))


def _figured(
    market: IsolatedMarket,
    totals: Totals,
    rate_wad: int | None,
    answer: int | Reverted | None,
    at_s: int | None,
) -> IsolatedMarket:
    price = _or_none(answer)
    seen_before = price is not None and price == market.price
    return IsolatedMarket(
        listing=market.listing,
        totals=totals,
        rate_wad=rate_wad,
        price=price,
        priced_at_s=market.priced_at_s if seen_before else at_s,
    )


def _rates(markets: Sequence[tuple[Listing, Totals]]) -> Query[tuple[int | None, ...]]:
    """Return what each rate model says of these totals: 0 where there is none, None where it reverts."""
    paying = [(listing, totals) for listing, totals in markets if listing.irm != ZERO_ADDRESS]
    calls = [_rate_call(listing.params, totals) for listing, totals in paying]
    answers = iter((yield from attempt(calls, _number)))
    return tuple(0 if listing.irm == ZERO_ADDRESS else _or_none(next(answers)) for listing, _ in markets)


def _rate_call(params: _Params, totals: Totals) -> Call:
    return Call(params[3], _RATE.encode(params, totals))


def _or_none(answer: int | Reverted | None) -> int | None:
    return None if isinstance(answer, Reverted) else answer


def price_call(oracle: Address) -> Call:
    """Return the call by which an oracle is asked."""
    return Call(oracle, _PRICE_DATA)


def sourced(oracle: Address, listing: Listing) -> Sourced:
    """Return that an oracle's price of a market's collateral comes from itself."""
    return Sourced(call=price_call(oracle), source=oracle, token=listing.collateral, loan=listing.loan)


def read_prices(oracles: Sequence[Address]) -> Query[Mapping[Address, int | None]]:
    """Return each oracle's price, None where it reverts."""
    answers = yield from attempt([price_call(one) for one in oracles], _number)
    return {oracle: _or_none(answer) for oracle, answer in zip(oracles, answers, strict=True)}


# --- positions ----------------------------------------------------------------------------------------------


def read_positions(morpho: Address, asked: Sequence[tuple[Hash32, Address]]) -> Query[tuple[Position, ...]]:
    """Return each borrower's position in a market, in one round."""
    return read([Call(morpho, _POSITION.encode(id_, borrower)) for id_, borrower in asked], _position)


def read_stored(
    morpho: Address, asked: Sequence[tuple[Hash32, Address]]
) -> Query[tuple[Mapping[str, int], ...]]:
    """Return all that Morpho stores of each borrower in a market, and of that market, in one round."""
    ids = tuple(dict.fromkeys(id_ for id_, _ in asked))
    positions, totals = yield from both(read_positions(morpho, asked), read_totals(morpho, ids))
    by_id = dict(zip(ids, totals, strict=True))
    return tuple(stored(by_id[id_], position) for (id_, _), position in zip(asked, positions, strict=True))


def stored(totals: Totals, position: Position) -> Mapping[str, int]:
    """Return a position and its market's totals as figures, by their names."""
    return {**position._asdict(), **{f"market_{name}": value for name, value in totals._asdict().items()}}


# --- decoding -----------------------------------------------------------------------------------------------


def _totals(answer: bytes) -> Totals:
    return Totals(*_MARKET.decode(answer))


def _params(answer: bytes) -> _Params:
    loan, collateral, oracle, irm, lltv_wad = _PARAMS.decode(answer)
    return loan, collateral, oracle, irm, lltv_wad


def _position(answer: bytes) -> Position:
    _, borrow_shares, collateral = _POSITION.decode(answer)
    return Position(borrow_shares=borrow_shares, collateral=collateral)


def _number(answer: bytes) -> int | None:
    """Return a number; None where there is none, as of an address without code: Morpho reverts on that."""
    return uint(answer) if len(answer) >= _WORD else None
