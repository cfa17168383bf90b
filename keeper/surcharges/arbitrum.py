"""Arbitrum's fee for publishing a transaction's data, from its precompile ArbGasInfo.

The same is told by ``NodeInterface.gasEstimateComponents``, for one transaction and exactly; but that is no
contract: a Multicall can't reach it, and the fee would cost a request of its own at every head.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from keeper.abi import load
from keeper.domain.address import Address, parse_address
from keeper.domain.surcharge import Surcharge
from keeper.query import Call, Query, read_one

_PRICES = load("arbitrum_gas_info").function("getPricesInWei")

ARB_GAS_INFO = parse_address("0x000000000000000000000000000000000000006C")

_ENVELOPE_BYTES = 140
"""A signed transaction's, beside its calldata, and what the node adds for its own uncertainty, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArbitrumSurcharge:
    """An Arbitrum chain: a :class:`keeper.ports.SurchargeSource`.

    Each byte is counted as if it did not compress, as a liquidation's partly do.
    """

    gas_info: Address = ARB_GAS_INFO

    @property
    def name(self) -> str:
        return "arbitrum's data fee"

    def load(self) -> Query[Surcharge]:
        """Return the surcharge at the state asked about, in one round. Raises Broken where there is none."""
        per_transaction_wei, per_byte_wei = yield from read_one(
            Call(self.gas_info, _PRICES.encode()), lambda answer: _PRICES.decode(answer)[:2]
        )
        return Surcharge(
            fixed_wei=Fraction(per_transaction_wei + _ENVELOPE_BYTES * per_byte_wei),
            per_byte_wei=Fraction(per_byte_wei),
        )
