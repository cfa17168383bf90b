"""Which formula each kind of contract is given, and that it computes what the contract would."""

from __future__ import annotations

import asyncio
import re

import pytest

from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.state import Mined
from keeper.oracles import recognise
from keeper.ports import Formula
from keeper.query import run
from tests.unit.oracles.contracts import ADAPTER, FEED, NOW_S, OTHER_FEED, REPORTERS, WAD, Contracts, at

STATE = Mined(hash=Hash32(bytes(32)))
ETHER = 3_000 * 10**8
VAULT = at(0x7A)


def told(contracts: Contracts, source: Address = ADAPTER) -> Formula | str:
    return asyncio.run(run(recognise([source]), STATE, contracts))[source]


def known(contracts: Contracts, source: Address = ADAPTER) -> Formula:
    found = told(contracts, source)
    assert not isinstance(found, str), found
    return found


def value(contracts: Contracts, source: Address = ADAPTER, **moved: int) -> int | None:
    """Return what the formula gives, and what it would with the feed's answer `moved`."""
    formula = known(contracts, source)
    words = {**contracts.words}
    for feed in formula.feeds:
        if feed.address == FEED and "ether" in moved:
            words[feed.call] = moved["ether"] % 2**256
    return formula.value(words, at_s=NOW_S)


def capped_ratio(*, ratio: int, growth_per_s: int = 10**9) -> Contracts:
    return (
        Contracts()
        .feed(FEED, ETHER)
        .say(
            ADAPTER,
            BASE_TO_USD_AGGREGATOR=FEED,
            RATIO_DECIMALS=18,
            getRatio=ratio,
            getSnapshotRatio=WAD,
            getSnapshotTimestamp=NOW_S - 100,
            getMaxRatioGrowthPerSecond=growth_per_s,
        )
    )


def test_recognise__a_feed__itself_and_whom_it_reports_through() -> None:
    formula = known(Contracts().feed(FEED, ETHER), FEED)
    (feed,) = formula.feeds
    assert (feed.address, feed.name, feed.decimals) == (FEED, "ETH / USD", 8)
    assert formula.contracts == {FEED, REPORTERS[FEED]}
    assert formula.value({feed.call: ETHER}, at_s=NOW_S) == ETHER
    assert formula.value({feed.call: 2**256 - 5}, at_s=NOW_S) == -5
    assert formula.value({}, at_s=NOW_S) is None


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (WAD, ETHER),
        (WAD + 10**11, ETHER * (WAD + 10**11) // WAD),
        (WAD + 10**11 + 1, ETHER * (WAD + 10**11) // WAD),
        (2 * WAD, ETHER * (WAD + 10**11) // WAD),
        (-1, 0),
    ],
)
def test_recognise__a_capped_ratio__grows_as_far_as_it_may(ratio: int, expected: int) -> None:
    contracts = capped_ratio(ratio=ratio)
    assert value(contracts) == expected
    assert value(contracts, ether=-3) == 0
    assert known(contracts).contracts == {ADAPTER, FEED, REPORTERS[FEED]}


@pytest.mark.parametrize(
    ("answer", "expected"), [(10**8, 10**8), (104 * 10**6, 104 * 10**6), (2 * 10**8, 104 * 10**6)]
)
def test_recognise__a_cap__the_price_up_to_it(answer: int, expected: int) -> None:
    contracts = Contracts().feed(FEED, answer)
    assert value(contracts.say(ADAPTER, ASSET_TO_USD_AGGREGATOR=FEED, getPriceCap=104 * 10**6)) == expected


def test_recognise__a_cap_by_another_price__moves_with_both() -> None:
    contracts = Contracts().feed(FEED, 115 * 10**6).feed(OTHER_FEED, 110 * 10**6, name="EUR / USD")
    contracts.say(
        ADAPTER,
        ASSET_TO_USD_AGGREGATOR=FEED,
        BASE_TO_USD_AGGREGATOR=OTHER_FEED,
        RATIO_DECIMALS=8,
        getPriceCapRatio=104 * 10**6,
    )
    assert value(contracts) == 110 * 104 * 10**4
    assert value(contracts, ether=100 * 10**6) == 100 * 10**6
    assert [feed.address for feed in known(contracts).feeds] == [FEED, OTHER_FEED]


@pytest.mark.parametrize(
    ("whole", "discount", "expected"), [(10**4, 333, 9_667), (WAD, WAD // 30, 9_666), (10**4, 0, 10_000)]
)
def test_recognise__a_discount__floored_as_its_edition_does(whole: int, discount: int, expected: int) -> None:
    contracts = Contracts().feed(FEED, 10_000)
    contracts.say(ADAPTER, ASSET_TO_USD_AGGREGATOR=FEED, PERCENTAGE_FACTOR=whole, getCurrentDiscount=discount)
    assert value(contracts) == expected


def test_recognise__pegs__product_and_quotient() -> None:
    contracts = Contracts().feed(FEED, ETHER).feed(OTHER_FEED, 10**18 - 1, name="cbETH / ETH", decimals=18)
    contracts.say(ADAPTER, ASSET_TO_PEG=OTHER_FEED, PEG_TO_BASE=FEED, DECIMALS=8, DENOMINATOR=10**26)
    assert value(contracts) == (10**18 - 1) * ETHER * 10**8 // 10**26
    inverse = Contracts().feed(FEED, ETHER).feed(OTHER_FEED, 10**8, name="USDC / USD")
    inverse.say(ADAPTER, ASSET_TO_PEG=OTHER_FEED, BASE_TO_PEG=FEED, DECIMALS=18)
    assert value(inverse) == 10**8 * 10**18 // ETHER
    assert value(inverse, ether=2 * ETHER) == 10**8 * 10**18 // (2 * ETHER)
    assert value(inverse, ether=0) == 0


def test_recognise__wrapped_staked_ether__by_what_its_shares_hold() -> None:
    contracts = Contracts().feed(FEED, ETHER).say(ADAPTER, ETH_TO_BASE=FEED, STETH=VAULT)
    contracts.rate(VAULT, "getPooledEthByShares", WAD, 12 * WAD // 10)
    assert value(contracts) == ETHER * 12 // 10


def test_recognise__morphos_oracle__vaults_rates_and_what_it_does_not_name_counts_as_one() -> None:
    contracts = Contracts().feed(FEED, ETHER).feed(OTHER_FEED, 99 * 10**6, name="USDC / USD")
    contracts.say(
        ADAPTER,
        BASE_FEED_1=FEED,
        BASE_FEED_2=ZERO_ADDRESS,
        QUOTE_FEED_1=OTHER_FEED,
        QUOTE_FEED_2=ZERO_ADDRESS,
        BASE_VAULT=VAULT,
        BASE_VAULT_CONVERSION_SAMPLE=WAD,
        QUOTE_VAULT=ZERO_ADDRESS,
        QUOTE_VAULT_CONVERSION_SAMPLE=1,
        SCALE_FACTOR=10**6,
    ).rate(VAULT, "convertToAssets", WAD, 11 * WAD // 10)
    assert value(contracts) == 10**6 * (11 * WAD // 10) * ETHER // (99 * 10**6)
    assert value(contracts, ether=0) == 0


def test_recognise__adapters_upon_adapters__down_to_the_feed_in_a_round_each() -> None:
    contracts = capped_ratio(ratio=WAD)
    above = at(0xADB)
    contracts.say(above, ASSET_TO_USD_AGGREGATOR=ADAPTER, getPriceCap=2_000 * 10**8)
    assert value(contracts, above) == 2_000 * 10**8
    assert value(contracts, above, ether=10**8) == 10**8
    contracts.rounds = 0
    told(contracts, above)
    assert contracts.rounds == 3


@pytest.mark.parametrize(
    ("contracts", "why"),
    [
        (Contracts(), "0x0000000000000000000000000000000000000ada is of no kind that is known"),
        (Contracts().say(ADAPTER, description="mine"), r"\(mine\) is of no kind"),
        (Contracts().say(ADAPTER, ASSET_TO_USD_AGGREGATOR=FEED, getPriceCap=1), "feed is of no kind"),
        (Contracts().say(ADAPTER, ASSET_TO_USD_AGGREGATOR=ADAPTER, getPriceCap=1), "name each other"),
        (
            Contracts().feed(FEED, 1).say(ADAPTER, ASSET_TO_PEG=FEED, BASE_TO_PEG=FEED, DECIMALS=2**255),
            "too many decimals",
        ),
        (
            Contracts().say(ADAPTER, aggregator=ZERO_ADDRESS, phaseId=1, latestAnswer=1, decimals=8),
            "of no kind",
        ),
    ],
)
def test_recognise__nothing_that_is_known__says_which_and_why(contracts: Contracts, why: str) -> None:
    found = told(contracts)
    assert isinstance(found, str)
    assert re.search(why, found), found


def test_recognise__no_source__says_so() -> None:
    assert told(Contracts(), ZERO_ADDRESS) == "no source is named"
