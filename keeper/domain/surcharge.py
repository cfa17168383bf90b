"""What a rollup takes for a transaction beside its gas, at one state."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil


@dataclass(frozen=True, slots=True, kw_only=True)
class Surcharge:
    """Straight lines: by the bytes of the calldata, and by the gas that is used."""

    fixed_wei: Fraction = Fraction(0)
    per_byte_wei: Fraction = Fraction(0)
    """Of calldata."""
    per_gas_wei: Fraction = Fraction(0)

    def wei(self, *, calldata_bytes: int, gas_used: int) -> int:
        """Return the surcharge on one transaction, rounded up."""
        return ceil(self.fixed_wei + calldata_bytes * self.per_byte_wei + gas_used * self.per_gas_wei)


NO_SURCHARGE = Surcharge()
