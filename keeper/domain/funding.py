"""What can be borrowed for the length of a transaction, at one state."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.address import Address
from keeper.domain.fixed_point import WAD, mul_div_half_up, mul_div_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """So much of one token that a flash source lends, and what it takes for it."""

    token: Address
    available_raw: int
    premium_wad: int = 0
    """Of what is borrowed: every lender's bps, ppm or wad can be told in it."""
    half_up: bool = False
    """Whether the fee rounds half up; else it rounds up."""
    holder: Address | None = None
    """Whose cash is lent, where liquidations are paid out of it too."""
    pool: Address | None = None
    """The pool whose reserves are lent, where it is one that is sold into: meanwhile it is locked."""

    def fee_raw(self, amount_raw: int) -> int:
        """Return the fee on a loan, rounded as the lender rounds it."""
        rounded = mul_div_half_up if self.half_up else mul_div_up
        return rounded(amount_raw, self.premium_wad, WAD)
