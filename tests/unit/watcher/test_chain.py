"""Where two branches part, told from the blocks that are kept: against branches that are known whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address, Hash32
from keeper.domain.head import Head
from keeper.query import Ancestors
from keeper.watcher.chain import Chain, rejoined


def block(number: int, branch: int = 0, *, parent_branch: int | None = None) -> Head:
    """Return a block of a branch; its parent is of the same one unless said."""
    return Head(
        number=number,
        hash=hash_of(number, branch),
        parent=hash_of(number - 1, branch if parent_branch is None else parent_branch),
        timestamp_s=0,
        base_fee_wei=0,
        gas_used=0,
        gas_limit=0,
        coinbase=Address(bytes(20)),
    )


def hash_of(number: int, branch: int) -> Hash32:
    return Hash32(bytes([branch]) + (number + 1).to_bytes(31, "big"))


def followed(numbers: Sequence[int], *, depth: int = 64) -> Chain[int]:
    chain: Chain[int] = Chain(depth=depth)
    for number in numbers:
        chain = chain.grown(block(number), number)
    return chain


def shared(chain: Chain[int], head: Head, *, parted_at: int) -> tuple[int, int]:
    """Return how many links `head` shares, its branch being ours below `parted_at`, and the rounds asked."""
    query, rounds = chain.shared(head), 0
    try:
        asks = next(query)
        while True:
            rounds += 1
            (ask,) = asks
            assert isinstance(ask, Ancestors) and ask.head_number == head.number
            assert all(number < head.number for number in ask.numbers)
            hashes = tuple(hash_of(number, int(number >= parted_at)) for number in ask.numbers)
            asks = query.send((hashes,))
    except StopIteration as stop:
        return stop.value, rounds


def test_shared__child_of_the_last_block__all_and_nothing_is_asked() -> None:
    assert shared(followed(range(10)), block(10), parted_at=99) == (10, 0)


def test_shared__the_last_block_itself_or_one_below__up_to_it() -> None:
    assert shared(followed(range(10)), block(9), parted_at=99) == (10, 0)
    assert shared(followed(range(10)), block(4), parted_at=99) == (5, 0)


@given(
    st.sets(st.integers(0, 80), min_size=1),
    st.integers(0, 90),
    st.integers(0, 100),
    st.integers(1, 64),
)
def test_shared__any_branch__every_link_below_where_it_parted(
    numbers: set[int], parted_at: int, at: int, depth: int
) -> None:
    chain = followed(sorted(numbers), depth=depth)
    head = block(at, branch=int(at >= parted_at), parent_branch=int(at > parted_at))
    ours = [
        link.number
        for link in chain.links
        if link.number < min(parted_at, at) or link.hash in (head.hash, head.parent)
    ]
    kept, rounds = shared(chain, head, parted_at=parted_at)
    assert [link.number for link in chain.links[:kept]] == ours
    assert rounds <= 2


def test_grown__beyond_its_depth__the_oldest_are_forgotten() -> None:
    chain = followed(range(100), depth=10)
    assert [link.number for link in chain.links] == list(range(89, 100)), "ten may be taken back"
    assert shared(chain, block(99, branch=1), parted_at=90) == (1, 2)
    assert shared(chain, block(99, branch=1), parted_at=89) == (0, 2)


def test_grown__not_above_the_last__value_error() -> None:
    with pytest.raises(ValueError, match="not above"):
        followed([3]).grown(block(3, branch=1), 3)


@pytest.mark.parametrize(
    ("at", "branch", "kept", "told"),
    [
        (10, 0, 10, None),
        (13, 0, 10, (0, 3, False)),
        (9, 1, 9, (1, 0, False)),
        (12, 1, 7, (3, 5, False)),
        (4, 0, 5, (5, 0, False)),
        (12, 1, 0, (10, 12, True)),
    ],
)
def test_rejoined__any_way_on__blocks_left_and_blocks_missed(
    at: int, branch: int, kept: int, told: tuple[int, int, bool] | None
) -> None:
    chain = followed(range(10))
    found = rejoined("it", block(at, branch), block(9), chain, kept=kept)
    assert told == (found and (found.abandoned_blocks, found.missed_blocks, found.whole))
