"""Plain wrappers of another ERC-20, one for one: OpenZeppelin's ``ERC20Wrapper``.

Which tokens are such is configured. They can't be told from others by asking: a lending market's token has an
`underlying` too, and gives another amount of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keeper.abi import address, load, uint
from keeper.domain.address import Address
from keeper.domain.calls import ContractCall
from keeper.domain.depth import Pool, Route
from keeper.domain.errors import Broken
from keeper.erc20 import balance_of
from keeper.query import Call, Query, read_one, settle
from keeper.venues.wrappers.pool import Floored, Wrapper
from keeper.venues.wrappers.single import Single, only_hop, unwrap_all

_ABI = load("erc20_wrapper")
_UNDERLYING = _ABI.function("underlying").encode()
_WITHDRAW = _ABI.function("withdrawTo")
_AMOUNT_OFFSET = 4 + 32
_ONE_FOR_ONE = Floored(numerator=1, denominator=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc20Wrappers(Single):
    """These wrappers, and no others: a :class:`keeper.ports.Venue`."""

    wrappers: tuple[Address, ...]
    _underlying: dict[Address, Address] = field(default_factory=dict, init=False, compare=False, repr=False)

    @property
    def name(self) -> str:
        return "erc20-wrapper"

    @property
    def hop_gas(self) -> int:
        return 50_000

    def discover(self, pairs: Iterable[tuple[Address, Address]]) -> Query[tuple[Address, ...]]:
        """Return those of the wrappers that are traded at all."""
        yield from ()
        traded = {token for pair in pairs for token in pair}
        return tuple(wrapper for wrapper in self.wrappers if wrapper in traded)

    def load(self, pools: Sequence[Address]) -> Query[Mapping[Address, Pool]]:
        """Return each wrapper with what lies in it: one round, two where it is new."""
        answers = yield from settle([self._loaded(wrapper) for wrapper in dict.fromkeys(pools)])
        return {pool.address: pool for pool in answers if not isinstance(pool, Broken)}

    def _loaded(self, wrapper: Address) -> Query[Wrapper]:
        asset = self._underlying.get(wrapper)
        if asset is None:
            asset = yield from read_one(Call(wrapper, _UNDERLYING), address)
            self._underlying[wrapper] = asset
        held_raw = yield from read_one(balance_of(asset, wrapper), uint)
        return Wrapper(venue=self.name, wrapped=wrapper, asset=asset, rate=_ONE_FOR_ONE, most_raw=held_raw)

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that unwraps the executor's whole balance."""
        wrapper = only_hop(route).token_in
        return unwrap_all(
            wrapper,
            _WITHDRAW.encode(recipient, amount_in_raw),
            offset=_AMOUNT_OFFSET,
            least_raw=amount_in_raw,
        )

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that unwraps exactly `amount_out_raw`."""
        return ContractCall(target=only_hop(route).token_in, data=_WITHDRAW.encode(recipient, amount_out_raw))
