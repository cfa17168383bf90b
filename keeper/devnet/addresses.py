"""Where everything on a devnet is. Written beside the dumped state, read when it is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

from keeper.domain.address import Address, Hash32, checksum, parse_address

_ADDRESS_BYTES = 20


class PoolKey(NamedTuple):
    """A Uniswap V3 pool by the symbols of its tokens, in the devnet's order, and its fee."""

    base: str
    quote: str
    fee_pips: int

    def __str__(self) -> str:
        return f"{self.base}/{self.quote}/{self.fee_pips}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The addresses of a devnet's contracts and people."""

    # Aave V3.6
    provider: Address
    """PoolAddressesProvider."""
    pool: Address
    configurator: Address
    oracle: Address
    data_provider: Address
    liquidation_data_provider: Address
    ui_data_provider: Address
    sentinel: Address
    sequencer_oracle: Address
    treasury: Address
    # tokens, by symbol
    tokens: Mapping[str, Address]
    a_tokens: Mapping[str, Address]
    debt_tokens: Mapping[str, Address]
    # prices, by symbol
    feeds: Mapping[str, Address]
    """The proxies: what Aave's oracle reads."""
    aggregators: Mapping[str, Address]
    """The aggregators behind them: what emits."""
    # Uniswap V3
    factory: Address
    router: Address
    """SwapRouter02."""
    quoter: Address
    """QuoterV2."""
    position_manager: Address
    pools: Mapping[PoolKey, Address]
    # Uniswap V2
    v2_factory: Address
    v2_router: Address
    """UniswapV2Router02."""
    v2_pairs: Mapping[str, Address]
    """By the symbols of the tokens: "WETH/USDC"."""
    # Balancer V2
    balancer: Address
    """The vault."""
    multicall3: Address
    # Morpho Blue
    morpho: Address
    morpho_deployment_block: int
    """The block that it was created in."""
    morpho_irm: Address
    # its markets, by the symbols of collateral and loan: "WETH/USDC"
    morpho_ids: Mapping[str, Hash32]
    morpho_oracles: Mapping[str, Address]
    # pre-liquidation, by the same
    pre_factory: Address
    pre_contracts: Mapping[str, Address]
    # people
    morpho_borrowers: tuple[Address, ...]
    borrowers: tuple[Address, ...]
    deployment_block: int
    """The block that the pool was created in: where its events begin."""

    @property
    def weth(self) -> Address:
        """Return the wrapped native coin."""
        return self.tokens["WETH"]

    # --- what a keeper calls its markets

    @property
    def aave_market(self) -> str:
        """Return Aave's market."""
        return f"aave-v3:{checksum(self.pool)}"

    def morpho_market(self, id_: Hash32) -> str:
        """Return one of Morpho's."""
        return f"morpho:{checksum(self.morpho)}/0x{id_.hex()}"

    def pre_market(self, contract: Address) -> str:
        """Return one of the factory's."""
        return f"morpho-pre:{checksum(self.pre_factory)}/{checksum(contract)}"

    def to_json(self) -> str:
        """Return the addresses as JSON, checksummed."""
        return json.dumps({field.name: _plain(getattr(self, field.name)) for field in fields(self)}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the addresses that `to_json` wrote."""
        told = {name: _parsed(value) for name, value in json.loads(text).items()}
        told["pools"] = {_pool_key(name): address for name, address in told["pools"].items()}
        return cls(**told)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return checksum(Address(value)) if len(value) == _ADDRESS_BYTES else f"0x{value.hex()}"
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        raw = bytes.fromhex(value.removeprefix("0x"))
        return parse_address(value) if len(raw) == _ADDRESS_BYTES else Hash32(raw)
    if isinstance(value, dict):
        return {key: _parsed(each) for key, each in value.items()}
    if isinstance(value, list):
        return tuple(_parsed(each) for each in value)
    return value


def _pool_key(text: str) -> PoolKey:
    base, quote, fee_pips = text.split("/")
    return PoolKey(base, quote, int(fee_pips))
