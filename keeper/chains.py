"""The chains that the keeper knows: data, no more.

On any other chain everything works that is configured: what stands here are defaults. Addresses are those of
the projects' own deployment pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keeper.domain.address import Address, parse_address
from keeper.markets import directory
from keeper.places import Place

DEFAULT_BLOCK_TIME_S = 12
"""Between blocks of a chain that is not known and not configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Which chain, and how fast its blocks come."""

    chain_id: int
    name: str
    block_time_s: int
    """Expected between a block's timestamp and its child's. At least 1, also where blocks come faster."""


class SurchargeKind(StrEnum):
    """How a rollup charges for publishing data."""

    OP_STACK = "op-stack"
    ARBITRUM = "arbitrum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What a sale on one chain goes through, and who lends there."""

    wrapped_native: Address
    """The token that profit is counted in."""
    intermediates: tuple[Address, ...]
    """Tokens that a sale may hop through."""
    venues: tuple[Place, ...]
    lenders: tuple[Place, ...] = ()
    """Beside the markets that are watched."""
    surcharge: SurchargeKind | None = None
    """What the chain takes for a transaction beside its gas."""


def _trading(
    wrapped_native: str,
    *others: str,
    venues: Sequence[str],
    lenders: Sequence[str],
    surcharge: SurchargeKind | None = None,
) -> Trading:
    return Trading(
        wrapped_native=parse_address(wrapped_native),
        intermediates=(parse_address(wrapped_native), *map(parse_address, others)),
        venues=tuple(map(_place, venues)),
        lenders=tuple(map(_place, lenders)),
        surcharge=surcharge,
    )


def _place(told: str) -> Place:
    """Return what ``kind:address:…`` names."""
    kind, *addresses = told.split(":")
    return Place(kind=kind, addresses=tuple(map(parse_address, addresses)))


_WETH_OF_OP_STACK = "0x4200000000000000000000000000000000000006"
_UNISWAP_V3 = (
    "uniswap-v3:0x1F98431c8aD98523631AE4a59f267346ea31F984:0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45"
)
_PANCAKE_V3 = "pancake-v3:0x0BFbCF9fa4f9C56B0F40a671Ad40E0805A091865"
_SUSHI_V2_OF_ROLLUPS = (
    "sushi-v2:0xc35DADB65012eC5796536bD9864eD8773aBc74C4:0x1b02dA8Cb0d097eB8D57A175b88c7D8b47997506"
)
_BALANCER_V2 = "balancer-v2:0xBA12222222228d8Ba445958a75a0704d566BF2C8"
_UNISWAP_V3_LENDS = "uniswap-v3:0x1F98431c8aD98523631AE4a59f267346ea31F984"

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
            "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
            "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",  # USDC
            venues=(
                _UNISWAP_V3,
                "uniswap-v2:0x5C69bEe701ef814a2B6a3EDD4B1652CB9cc5aA6f:0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D",
                "sushi-v2:0xC0AEe478e3658e2610c5F7A4A2E1777cE9e4f2Ac:0xd9e1cE17f2641f24aE83637ab66a2cca9C378B9F",
                "sushi-v3:0xbACEB8eC6b9355Dfc0269C18bac9d6E2Bdc29C4F:0x2E6cd2d30aa43f40aa81619ff4b6E0a41479B13F",
                f"{_PANCAKE_V3}:0x13f4EA83D0bd40E75C8222255bc855a974568Dd4",
                "wsteth:0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0",
                "erc4626",
            ),
            lenders=(
                "morpho:0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb",
                _BALANCER_V2,
                _UNISWAP_V3_LENDS,
            ),
        ),
        10: _trading(
            _WETH_OF_OP_STACK,
            "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85",  # USDC
            venues=(
                _UNISWAP_V3,
                "uniswap-v2:0x0c3c1c532F1e39EdF36BE9Fe0bE1410313E074Bf:0x4A7b5Da61326A6379179b40d00F57E5bbDC962c2",
                "slipstream:0xCc0bDDB707055e04e497aB22a59c2aF4391cd12F:0x0792a633F0c19c351081CF4B211F68F79bCc9676",
                "erc4626",
            ),
            lenders=(_BALANCER_V2, _UNISWAP_V3_LENDS),
            surcharge=SurchargeKind.OP_STACK,
        ),
        137: _trading(
            "0x0d500B1d8E8eF31E21C99d1Db9A6444d3ADf1270",  # WPOL
            "0x7ceB23fD6bC0adD59E62ac25578270cFf1b9f619",  # WETH
            "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359",  # USDC
            venues=(
                _UNISWAP_V3,
                "uniswap-v2:0x9e5A52f57b3038F1B8EeE45F28b3C1967e22799C:0xedf6066a2b290C185783862C7F4776A2C8077AD1",
                _SUSHI_V2_OF_ROLLUPS,
                "erc4626",
            ),
            lenders=(_BALANCER_V2, _UNISWAP_V3_LENDS),
        ),
        8453: _trading(
            _WETH_OF_OP_STACK,
            "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",  # USDC
            venues=(
                "uniswap-v3:0x33128a8fC17869897dcE68Ed026d694621f6FDfD:0x2626664c2603336E57B271c5C0b26F421741e481",
                "uniswap-v2:0x8909Dc15e40173Ff4699343b6eB8132c65e18eC6:0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
                "slipstream:0x5e7BB104d84c7CB9B682AaC2F3d509f5F406809A:0xBE6D8f0d05cC4be24d5167a3eF062215bE6D18a5",
                f"{_PANCAKE_V3}:0x678Aa4bF4E210cf2166753e054d5b7c31cc7fa86",
                "erc4626",
            ),
            lenders=(
                "morpho:0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb",
                _BALANCER_V2,
                "uniswap-v3:0x33128a8fC17869897dcE68Ed026d694621f6FDfD",
            ),
            surcharge=SurchargeKind.OP_STACK,
        ),
        42161: _trading(
            "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1",
            "0xaf88d065e77c8cC2239327C5EDb3A432268e5831",  # USDC
            venues=(
                _UNISWAP_V3,
                "uniswap-v2:0xf1D7CC64Fb4452F05c498126312eBE29f30Fbcf9:0x4752ba5DBc23f44D87826276BF6Fd6b1C372aD24",
                _SUSHI_V2_OF_ROLLUPS,
                "sushi-v3:0x1af415a1EbA07a4986a52B6f2e7dE7003D82231e:0x8A21F6768C1f8075791D08546Dadf6daA0bE820c",
                f"{_PANCAKE_V3}:0x32226588378236Fd0c7c4053999F88aC0e5cAc77",
                "erc4626",
            ),
            lenders=(_BALANCER_V2, _UNISWAP_V3_LENDS),
            surcharge=SurchargeKind.ARBITRUM,
        ),
    }
)

PROTOCOLS = ("aave-v3", "morpho", "morpho-pre")


def chain_name(chain_id: int) -> str:
    """Return how to speak of a chain, such as ``chain 1 (Ethereum)``."""
    known = CHAINS.get(chain_id)
    name = known.name if known else directory().chain(chain_id)
    return f"chain {chain_id} ({name})" if name else f"chain {chain_id}"
