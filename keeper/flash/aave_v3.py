"""Aave V3's ``flashLoanSimple``: one token of a pool's own cash, for a premium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keeper.abi import load, uint
from keeper.domain.address import Address, checksum
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.domain.fixed_point import BPS, WAD
from keeper.domain.funding import Offer
from keeper.erc20 import balance_of
from keeper.query import Call, Query, Reverted, attempt, both, read, read_one

_POOL = load("aave_v3_pool")
_PREMIUM = _POOL.function("FLASHLOAN_PREMIUM_TOTAL")
_REVISION = _POOL.function("POOL_REVISION")
_RESERVE_DATA = _POOL.function("getReserveData")
_CASH = _POOL.function("getVirtualUnderlyingBalance")
_FLASH_LOAN = _POOL.function("flashLoanSimple")
_CALLBACK = load("aave_v3_flash_receiver").function("executeOperation")

_ACTIVE, _PAUSED, _LENDS = 1 << 56, 1 << 60, 1 << 63
"""Bits of a reserve's configuration. A token that the pool does not list has none of them."""
_INITIATOR_ARGUMENT, _PROGRAM_ARGUMENT = 3, 4
_TRUE = (1).to_bytes(32, "big")
_LAST_HALF_UP = 8
"""Aave V3.4: the last pool revision that is known to round its premium half up. Up is never too little."""


class _Reserve(NamedTuple):
    bitmap: int
    a_token: Address


def _reserve(answer: bytes) -> _Reserve:
    (stored,) = _RESERVE_DATA.decode(answer)
    return _Reserve(stored[0], stored[8])


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveV3Flash:
    """A pool that lends: a :class:`keeper.ports.FlashSource`. Mirrors ``FlashLoanLogic``, V3.0 to V3.7."""

    pool: Address

    @property
    def name(self) -> str:
        return f"aave-v3:{checksum(self.pool)}"

    @property
    def loan_gas(self) -> int:
        return 120_000

    def load(self, tokens: Sequence[Address]) -> Query[tuple[Offer, ...]]:
        """Return the premium and the cash of each token whose reserve lends now.

        In one round; in two where the pool keeps no virtual balances, as before V3.1: then its cash is what
        its aTokens have.
        """
        (premium_bps, revision), (reserves, virtual) = yield from both(
            both(
                read_one(Call(self.pool, _PREMIUM.encode()), uint),
                read_one(Call(self.pool, _REVISION.encode()), uint),
            ),
            both(
                read([Call(self.pool, _RESERVE_DATA.encode(token)) for token in tokens], _reserve),
                attempt([Call(self.pool, _CASH.encode(token)) for token in tokens], uint),
            ),
        )
        lending = {
            token: (reserve.a_token, cash)
            for token, reserve, cash in zip(tokens, reserves, virtual, strict=True)
            if reserve.bitmap & (_ACTIVE | _PAUSED | _LENDS) == _ACTIVE | _LENDS
        }
        kept = {token: a_token for token, (a_token, cash) in lending.items() if isinstance(cash, Reverted)}
        held = yield from read([balance_of(token, kept[token]) for token in kept], uint)
        available_raw = {
            **{token: cash for token, (_, cash) in lending.items() if not isinstance(cash, Reverted)},
            **dict(zip(kept, held, strict=True)),
        }
        return tuple(
            Offer(
                token=token,
                available_raw=available,
                premium_wad=premium_bps * (WAD // BPS),
                half_up=revision <= _LAST_HALF_UP,
                holder=lending[token][0],
            )
            for token, available in available_raw.items()
        )

    def call(self, offer: Offer, *, amount_raw: int, executor: Address) -> ContractCall:
        """Return the call that lends to the executor, which pays amount and fee back when it returns."""
        return ContractCall(
            target=self.pool,
            data=_FLASH_LOAN.encode(executor, offer.token, amount_raw, b"", 0),
            callback=Callback(
                caller=self.pool,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=_INITIATOR_ARGUMENT,
                answer=_TRUE,
                repay=Spend(token=offer.token, amount_raw=amount_raw + offer.fee_raw(amount_raw)),
            ),
        )
