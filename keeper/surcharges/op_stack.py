"""The OP stack's L1 data fee and operator fee, from its predeployed GasPriceOracle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from eth_utils.crypto import keccak

from keeper.abi import load, uint
from keeper.domain.address import Address, parse_address
from keeper.domain.errors import Broken
from keeper.domain.surcharge import Surcharge
from keeper.query import Call, Query, Reverted, attempt, both

_ABI = load("op_gas_price_oracle")
_BOUND = _ABI.function("getL1FeeUpperBound")
_FEE = _ABI.function("getL1Fee")
_OPERATOR_FEE = _ABI.function("getOperatorFee")

GAS_PRICE_ORACLE = parse_address("0x420000000000000000000000000000000000000F")

_ENVELOPE_BYTES = 60
"""An unsigned transaction's, beside its calldata, and more than that: fees, nonce, recipient, lengths."""
_SIZES_BYTES = (400, 4_400)
_GAS = (0, 10**6)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpStackSurcharge:
    """A chain of the OP stack's: a :class:`keeper.ports.SurchargeSource`.

    The data fee is what the oracle calls its upper bound: that of data that does not compress, as a
    liquidation's partly does. Before Fjord there is no such bound, and the fee of such data is asked for;
    before Isthmus there is no operator fee.
    """

    oracle: Address = GAS_PRICE_ORACLE

    @property
    def name(self) -> str:
        return "op-stack's fees"

    def load(self) -> Query[Surcharge]:
        """Return the surcharge at the state asked about, in one round. Raises Broken where there is none."""
        (bounds, fees), operator_fees = yield from both(
            both(
                attempt(
                    [Call(self.oracle, _BOUND.encode(_ENVELOPE_BYTES + at)) for at in _SIZES_BYTES], uint
                ),
                attempt(
                    [Call(self.oracle, _FEE.encode(_noise(_ENVELOPE_BYTES + at))) for at in _SIZES_BYTES],
                    uint,
                ),
            ),
            attempt([Call(self.oracle, _OPERATOR_FEE.encode(gas)) for gas in _GAS], uint),
        )
        data = _known(bounds) or _known(fees)
        if data is None:
            raise Broken(f"0x{self.oracle.hex()} tells no fee for a transaction's data")
        small_wei, large_wei = data
        constant_wei, operator_wei = _known(operator_fees) or (0, 0)
        per_byte_wei = Fraction(large_wei - small_wei, _SIZES_BYTES[1] - _SIZES_BYTES[0])
        return Surcharge(
            fixed_wei=small_wei - per_byte_wei * _SIZES_BYTES[0] + constant_wei,
            per_byte_wei=per_byte_wei,
            per_gas_wei=Fraction(operator_wei - constant_wei, _GAS[1]),
        )


def _known(answers: Sequence[int | Reverted]) -> tuple[int, int] | None:
    values = [answer for answer in answers if not isinstance(answer, Reverted)]
    return (values[0], values[1]) if len(values) == 2 else None


def _noise(size: int) -> bytes:
    """Return bytes that do not compress, always the same."""
    return b"".join(keccak(at.to_bytes(32)) for at in range(size // 32 + 1))[:size]
