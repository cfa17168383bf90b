"""Small isolated markets and positions, built by hand or drawn at random."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.fixed_point import WAD
from keeper.domain.head import NextBlock
from keeper.domain.position import Opportunity, PositionId
from keeper.domain.token import Token
from keeper.protocols.morpho_blue import MorphoBlue
from keeper.protocols.morpho_blue.liquidation import PRICE_SCALE
from keeper.protocols.morpho_blue.state import IsolatedMarket, Listing, Markets, Position, Row, Totals
from keeper.protocols.morpho_blue.terms import MorphoTerms

MORPHO = Address(b"\xbb" * 20)
BORROWER = Address(b"\x42" * 20)
ORACLE = Address(b"\x0a" * 20)
ID = Hash32(b"\x1d" * 32)
NOW_S = 1_800_000_000
WETH = Token(address=Address(b"\xee" * 20), symbol="WETH", decimals=18)
USDC = Token(address=Address(b"\xdc" * 20), symbol="USDC", decimals=6)
BLUE = MorphoBlue(morpho=MORPHO)
NAME = BLUE.market_name(ID)
RATE_WAD = 3 * 10**9
"""About a tenth a year."""


def weth_price(usd: int) -> int:
    """Return the oracle's price of WETH in USDC."""
    return usd * PRICE_SCALE * USDC.unit_raw // WETH.unit_raw


def market(
    *,
    price: int | None = weth_price(3_000),
    rate_wad: int | None = RATE_WAD,
    lltv_wad: int = 86 * WAD // 100,
    totals: Totals | None = None,
    fault: str | None = None,
    priced_at_s: int | None = None,
) -> IsolatedMarket:
    lent, borrowed = 10**13, 8 * 10**12
    return IsolatedMarket(
        listing=Listing(
            id=ID,
            loan=USDC,
            collateral=WETH,
            oracle=ORACLE,
            irm=ZERO_ADDRESS,
            lltv_wad=lltv_wad,
            fault=fault,
        ),
        totals=totals or Totals(lent, lent * 10**6, borrowed, borrowed * 10**6 * 99 // 100, NOW_S - 60, 0),
        rate_wad=rate_wad,
        price=price,
        priced_at_s=priced_at_s,
    )


def position(*, loan_usd: float, collateral_eth: float) -> Position:
    """Return a position in `market`'s default, with about so much debt."""
    return Position(
        borrow_shares=int(loan_usd * 10**6 * 10**6 * 0.99), collateral=int(collateral_eth * 10**18)
    )


def opportunity(isolated: IsolatedMarket, held: Position, *, deadline_s: int = NOW_S + 24) -> Opportunity:
    block = NextBlock(number=1, timestamp_s=NOW_S, base_fee_wei=0, coinbase=BORROWER)
    return BLUE.opportunity(
        Markets(by_name={NAME: isolated}),
        PositionId(NAME, BORROWER),
        Row(NAME, held),
        block=block,
        deadline_s=deadline_s,
    )


def terms_of(isolated: IsolatedMarket, held: Position, *, deadline_s: int = NOW_S + 24) -> MorphoTerms:
    (terms,) = opportunity(isolated, held, deadline_s=deadline_s).terms
    assert isinstance(terms, MorphoTerms)
    return terms


@st.composite
def unhealthy(draw: st.DrawFn) -> tuple[IsolatedMarket, Position]:
    """Draw a position that may be liquidated and is worth it, of any size, price and limit."""
    lltv_wad = draw(st.sampled_from([385, 625, 770, 860, 945, 980])) * WAD // 1000
    owes = draw(st.integers(1, 10**13))
    others = draw(st.integers(0, 10**13))
    per_asset = draw(st.integers(10**5, 10**6))
    shares = owes * per_asset + draw(st.integers(0, per_asset))
    price = draw(st.integers(1, 10**45))
    ltv_wad = draw(st.integers(lltv_wad + WAD // 1000, WAD))
    has = owes * PRICE_SCALE * WAD // (price * ltv_wad) + draw(st.integers(0, 3))
    assume(has < 2**128)
    totals = Totals(
        2 * (owes + others),
        2 * (owes + others) * 10**6,
        owes + others,
        shares + others * per_asset,
        NOW_S - draw(st.integers(0, 10**6)),
        0,
    )
    isolated = market(
        price=price,
        lltv_wad=lltv_wad,
        totals=totals,
        rate_wad=draw(st.sampled_from([0, RATE_WAD, 10**11])),
    )
    return isolated, Position(borrow_shares=shares, collateral=has)
