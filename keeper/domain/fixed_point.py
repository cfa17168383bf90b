"""Fixed-point arithmetic shared by the protocols. The rounding is in each function's name.

Every argument and result is a non-negative exact int; a division by zero raises ZeroDivisionError,
as the contracts revert. Overflow of 256 bits is not modelled: the amounts of a lending market stay far
below it, and the golden cases would show otherwise.
"""

from __future__ import annotations

WAD = 10**18
RAY = 10**27
BPS = 10_000
SECONDS_PER_YEAR = 31_536_000


def mul_div_down(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator, floored."""
    return a * b // denominator


def mul_div_up(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator, rounded up."""
    return -(-a * b // denominator)


def mul_div_half_up(a: int, b: int, denominator: int) -> int:
    """Return a * b / denominator, rounded half up."""
    return (a * b + denominator // 2) // denominator
