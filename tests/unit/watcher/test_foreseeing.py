"""Which pending transactions have a part in a price, and what is made of what they do to it."""

from __future__ import annotations

from eth_abi.abi import encode

from keeper.abi import load
from keeper.domain.address import Address, Hash32
from keeper.domain.fixed_point import WAD
from keeper.domain.pending import PendingTransaction
from keeper.query import Call, Simulate, Simulated
from keeper.watcher.foreseeing import concerned, fallen, moves, prices_behind
from tests.unit.oracles.contracts import FEED, OTHER_FEED, REPORTERS, at
from tests.unit.protocols.aave_v3.markets import NOW_S, row
from tests.unit.watcher.test_book import HEAD
from tests.unit.watcher.test_pricing import ETHER, OPAQUE, position, scene

FORWARD = load("price_source").function("forward").selector
FORWARDER = at(0xF0)


def transaction(to: Address, data: bytes = b"") -> PendingTransaction:
    return PendingTransaction(hash=Hash32(bytes(32)), sender=at(1), to=to, data=data)


def forwarding(to: Address) -> PendingTransaction:
    return transaction(FORWARDER, FORWARD + encode(["address", "bytes"], [to, b"\x01\x02"]))


def symbols(one: PendingTransaction) -> list[str]:
    there = scene()
    named = {
        origin.sourced.call: origin.sourced.token.symbol for origin, _ in there.pricing.origins(there.book)
    }
    return [named[call] for call in concerned(there.pricing, one)]


def test_concerned__by_whom_it_calls__the_prices_that_pass_through_that() -> None:
    assert symbols(transaction(REPORTERS[FEED])) == symbols(transaction(FEED)) == ["T0", "T1"]
    assert symbols(transaction(REPORTERS[OTHER_FEED])) == ["T2"]
    assert symbols(transaction(OPAQUE)) == ["T3"]
    assert symbols(transaction(at(0xDEAD), FORWARD)) == []


def test_concerned__a_forwarder__by_whom_that_is_told_to_call() -> None:
    assert symbols(forwarding(REPORTERS[FEED])) == ["T0", "T1"]
    assert symbols(forwarding(at(0xDEAD))) == []
    torn = forwarding(REPORTERS[FEED])
    assert symbols(transaction(FORWARDER, torn.data[:20])) == []


def test_prices_behind__each_as_it_is_after_the_transaction_and_none_where_that_reverts() -> None:
    asked = (Call(at(5), b"a"), Call(at(6), b"b"), Call(at(7), b"c"))
    block = HEAD.next_block(block_time_s=12)

    def answered(*ran: Simulated) -> object:
        query = prices_behind(transaction(FEED, b"report"), asked, block)
        (simulation,) = next(query)
        assert isinstance(simulation, Simulate)
        assert [(call.to, call.data) for call in simulation.calls] == [
            (FEED, b"report"),
            *((call.to, call.data) for call in asked),
        ]
        try:
            query.send((ran,))
        except StopIteration as stop:
            return stop.value
        raise AssertionError

    done = Simulated(False, 1, b"")
    told = (done, Simulated(False, 1, (7).to_bytes(32)), Simulated(True, 1, b"\x01" * 32), done)
    assert answered(*told) == {asked[0]: 7, asked[1]: None, asked[2]: None}
    assert answered(Simulated(True, 1, b""), *told[1:]) is None


def test_fallen__prices_behind_it__who_falls_by_them_alone_and_what_moved() -> None:
    there = scene(
        {
            position(1): row(has={0: 10**18}, owes={2: 2_500 * 10**18}),  # fallen already
            position(2): row(has={1: 10**18}, owes={2: 2_400 * 10**18}),  # at 1.2
            position(3): row(has={1: 10**18}, owes={2: 1_000 * 10**18}),
        }
    )
    ether, wrapped, dollar, _ = there.book.protocol.prices(there.book.market)
    prices = {ether: ETHER * 8 // 10, wrapped: ETHER * 8 // 10 * 12 // 10, dollar: 10**8}
    assert list(fallen([there.book], prices, at_s=NOW_S)) == [(position(2), WAD * 96 // 100)]
    assert [
        (one.token.symbol, one.was_base, one.then_base) for one in moves([there.book], there.pricing, prices)
    ] == [
        ("T0", ETHER, ETHER * 8 // 10),
        ("T1", ETHER * 12 // 10, ETHER * 96 // 100),
    ]
