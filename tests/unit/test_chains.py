"""The tables of chains agree with each other."""

from __future__ import annotations

from keeper.chains import CHAINS, TRADING, chain_name
from keeper.places import LENDERS, VENUES


def test_tables__every_chain__is_in_both() -> None:
    assert CHAINS.keys() == TRADING.keys()


def test_trading__intermediates__begin_with_the_wrapped_native_token_and_name_none_twice() -> None:
    for trading in TRADING.values():
        assert trading.intermediates[0] == trading.wrapped_native
        assert len(set(trading.intermediates)) == len(trading.intermediates) >= 2


def test_chain_name__known_and_unknown__as_spoken() -> None:
    assert chain_name(1) == "chain 1 (Ethereum)"
    assert chain_name(43114) == "chain 43114 (Avalanche)"  # as its market says
    assert chain_name(31337) == "chain 31337"


def test_trading__places__have_the_contracts_that_their_kinds_name() -> None:
    for trading in TRADING.values():
        for places, kinds in ((trading.venues, VENUES), (trading.lenders, LENDERS)):
            assert places and len(set(places)) == len(places)
            for place in places:
                assert len(place.addresses) == len(kinds[place.kind])
