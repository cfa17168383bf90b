"""What builders are asked that are to put a transaction behind one which only they have."""

from __future__ import annotations

import pytest

from keeper.builders import BUILDERS, Builder
from keeper.channels.backrun import BackrunChannel
from keeper.channels.bundle import BundleChannel
from keeper.channels.private import PrivateChannel
from keeper.channels.public import PublicChannel
from keeper.domain.address import Hash32
from keeper.domain.pending import Leading
from keeper.domain.submission import Accepted, Unclear
from keeper.ports import Channel, ChannelError, Sending
from tests.unit.submitter.submissions import submission

TAKING = Builder(name="taking", takes_backruns=True, registered_as="one")
OTHERS = (Builder(name="passed on to", registered_as="Two"), Builder(name="unknown"))
CHANNEL = BackrunChannel(builders=(TAKING, *OTHERS))
ONE = submission(target_block=101, is_private=True)
HASH = Leading(hash=Hash32(b"\xab" * 32))
WHOLE = Leading(hash=Hash32(b"\xab" * 32), raw=b"\x02")


def test_requests__behind_a_hash__that_and_ours_for_the_next_block_to_who_takes_it() -> None:
    (request,) = CHANNEL.requests(Sending(submission=ONE, before=(b"\x01",), behind=HASH))
    assert (request.method, request.relay) == ("mev_sendBundle", "taking")
    (bundle,) = request.params
    assert bundle == {
        "version": "v0.1",
        "inclusion": {"block": "0x65", "maxBlock": "0x65"},
        "body": [{"hash": "0x" + "ab" * 32}, {"tx": "0x" + ONE.transaction.raw.hex(), "canRevert": False}],
        "privacy": {"hints": [], "builders": ["one", "Two"]},
    }


ALL: tuple[Channel, ...] = (
    PublicChannel(),
    PrivateChannel(builders=BUILDERS, has_endpoints=True),
    BundleChannel(builders=BUILDERS),
    BackrunChannel(builders=BUILDERS),
)


@pytest.mark.parametrize(
    ("behind", "taking"),
    [(None, {"public", "private", "bundle"}), (WHOLE, {"bundle"}), (HASH, {"backrun"})],
    ids=["nothing", "one that is known whole", "a hash"],
)
def test_takes__each_channel__what_it_takes_it_asks_for_and_no_other(
    behind: Leading | None, taking: set[str]
) -> None:
    sending = Sending(submission=ONE, behind=behind)
    assert {one.name for one in ALL if one.takes(behind)} == taking
    assert {one.name for one in ALL if one.requests(sending)} == taking


def test_requests__builders_of_the_table__flashbots_passes_on_to_those_it_knows() -> None:
    (request,) = BackrunChannel(builders=BUILDERS).requests(Sending(submission=ONE, behind=HASH))
    (bundle,) = request.params
    assert isinstance(bundle, dict)
    assert (request.relay, bundle["privacy"]["builders"]) == ("flashbots", ["flashbots", "Titan", "Quasar"])


def test_withdrawals__anything__none() -> None:
    assert CHANNEL.withdrawals(ONE) == ()


def test_parse__replies__a_bundles_hash_or_unclear() -> None:
    assert CHANNEL.parse(ONE, {"bundleHash": "0xab"}) == Accepted()
    for reply in ({}, None, 7, ChannelError(code=-32602, message="the hash is not known")):
        assert isinstance(CHANNEL.parse(ONE, reply), Unclear)
