"""Wrapped staked Ether, unwrapped into stETH.

stETH counts in shares, and a transfer floors twice more on the way, so up to two units less than `unwrap`
returns arrive: what arrives is what counts here. What stETH is then sold into is another venue's to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keeper.abi import address, load, uint
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.depth import Pool, Route
from keeper.domain.errors import Broken
from keeper.query import Call, Query, read, read_one
from keeper.venues.wrappers.pool import Wrapper
from keeper.venues.wrappers.single import Single, only_hop, unwrap_all

_STETH_OF = load("wsteth").function("stETH").encode()
_UNWRAP = load("wsteth").function("unwrap")
_TOTALS = tuple(load("steth").function(name).encode() for name in ("getTotalPooledEther", "getTotalShares"))
_SUPPLY_RAW = 2**128 - 1
_AMOUNT_OFFSET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What reaches an account that had no stETH: shares to Ether, to shares, to Ether, each floored."""

    pooled_wei: int
    shares_raw: int

    @property
    def line(self) -> tuple[int, int]:
        return self.pooled_wei, self.shares_raw

    def out_raw(self, wrapped_raw: int) -> int:
        sent_wei = wrapped_raw * self.pooled_wei // self.shares_raw
        moved_raw = sent_wei * self.shares_raw // self.pooled_wei
        return moved_raw * self.pooled_wei // self.shares_raw


@dataclass(frozen=True, slots=True, kw_only=True)
class WstEth(Single):
    """Lido's wrapper: a :class:`keeper.ports.Venue` with one pool."""

    wsteth: Address
    _last: dict[Address, Wrapper] = field(default_factory=dict, init=False, compare=False, repr=False)
    """The wrapper as it was last read."""

    @property
    def name(self) -> str:
        return "wsteth"

    @property
    def hop_gas(self) -> int:
        return 60_000

    def discover(self, pairs: Iterable[tuple[Address, Address]]) -> Query[tuple[Address, ...]]:
        """Return the wrapper, where it is traded at all."""
        yield from ()
        return (self.wsteth,) if any(self.wsteth in pair for pair in pairs) else ()

    def load(self, pools: Sequence[Address]) -> Query[Mapping[Address, Pool]]:
        """Return the wrapper at the rate of this state: one round, two where it is new."""
        if self.wsteth not in pools:
            return {}
        last = self._last.get(self.wsteth)
        if last is None:
            steth = yield from read_one(Call(self.wsteth, _STETH_OF), address)
        else:
            steth = last.asset
        pooled_wei, shares_raw = yield from read([Call(steth, data) for data in _TOTALS], uint)
        if not (pooled_wei and shares_raw):
            raise Broken(f"0x{steth.hex()} has nothing staked")
        pool = Wrapper(
            venue=self.name,
            wrapped=self.wsteth,
            asset=steth,
            rate=Shares(pooled_wei=pooled_wei, shares_raw=shares_raw),
            most_raw=_SUPPLY_RAW,
        )
        self._last[self.wsteth] = pool
        return {pool.address: pool}

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that unwraps the executor's whole balance; it pays nobody else.

        `least_out_raw` is not enforced: the wrapper takes no minimum.
        """
        wrapped = only_hop(route).token_in
        return unwrap_all(
            wrapped, _UNWRAP.encode(amount_in_raw), offset=_AMOUNT_OFFSET, least_raw=amount_in_raw
        )

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that unwraps what `amount_out_raw` takes at the rate last read.

        The wrapper sells by what goes in alone, and its rate does not fall. Raises ValueError before any
        rate was read.
        """
        wrapped = only_hop(route).token_in
        if (last := self._last.get(wrapped)) is None:
            raise ValueError(f"the rate of 0x{wrapped.hex()} was never read")
        needed_raw = last.buy(last.asset, amount_out_raw).amount_in_raw
        return ContractCall(target=wrapped, data=_UNWRAP.encode(min(needed_raw, most_in_raw)))
