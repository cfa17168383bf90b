"""ERC-4626 vaults: shares redeemed for the asset.

Vaults round alike, but compute from different numbers: balances, an index, interest up to now. What they
have in common is that `previewRedeem` is a line, floored. So its slope is read off the vault's own answer to
a huge amount, and two smaller ones must agree to the unit; a vault that follows another rule is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keeper.abi import load, uint
from keeper.domain.address import ZERO_ADDRESS, Address, address_of
from keeper.domain.calls import ContractCall
from keeper.domain.depth import Pool, Route
from keeper.domain.errors import Broken
from keeper.erc20 import balance_of
from keeper.query import Call, Query, Reverted, attempt, both, read, settle
from keeper.venues.wrappers.pool import Floored, Wrapper
from keeper.venues.wrappers.single import Single, only_hop, unwrap_all

_ABI = load("erc4626")
_ASSET = _ABI.function("asset").encode()
_PREVIEW = _ABI.function("previewRedeem")
_MOST = _ABI.function("maxRedeem")
_REDEEM = _ABI.function("redeem")

_PROBE_RAW = 2**128
"""More shares than there are, by far; less than what overflows a vault's product."""
_CHECKS_RAW = (10**15 + 7, 10**26 + 13)
_UNLIMITED_RAW = 2**128 - 1
_SHARES_OFFSET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Erc4626(Single):
    """Every vault among the tokens that are traded: a :class:`keeper.ports.Venue`."""

    holders: tuple[Address, ...] = ()
    """Who has shares as collateral, such as Morpho: what the vault would let one of them redeem is what there
    is. Where none holds any, or none is named, nothing is known of a limit, and the simulation has the word.
    """
    _assets: dict[Address, Address] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What each known vault holds: it never changes."""

    @property
    def name(self) -> str:
        return "erc4626"

    @property
    def hop_gas(self) -> int:
        return 60_000

    def discover(self, pairs: Iterable[tuple[Address, Address]]) -> Query[tuple[Address, ...]]:
        """Return the tokens of these pairs that are vaults: they know an asset, and preview shares of it."""
        tokens = sorted({token for pair in pairs for token in pair})
        assets, previews = yield from both(
            attempt([Call(token, _ASSET) for token in tokens], _one_word),
            attempt([Call(token, _PREVIEW.encode(_CHECKS_RAW[0])) for token in tokens], _one_word),
        )
        found = []
        for token, asset, preview in zip(tokens, assets, previews, strict=True):
            if (
                asset is None
                or isinstance(asset, Reverted)
                or preview is None
                or isinstance(preview, Reverted)
            ):
                continue
            held = address_of(asset.to_bytes(32))
            if asset >> 160 == 0 and held not in (ZERO_ADDRESS, token):
                self._assets[token] = held
                found.append(token)
        return tuple(found)

    def load(self, pools: Sequence[Address]) -> Query[Mapping[Address, Pool]]:
        """Return each vault with what a share gives at this state. In one round."""
        distinct = tuple(dict.fromkeys(pools))
        answers = yield from settle([self._loaded(vault) for vault in distinct])
        return {pool.address: pool for pool in answers if not isinstance(pool, Broken)}

    def _loaded(self, vault: Address) -> Query[Wrapper]:
        probes = [Call(vault, _PREVIEW.encode(raw)) for raw in (_PROBE_RAW, *_CHECKS_RAW)]
        (slope, *checks), (held, limits) = yield from both(
            read(probes, uint),
            both(
                read([balance_of(vault, holder) for holder in self.holders], uint),
                attempt([Call(vault, _MOST.encode(holder)) for holder in self.holders], uint),
            ),
        )
        asset = self._assets.get(vault)
        if asset is None:
            raise Broken(f"0x{vault.hex()} was never found to be a vault")
        # one more than the floor: a rate that ends here is met exactly, and no other is missed by a unit
        rate = Floored(numerator=slope + 1, denominator=_PROBE_RAW)
        if any(rate.out_raw(raw) != told for raw, told in zip(_CHECKS_RAW, checks, strict=True)):
            raise Broken(f"the vault 0x{vault.hex()} does not redeem along a line")
        limits_raw = [
            0 if isinstance(limit, Reverted) else limit
            for has, limit in zip(held, limits, strict=True)
            if has
        ]
        return Wrapper(
            venue=self.name,
            wrapped=vault,
            asset=asset,
            rate=rate,
            most_raw=min(max(limits_raw, default=_UNLIMITED_RAW), _UNLIMITED_RAW),
        )

    def sell(
        self, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
    ) -> ContractCall:
        """Return the call that redeems the executor's whole balance of shares; `recipient` must own them.

        `least_out_raw` is not enforced: the vault takes no minimum. What follows must.
        """
        vault = only_hop(route).token_in
        return unwrap_all(
            vault,
            _REDEEM.encode(amount_in_raw, recipient, recipient),
            offset=_SHARES_OFFSET,
            least_raw=amount_in_raw,
        )

    def buy(self, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address) -> ContractCall:
        """Return the call that takes exactly `amount_out_raw` of the asset out of the vault.

        `most_in_raw` is not enforced: the vault takes no maximum, but finds no more shares than there are.
        """
        vault = only_hop(route).token_in
        return ContractCall(
            target=vault, data=_ABI.function("withdraw").encode(amount_out_raw, recipient, recipient)
        )


def _one_word(answer: bytes) -> int | None:
    """Return an answer of exactly one word; None where it is none: not every token is a vault."""
    return int.from_bytes(answer) if len(answer) == 32 else None
