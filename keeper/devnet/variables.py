"""What a keeper is told so that it works on a devnet."""

from __future__ import annotations

from keeper.devnet.devnet import Devnet
from keeper.domain.address import checksum


def aave_market(devnet: Devnet) -> str:
    """Return how `KEEPER_MARKETS` names the devnet's Aave."""
    there = devnet.addresses
    return f"aave-v3:{checksum(there.pool)}@{there.deployment_block}"


def variables(devnet: Devnet) -> dict[str, str]:
    """Return the variables for a keeper on this devnet, but for its key and its contracts."""
    there = devnet.addresses
    hops = (there.weth, there.tokens["USDC"])
    return {
        "KEEPER_RPC_URLS": devnet.anvil.url,
        "KEEPER_MARKETS": f"{aave_market(devnet)},"
        f"morpho:{checksum(there.morpho)}@{there.morpho_deployment_block}",
        "KEEPER_WRAPPED_NATIVE": checksum(there.weth),
        "KEEPER_INTERMEDIATES": ",".join(checksum(token) for token in hops),
        "KEEPER_UNISWAP_V3_FACTORY": checksum(there.factory),
        "KEEPER_UNISWAP_V3_ROUTER": checksum(there.router),
        "KEEPER_CONFIRMATIONS": "0",  # a devnet's branches are not left
    }
