"""Aave V3's ``flashLoanSimple``: one token of a pool's own cash, for a premium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.abi import load, uint
from keeper.domain.address import Address, checksum
from keeper.domain.calls import Callback, ContractCall, Spend
from keeper.domain.fixed_point import BPS, mul_div_up
from keeper.domain.funding import Lendable
from keeper.query import Call, Query, both, read, read_one

_POOL = load("aave_v3_pool")
_PREMIUM = _POOL.function("FLASHLOAN_PREMIUM_TOTAL")
_CONFIGURATION = _POOL.function("getConfiguration")
_CASH = _POOL.function("getVirtualUnderlyingBalance")
_FLASH_LOAN = _POOL.function("flashLoanSimple")
_CALLBACK = load("aave_v3_flash_receiver").function("executeOperation")

_ACTIVE, _PAUSED, _LENDS = 1 << 56, 1 << 60, 1 << 63
"""Bits of a reserve's configuration. A token that the pool does not list has none of them."""
_INITIATOR_ARGUMENT, _PROGRAM_ARGUMENT = 3, 4
_TRUE = (1).to_bytes(32, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class AaveV3Flash:
    """A pool that lends: a :class:`keeper.ports.FlashSource`. Mirrors ``FlashLoanLogic`` of V3.6."""

    pool: Address

    @property
    def name(self) -> str:
        return f"aave-v3:{checksum(self.pool)}"

    def load(self, tokens: Sequence[Address]) -> Query[Lendable]:
        """Return the premium and the cash of each token whose reserve lends now, in one round."""
        premium_bps, (bitmaps, cash) = yield from both(
            read_one(Call(self.pool, _PREMIUM.encode()), uint),
            both(
                read([Call(self.pool, _CONFIGURATION.encode(token)) for token in tokens], uint),
                read([Call(self.pool, _CASH.encode(token)) for token in tokens], uint),
            ),
        )
        return Lendable(
            premium_bps=premium_bps,
            available_raw={
                token: raw
                for token, bitmap, raw in zip(tokens, bitmaps, cash, strict=True)
                if bitmap & (_ACTIVE | _PAUSED | _LENDS) == _ACTIVE | _LENDS
            },
        )

    def fee_raw(self, lendable: Lendable, amount_raw: int) -> int:
        """Return the premium on `amount_raw`, rounded up. Earlier revisions than V3.6 round half up."""
        return mul_div_up(amount_raw, lendable.premium_bps, BPS)

    def call(self, token: Address, *, amount_raw: int, fee_raw: int, executor: Address) -> ContractCall:
        """Return the call that lends to the executor, which pays amount and fee back when it returns."""
        return ContractCall(
            target=self.pool,
            data=_FLASH_LOAN.encode(executor, token, amount_raw, b"", 0),
            callback=Callback(
                caller=self.pool,
                selector=_CALLBACK.selector,
                program_argument=_PROGRAM_ARGUMENT,
                initiator_argument=_INITIATOR_ARGUMENT,
                answer=_TRUE,
                repay=Spend(token=token, amount_raw=amount_raw + fee_raw),
            ),
        )
