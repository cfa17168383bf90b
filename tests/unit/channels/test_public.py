"""What goes to everybody, and what their answers mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.channels.public import PublicChannel
from keeper.domain.address import Hash32
from keeper.domain.submission import Accepted, Refusal, Refused, SignedTransaction, Unclear
from keeper.ports import ChannelError, Sending
from tests.unit.submitter.submissions import submission

ONE = replace(submission(), transaction=SignedTransaction(raw=b"\x02\xf8\x01", hash=Hash32(b"\xab" * 32)))
CHANNEL = PublicChannel()


def test_requests__transaction__is_its_raw_bytes_for_every_endpoint() -> None:
    (request,) = CHANNEL.requests(Sending(submission=ONE))
    assert (request.method, request.params) == ("eth_sendRawTransaction", ("0x02f801",))
    assert request.relay is None and not CHANNEL.is_private


@pytest.mark.parametrize("text", ["0x" + "ab" * 32, "0x" + "AB" * 32])
def test_parse__its_own_hash__accepted(text: str) -> None:
    assert CHANNEL.parse(ONE, text) == Accepted()


@pytest.mark.parametrize("reply", ["0x" + "cd" * 32, "", None, {}, 1])
def test_parse__any_other_result__unclear(reply: object) -> None:
    assert isinstance(CHANNEL.parse(ONE, reply), Unclear)


def test_parse__error__by_the_table_of_spellings() -> None:
    known = CHANNEL.parse(ONE, ChannelError(code=-32000, message="nonce too low"))
    assert known == Refused(kind=Refusal.NONCE_TOO_LOW, detail="nonce too low")
    assert isinstance(CHANNEL.parse(ONE, ChannelError(code=-32603, message="internal error")), Unclear)
