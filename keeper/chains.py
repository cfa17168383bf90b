"""The chains that the keeper knows: data, no more.

On any other chain everything works that is configured: what stands here are defaults. Addresses are those of
the projects' own deployment pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from keeper.domain.address import Address, parse_address
from keeper.markets import directory

DEFAULT_BLOCK_TIME_S = 12
"""Between blocks of a chain that is not known and not configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Which chain, and how fast its blocks come."""

    chain_id: int
    name: str
    block_time_s: int
    """Expected between a block's timestamp and its child's. At least 1, also where blocks come faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What a sale on one chain goes through."""

    wrapped_native: Address
    """The token that profit is counted in."""
    intermediates: tuple[Address, ...]
    """Tokens that a sale may hop through."""
    uniswap_v3_factory: Address
    uniswap_v3_router: Address
    """SwapRouter02, whose calls take no deadline."""


_FACTORY = parse_address("0x1F98431c8aD98523631AE4a59f267346ea31F984")
_ROUTER = parse_address("0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45")
_WETH_OF_OP_STACK = parse_address("0x4200000000000000000000000000000000000006")


def _trading(
    wrapped_native: Address,
    *others: str,
    factory: Address = _FACTORY,
    router: Address = _ROUTER,
) -> Trading:
    return Trading(
        wrapped_native=wrapped_native,
        intermediates=(wrapped_native, *map(parse_address, others)),
        uniswap_v3_factory=factory,
        uniswap_v3_router=router,
    )


CHAINS: Mapping[int, Chain] = MappingProxyType(
    {
        chain.chain_id: chain
        for chain in (
            Chain(chain_id=1, name="Ethereum", block_time_s=12),
            Chain(chain_id=10, name="Optimism", block_time_s=2),
            Chain(chain_id=137, name="Polygon", block_time_s=2),
            Chain(chain_id=8453, name="Base", block_time_s=2),
            Chain(chain_id=42161, name="Arbitrum", block_time_s=1),
        )
    }
)

TRADING: Mapping[int, Trading] = MappingProxyType(
    {
        1: _trading(
            parse_address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"),
            "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",  # USDC
        ),
        10: _trading(
            _WETH_OF_OP_STACK,
            "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85",  # USDC
        ),
        137: _trading(
            parse_address("0x0d500B1d8E8eF31E21C99d1Db9A6444d3ADf1270"),  # WPOL
            "0x7ceB23fD6bC0adD59E62ac25578270cFf1b9f619",  # WETH
            "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359",  # USDC
        ),
        8453: _trading(
            _WETH_OF_OP_STACK,
            "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",  # USDC
            factory=parse_address("0x33128a8fC17869897dcE68Ed026d694621f6FDfD"),
            router=parse_address("0x2626664c2603336E57B271c5C0b26F421741e481"),
        ),
        42161: _trading(
            parse_address("0x82aF49447D8a07e3bd95BD0d56f35241523fBab1"),
            "0xaf88d065e77c8cC2239327C5EDb3A432268e5831",  # USDC
        ),
    }
)

PROTOCOLS = ("aave-v3", "morpho", "morpho-pre")


def chain_name(chain_id: int) -> str:
    """Return how to speak of a chain, such as ``chain 1 (Ethereum)``."""
    known = CHAINS.get(chain_id)
    name = known.name if known else directory().chain(chain_id)
    return f"chain {chain_id} ({name})" if name else f"chain {chain_id}"
