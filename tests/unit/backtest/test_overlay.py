"""What is carried: until the chain writes it, or for good where it is a position that was closed."""

from __future__ import annotations

from keeper.backtest.overlay import Carried
from keeper.backtest.past import Laid, Slot, Written
from keeper.domain.address import Address, Hash32
from keeper.domain.state import Mined, Overlay

POOL, TOKEN = Address(b"\x01" * 20), Address(b"\x02" * 20)
ALICE, BOB = Address(b"\xa1" * 20), Address(b"\xb0" * 20)
PRICE, DEBT, TOTAL = (
    Slot(POOL, bytes(31) + b"\x01"),
    Slot(TOKEN, bytes(31) + b"\x02"),
    Slot(TOKEN, bytes(31) + b"\x03"),
)
BASE = Mined(hash=Hash32(bytes(32)))


def word(n: int) -> bytes:
    return n.to_bytes(32, "big")


def carried() -> Carried:
    """Alice's debt went from 100 to 40, all debt from 500 to 440, a pool's price from 7 to 6."""
    made = Carried()
    made.carry(
        (
            Written(at=PRICE, before=word(7), after=word(6)),
            Written(at=DEBT, before=word(100), after=word(40)),
            Written(at=TOTAL, before=word(500), after=word(440)),
        )
    )
    made.own((DEBT, Slot(TOKEN, word(99))), ALICE)
    return made


def held(made: Carried) -> dict[Slot, bytes]:
    return {laid.at: laid.word for laid in made.laid()}


def test_state__nothing_carried__is_the_blocks_own() -> None:
    assert Carried().state(BASE) == BASE


def test_state__something_carried__lies_over_the_block() -> None:
    state = carried().state(BASE)
    assert isinstance(state, Overlay) and state.base == BASE
    assert state.storage[TOKEN][Hash32(DEBT.slot)] == word(40)
    assert carried().laid()[0] == Laid(at=PRICE, word=word(6))


def test_follow__the_pool_was_traded_since__its_word_is_the_chains_again() -> None:
    made = carried()
    made.follow({PRICE: word(8), TOTAL: word(500)}, liquidated=frozenset())
    assert held(made) == {DEBT: word(40), TOTAL: word(440)}


def test_follow__a_rival_liquidates_what_was_closed_already__it_stays_closed() -> None:
    made = carried()
    assert made.follow({DEBT: word(50), TOTAL: word(450)}, liquidated=frozenset((ALICE,))) == frozenset()
    assert held(made) == {PRICE: word(6), DEBT: word(40)}
    # what the rival wrote is no act of hers afterwards either
    assert made.follow({DEBT: word(50)}, liquidated=frozenset()) == frozenset()
    assert DEBT in held(made)


def test_follow__its_borrower_acts__the_position_is_the_chains_again() -> None:
    made = carried()
    assert made.follow({DEBT: word(90)}, liquidated=frozenset((BOB,))) == {ALICE}
    assert held(made) == {PRICE: word(6), TOTAL: word(440)}


def test_carry__the_same_slot_twice__keeps_what_the_chain_had() -> None:
    made = carried()
    made.carry((Written(at=PRICE, before=word(6), after=word(5)),))
    assert held(made)[PRICE] == word(5)
    made.follow({PRICE: word(7)}, liquidated=frozenset())  # the chain still has what it had
    assert held(made)[PRICE] == word(5)


def test_slots__by_emitters_and_names__are_those_a_block_may_have_written() -> None:
    made = carried()
    assert made.slots(emitters=frozenset((POOL,)), named=frozenset()) == (PRICE,)
    assert made.slots(emitters=frozenset((TOKEN,)), named=frozenset()) == (TOTAL,)
    assert made.slots(emitters=frozenset((TOKEN,)), named=frozenset((ALICE,))) == (DEBT, TOTAL)
    assert made.slots(emitters=frozenset(), named=frozenset((BOB,))) == ()
