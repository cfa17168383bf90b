"""An oracle that reports through a forwarder, as the secondary feeds are reported to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account

from keeper.abi import load
from keeper.devnet.build import CHAIN_ID
from keeper.devnet.chain import Contract
from keeper.devnet.devnet import Devnet
from keeper.devnet.own import compile_own
from keeper.domain.address import checksum

AGGREGATOR = load("aggregator")
FORWARD = load("price_source").function("forward")


@dataclass
class Oracle:
    """Who reports the price of WETH, through a forwarder, as the secondary feeds are reported to."""

    devnet: Devnet
    aggregator: Contract
    forwarder: Contract

    def price_base(self) -> int:
        """Return what was reported last: USD, eight decimals."""
        answer = self.aggregator.call("latestAnswer")
        assert isinstance(answer, int)
        return answer

    def data(self, answer: int) -> bytes:
        """Return the forwarder's call that reports three observations around an answer."""
        observations = (answer - 10, answer, answer + 10)
        words = (self.devnet.now_s, 0, 128, 0, len(observations), *observations)
        report = b"".join(word.to_bytes(32) for word in words)
        call = AGGREGATOR.function("transmitSecondary").encode([bytes(32)] * 3, report, [], [], bytes(32))
        return FORWARD.encode(self.aggregator.address, call)

    def signed(self, answer: int) -> bytes:
        """Return the report's transaction, for the sender's next nonce."""
        market = self.devnet.market
        sender = "0x" + market.address.hex()
        signed = Account.sign_transaction(
            {
                "chainId": CHAIN_ID,
                "nonce": int(self.devnet.anvil.rpc("eth_getTransactionCount", sender, "latest"), 16),
                "to": checksum(self.forwarder.address),
                "data": self.data(answer),
                "value": 0,
                "gas": 500_000,
                "maxFeePerGas": 10**12,
                "maxPriorityFeePerGas": 10**9,
            },
            market.private_key,
        )
        return bytes(signed.raw_transaction)

    def hint(self, answer: int) -> dict[str, Any]:
        """Return what the stream tells of a report: its call, and no events."""
        call = {
            "to": "0x" + self.forwarder.address.hex(),
            "functionSelector": "0x6fadcf72",
            "callData": "0x" + self.data(answer).hex(),
        }
        return {"logs": None, "txs": [call]}


def oracle(devnet: Devnet) -> Oracle:
    """Put an aggregator that is told through a forwarder behind WETH's feed. Blocks are mined for it."""
    own, market = compile_own(), devnet.market.address
    devnet.anvil.rpc("evm_setAutomine", True)
    aggregator = devnet.chain.deploy(
        own["DualAggregator"], "WETH / USD", devnet.price_base("WETH"), sender=market
    )
    forwarder = devnet.chain.deploy(own["Forwarder"], sender=market)
    proxy = devnet.contract(devnet.addresses.feeds["WETH"], own["FeedProxy"].interface)
    proxy.send("setAggregator", aggregator, sender=market)
    devnet.anvil.rpc("evm_setAutomine", False)
    return Oracle(devnet, aggregator, forwarder)
