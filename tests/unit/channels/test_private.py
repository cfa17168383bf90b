"""Who is sent a private transaction, and what their answers mean."""

from __future__ import annotations

import pytest

from keeper.builders import Builder
from keeper.channels.private import PrivateChannel
from keeper.domain.submission import Accepted, Unclear
from keeper.ports import Sending
from tests.unit.submitter.submissions import submission

SINGLE = Builder(name="single", takes_private_transactions=True)
BUNDLES = Builder(name="bundles")
ONE = submission(is_private=True)


def test_requests__endpoints_and_builders__raw_to_those_and_with_a_last_block_to_these() -> None:
    channel = PrivateChannel(builders=(SINGLE, BUNDLES), has_endpoints=True, blocks=25)
    raw = "0x" + ONE.transaction.raw.hex()
    to_endpoints, to_builder = channel.requests(Sending(submission=ONE))
    assert (to_endpoints.method, to_endpoints.params, to_endpoints.relay) == (
        "eth_sendRawTransaction",
        (raw,),
        None,
    )
    assert (to_builder.method, to_builder.relay) == ("eth_sendPrivateTransaction", "single")
    assert to_builder.params == ({"tx": raw, "maxBlockNumber": hex(ONE.head_number + 25)},)


@pytest.mark.parametrize("before", [(), (b"\x01",)])
def test_requests__nobody_to_take_it__none(before: tuple[bytes, ...]) -> None:
    channel = PrivateChannel(builders=(BUNDLES,), has_endpoints=bool(before))
    assert channel.requests(Sending(submission=ONE, before=before)) == ()


def test_withdrawals__builders__by_its_hash() -> None:
    (request,) = PrivateChannel(builders=(SINGLE, BUNDLES), has_endpoints=True).withdrawals(ONE)
    assert (request.method, request.relay) == ("eth_cancelPrivateTransaction", "single")
    assert request.params == ({"txHash": "0x" + ONE.hash.hex()},)


def test_parse__its_own_hash__accepted_and_nothing_else() -> None:
    channel = PrivateChannel(builders=(SINGLE,), has_endpoints=False)
    assert channel.parse(ONE, "0x" + ONE.hash.hex()) == Accepted()
    assert isinstance(channel.parse(ONE, "0x" + bytes(32).hex()), Unclear)
