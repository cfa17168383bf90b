"""Balancer's V2 vault, deployed from its published bytecode: for its flash loans, so without a pool."""

from __future__ import annotations

import json
from collections.abc import Mapping

from keeper.devnet.artifact import Artifact
from keeper.devnet.chain import Chain, Contract
from keeper.devnet.compile import CHECKOUT
from keeper.devnet.tokens import TOKENS
from keeper.domain.address import Address

_VAULT = "@balancer-labs/v2-deployments/dist/tasks/20210418-vault/bytecode/Vault.json"
_PAUSE_WINDOW_S, _BUFFER_S = 7_776_000, 2_592_000
"""Its own on Ethereum."""
_LENT_USD: Mapping[str, float] = {"WETH": 20e6, "USDC": 15e6, "wstETH": 10e6}
"""What lies in it: WBTC and USDT are somebody else's to lend."""


def deploy_balancer(chain: Chain, *, tokens: Mapping[str, Contract], market: Address) -> Contract:
    """Return the vault, with tokens in it. `market` has them, and is its authorizer by name only."""
    told = json.loads((CHECKOUT / "node_modules" / _VAULT).read_text())
    abi = json.loads((CHECKOUT / "abis" / "balancer_v2_vault.json").read_text())
    constructor = {
        "type": "constructor",
        "inputs": [{"type": kind} for kind in ("address", "address", "uint256", "uint256")],
    }
    artifact = Artifact(
        name="Vault",
        abi=[constructor, *abi],
        bytecode=told["creationCode"].removeprefix("0x"),
        deployed_bytecode="",
    )
    vault = chain.deploy(artifact, market, tokens["WETH"], _PAUSE_WINDOW_S, _BUFFER_S, sender=market)
    for symbol, usd in _LENT_USD.items():
        tokens[symbol].send("transfer", vault, TOKENS[symbol].raw(usd), sender=market)
    return vault
