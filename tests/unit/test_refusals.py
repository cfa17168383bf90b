"""How nodes refuse a transaction, in their own spellings."""

from __future__ import annotations

import pytest

from keeper.domain.submission import Refusal, Refused, Unclear
from keeper.refusals import refusal


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        # geth
        ("already known", Refusal.ALREADY_KNOWN),
        ("nonce too low: next nonce 5, tx nonce 4", Refusal.NONCE_TOO_LOW),
        ("replacement transaction underpriced", Refusal.REPLACEMENT_UNDERPRICED),
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
        ("ReplacementNotAllowed", Refusal.REPLACEMENT_UNDERPRICED),
        ("FeeTooLowToCompete", Refusal.UNDERPRICED),
        ("FeeTooLow, MaxFeePerGas too low", Refusal.UNDERPRICED),
        ("InsufficientFunds, Account balance: 0", Refusal.INSUFFICIENT_FUNDS),
        # Erigon
        ("could not replace existing tx", Refusal.REPLACEMENT_UNDERPRICED),
        ("insufficient funds for transfer", Refusal.INSUFFICIENT_FUNDS),
        # Besu
        ("Replacement transaction underpriced", Refusal.REPLACEMENT_UNDERPRICED),
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
        # Arbitrum's and the OP stack's sequencers
        ("nonce too low: address 0x1, tx: 4 state: 5", Refusal.NONCE_TOO_LOW),
        ("max fee per gas less than block base fee: address 0x1", Refusal.UNDERPRICED),
        ("failed to forward tx to sequencer, please try again. nonce too low", Refusal.NONCE_TOO_LOW),
        # gateways that speak for their nodes
        ("tx already in mempool", Refusal.ALREADY_KNOWN),
        ("nonce has already been used", Refusal.NONCE_TOO_LOW),
        ("sender doesn't have enough funds to send tx", Refusal.INSUFFICIENT_FUNDS),
        # gateways that know fewer types than we send
        ("unknown transaction type", Refusal.INVALID),
    ],
)
def test_refusal__known_spelling__refused_with_its_kind(message: str, kind: Refusal) -> None:
    assert refusal(-32000, message) == Refused(kind=kind, detail=message)


@pytest.mark.parametrize("message", ["internal error", "request timed out", "", "upstream unavailable"])
def test_refusal__unknown_spelling__unclear(message: str) -> None:
    assert refusal(-32603, message) == Unclear(detail=f"{message} (-32603)")
