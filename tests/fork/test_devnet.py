"""The devnet is what it says: the real contracts, borrowers of every kind, a market that moves."""

from __future__ import annotations

from keeper.devnet import Devnet


def test_devnet__fixture__runs(devnet: Devnet) -> None:
    assert devnet.chain.block_number() > 0
