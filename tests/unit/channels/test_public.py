"""How nodes answer a raw transaction, in their own spellings."""

from __future__ import annotations

import pytest

from keeper.channels.public import PublicChannel
from keeper.domain.address import Hash32
from keeper.domain.submission import Accepted, Refusal, Refused, SignedTransaction, Unclear
from keeper.ports import ChannelError

TRANSACTION = SignedTransaction(raw=b"\x02\xf8\x01", hash=Hash32(b"\xab" * 32))
CHANNEL = PublicChannel()


def test_request__transaction__is_its_raw_bytes() -> None:
    request = CHANNEL.request(TRANSACTION)
    assert (request.method, request.params) == ("eth_sendRawTransaction", ("0x02f801",))


@pytest.mark.parametrize("text", ["0x" + "ab" * 32, "0x" + "AB" * 32])
def test_parse__its_own_hash__accepted(text: str) -> None:
    assert CHANNEL.parse(TRANSACTION, text) == Accepted()


@pytest.mark.parametrize("reply", ["0x" + "cd" * 32, "", None, {}, 1])
def test_parse__any_other_result__unclear(reply: object) -> None:
    assert isinstance(CHANNEL.parse(TRANSACTION, reply), Unclear)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        # geth
        ("already known", Refusal.ALREADY_KNOWN),
        ("nonce too low: next nonce 5, tx nonce 4", Refusal.NONCE_TOO_LOW),
        ("replacement transaction underpriced", Refusal.UNDERPRICED),
        ("transaction underpriced: tip needed 1000000, tip permitted 1", Refusal.UNDERPRICED),
        (
            "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7",
            Refusal.UNDERPRICED,
        ),
        ("insufficient funds for gas * price + value: balance 0, tx cost 1", Refusal.INSUFFICIENT_FUNDS),
        ("intrinsic gas too low: have 20000, want 21000", Refusal.INVALID),
        ("exceeds block gas limit", Refusal.INVALID),
        ("invalid sender", Refusal.INVALID),
        ("in-flight transaction limit reached for delegated accounts", Refusal.INVALID),
        ("tx fee (3.00 ether) exceeds the configured cap (1.00 ether)", Refusal.INVALID),
        # Nethermind
        ("AlreadyKnown", Refusal.ALREADY_KNOWN),
        ("OldNonce, Current nonce: 5, nonce of rejected tx: 4", Refusal.NONCE_TOO_LOW),
        ("FeeTooLow, MaxFeePerGas too low", Refusal.UNDERPRICED),
        ("InsufficientFunds, Account balance: 0", Refusal.INSUFFICIENT_FUNDS),
        # Besu
        ("Known transaction", Refusal.ALREADY_KNOWN),
        ("Nonce too low", Refusal.NONCE_TOO_LOW),
        ("Upfront cost exceeds account balance", Refusal.INSUFFICIENT_FUNDS),
        ("Gas price below configured minimum gas price", Refusal.UNDERPRICED),
        # Anvil
        ("transaction already imported", Refusal.ALREADY_KNOWN),
        ("Insufficient funds for gas * price + value", Refusal.INSUFFICIENT_FUNDS),
        ("invalid chain id for signer", Refusal.INVALID),
        ("Failed to decode transaction", Refusal.INVALID),
        # reth
        ("txpool is full", Refusal.UNDERPRICED),
        # gateways that know fewer types than we send
        ("unknown transaction type", Refusal.INVALID),
    ],
)
def test_parse__known_spelling__refused_with_its_kind(message: str, kind: Refusal) -> None:
    answer = CHANNEL.parse(TRANSACTION, ChannelError(code=-32000, message=message))
    assert answer == Refused(kind=kind, detail=message)


@pytest.mark.parametrize("message", ["internal error", "request timed out", "", "upstream unavailable"])
def test_parse__unknown_spelling__unclear(message: str) -> None:
    answer = CHANNEL.parse(TRANSACTION, ChannelError(code=-32603, message=message))
    assert answer == Unclear(detail=f"{message} (-32603)")
