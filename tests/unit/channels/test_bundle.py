"""What builders are asked, and what their answers mean."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from keeper.builders import Builder
from keeper.channels.bundle import BundleChannel, replacement_uuid
from keeper.domain.address import Hash32
from keeper.domain.pending import Leading
from keeper.domain.submission import Accepted, Refusal, Refused, Unclear
from keeper.ports import ChannelError, Sending
from tests.unit.submitter.submissions import submission

PLAIN, CANCELLING = Builder(name="plain"), Builder(name="cancelling", cancels=True)
CHANNEL = BundleChannel(builders=(PLAIN, CANCELLING))
THEIRS = Leading(hash=Hash32(bytes(32)), raw=b"\x01")
ONE = submission(target_block=101, is_private=True)


def test_requests__behind_others__whole_and_in_order_for_the_next_block_to_each_builder() -> None:
    plain, cancelling = CHANNEL.requests(Sending(submission=ONE, before=(b"\x02",), behind=THEIRS))
    bundle = {
        "txs": ["0x01", "0x02", "0x" + ONE.transaction.raw.hex()],
        "blockNumber": "0x65",
        "maxTimestamp": ONE.deadline_s,
    }
    assert (plain.method, plain.relay, plain.params) == ("eth_sendBundle", "plain", (bundle,))
    assert cancelling.params == (bundle | {"replacementUuid": replacement_uuid(ONE)},)


def test_withdrawals__those_that_cancel__by_the_id_of_its_nonce() -> None:
    (request,) = CHANNEL.withdrawals(ONE)
    assert (request.method, request.relay) == ("eth_cancelBundle", "cancelling")
    assert request.params == ({"replacementUuid": replacement_uuid(ONE)},)


def test_replacement_uuid__key_and_nonce__one_id_of_version_4_for_each() -> None:
    ids = {replacement_uuid(submission(nonce=nonce)) for nonce in range(100)}
    assert len(ids) == 100
    assert all(UUID(one).version == 4 and str(UUID(one)) == one for one in ids)
    assert replacement_uuid(submission(serial=1)) == replacement_uuid(submission(serial=2))
    assert replacement_uuid(submission(rung=1)) != replacement_uuid(submission()), (
        "beside it, not in its place"
    )
    assert replacement_uuid(replace(ONE, operator=ONE.borrower)) != replacement_uuid(ONE)


@pytest.mark.parametrize("reply", [{"bundleHash": "0xab"}, {"bundleHash": "0xab", "smart": True}, "0xab"])
def test_parse__a_bundles_hash__accepted(reply: object) -> None:
    assert CHANNEL.parse(ONE, reply) == Accepted()


@pytest.mark.parametrize("reply", [None, {}, {"bundleHash": None}, "nil", 7, True])
def test_parse__anything_else__unclear(reply: object) -> None:
    assert isinstance(CHANNEL.parse(ONE, reply), Unclear)


def test_parse__error__by_the_table_of_spellings() -> None:
    known = CHANNEL.parse(ONE, ChannelError(code=-32000, message="nonce too low"))
    assert known == Refused(kind=Refusal.NONCE_TOO_LOW, detail="nonce too low")
