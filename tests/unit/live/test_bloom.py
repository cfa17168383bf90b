"""What a block's bloom says of the logs that came, and what it can't say."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.address import Address, Hash32
from keeper.live.bloom import BLOOM_BYTES, Bloom
from keeper.query import Log, Logs

POOL, TOKEN, OTHER = (Address(bytes([n]) * 20) for n in (1, 2, 3))
BORROW, MINT = (Hash32(bytes([n]) * 32) for n in (7, 8))


def log(emitter: Address, *topics: Hash32) -> Log:
    return Log(emitter, topics, b"", 1, 0, Hash32(bytes(32)))


def test_of__a_known_block__the_bloom_that_geth_computes() -> None:
    # the bits of go-ethereum's core/types/bloom9.go for one address: the low 11 bits of three byte pairs
    digest = keccak(POOL)
    places = {(digest[at] << 8 | digest[at + 1]) & 0x7FF for at in (0, 2, 4)}
    raw = bytearray(BLOOM_BYTES)
    for place in places:
        raw[BLOOM_BYTES - 1 - place // 8] |= 1 << place % 8
    assert Bloom.of([log(POOL)]) == Bloom(bytes(raw))


def test_init__of_another_length__value_error() -> None:
    with pytest.raises(ValueError, match="256"):
        Bloom(b"\0" * 255)


@given(st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32))))
def test_holds__whatever_was_logged__always(made: list[tuple[bytes, bytes]]) -> None:
    logs = [log(Address(emitter), Hash32(topic)) for emitter, topic in made]
    bloom = Bloom.of(logs)
    assert bloom.foreign(logs) is None
    assert all(bloom.holds(one.emitter) and bloom.holds(one.topics[0]) for one in logs)
    assert bloom.is_kept == bool(logs)


def test_foreign__a_log_that_the_block_has_not__named() -> None:
    bloom = Bloom.of([log(POOL, BORROW)])
    assert bloom.foreign([log(POOL, BORROW)]) is None
    assert bloom.foreign([log(POOL, BORROW), log(TOKEN, MINT)]) == log(TOKEN, MINT)


def test_missing__emitter_in_the_bloom_and_no_log_of_it__named() -> None:
    bloom = Bloom.of([log(POOL, BORROW), log(TOKEN, MINT)])
    ask = Logs((POOL, TOKEN, OTHER), (BORROW, MINT))
    assert bloom.missing(ask, [log(POOL, BORROW), log(TOKEN, MINT)]) == ()
    assert bloom.missing(ask, [log(POOL, BORROW)]) == (TOKEN,)
    assert bloom.missing(ask, []) == (POOL, TOKEN)


def test_missing__emitter_logged_something_else__nothing() -> None:
    bloom = Bloom.of([log(POOL, MINT)])
    assert bloom.missing(Logs((POOL,), (BORROW,)), []) == ()
    assert bloom.missing(Logs((POOL,)), []) == (POOL,)


def test_missing__crowded_bloom__proves_nothing() -> None:
    bloom = Bloom.of(log(Address(n.to_bytes(20)), Hash32(n.to_bytes(32))) for n in range(1_000))
    assert bloom.missing(Logs((POOL, TOKEN, OTHER), (BORROW, MINT)), []) == ()
