"""What a keeper is told so that it works on a devnet."""

from __future__ import annotations

from keeper.devnet.devnet import Devnet
from keeper.domain.address import checksum


def aave_market(devnet: Devnet) -> str:
    """Return how `KEEPER_MARKETS` names the devnet's Aave."""
    there = devnet.addresses
    return f"{there.aave_market}@{there.deployment_block}"


def variables(devnet: Devnet) -> dict[str, str]:
    """Return the variables for a keeper on this devnet, but for its key and its contracts."""
    there = devnet.addresses
    hops = (there.weth, there.tokens["USDC"])
    v3 = f"uniswap-v3:{checksum(there.factory)}:{checksum(there.router)}"
    v2 = f"uniswap-v2:{checksum(there.v2_factory)}:{checksum(there.v2_router)}"
    lenders = (
        f"aave-v3:{checksum(there.pool)}",
        f"morpho:{checksum(there.morpho)}",
        f"balancer-v2:{checksum(there.balancer)}",
        f"uniswap-v3:{checksum(there.factory)}",
    )
    return {
        "KEEPER_RPC_URLS": devnet.anvil.url,
        "KEEPER_MARKETS": ",".join(
            (
                aave_market(devnet),
                f"morpho:{checksum(there.morpho)}@{there.morpho_deployment_block}",
                f"morpho-pre:{checksum(there.pre_factory)}@{there.morpho_deployment_block}",
            )
        ),
        "KEEPER_WRAPPED_NATIVE": checksum(there.weth),
        "KEEPER_INTERMEDIATES": ",".join(checksum(token) for token in hops),
        "KEEPER_VENUES": f"{v3},{v2}",
        "KEEPER_LENDERS": ",".join(lenders),
        "KEEPER_CONFIRMATIONS": "0",  # a devnet's branches are not left
    }
