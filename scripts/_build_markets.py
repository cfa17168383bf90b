"""What scripts/build-markets does: name the markets of Aave's address book, and keep them in keeper/data."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "keeper" / "data" / "markets.json"

NAMES = {
    "Ethereum": "ethereum-core",
    "EthereumLido": "ethereum-prime",  # as Aave calls it
    "EthereumEtherFi": "ethereum-etherfi",
    "EthereumHorizon": "ethereum-horizon",
    "InkWhitelabel": "ink",
}
"""By the book's modules; where none is given, the module's own in lower case."""

CHAINS = {
    "BNB": "BNB Chain",
    "InkWhitelabel": "Ink",
    "MegaEth": "MegaETH",
    "XLayer": "X Layer",
    "ZkSync": "zkSync",
}
"""How chains are called, where it is not as the module is."""

TEST_NETWORKS = ("Fuji", "Sepolia")
"""What the names of modules have in them that are no markets."""

MORPHO = {
    "ethereum": (1, "Ethereum", "0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb", 18_883_000),
    "optimism": (10, "Optimism", "0xce95AfbB8EA029495c66020883F87aaE8864AF92", 130_500_000),
    "base": (8453, "Base", "0xBBBBBbbBBb9cC5e90e3b3Af64bdAF62C37EEFFCb", 13_900_000),
    "arbitrum": (42161, "Arbitrum", "0x6c247b1F6182318877311737BaC0844bAa518F5e", 296_000_000),
}
"""Morpho Blue's deployments: chain, its name, address, and a block not later than the deployment."""

PRE_LIQUIDATION = {
    "ethereum": "0x6FF33615e792E35ed1026ea7cACCf42D9BF83476",
    "optimism": "0x3d05C01EE8e97361b9E19D172128255eaE5F98B9",
    "base": "0x8cd16b62E170Ee0bA83D80e1F80E6085367e2aef",
    "arbitrum": "0x635c31B5DF1F7EFbCbC07E302335Ef4230758e3d",
}
"""The factories of pre-liquidations, each younger than the Morpho that it is for."""

OTHERS: list[dict[str, Any]] = [
    {
        "name": "ethereum-spark",
        "protocol": "aave-v3",
        "chain_id": 1,
        "chain": "Ethereum",
        "address": "0xC13e21B648A5Ee794902342038FF3aDAB66BE987",
    },
]
"""Markets of the same contracts that are not Aave's."""

FROM_BLOCKS = {1: 16_291_127, 10: 4_365_693, 137: 25_826_028, 8453: 2_357_134, 42161: 7_742_429}
"""By chain, a block before which none of its markets was deployed."""


def node() -> str:
    """Return the Node that set-up chose, else the PATH's."""
    chosen = ROOT / ".cache" / "bin" / "node"
    return str(chosen) if chosen.exists() else "node"


def built() -> str:
    """Return what the file is to hold."""
    command = [node(), str(ROOT / "scripts" / "markets.js")]
    book = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout)
    markets = [
        {
            "name": NAMES.get(one["module"], one["module"].lower()),
            "protocol": "aave-v3",
            "chain_id": one["chainId"],
            "chain": "Ethereum" if one["chainId"] == 1 else CHAINS.get(one["module"], one["module"]),
            "address": one["pool"],
        }
        for one in book["markets"]
        if not any(network in one["module"] for network in TEST_NETWORKS)
    ]
    rows = [
        {**market, "from_block": FROM_BLOCKS.get(market["chain_id"], 0)}
        for market in sorted([*markets, *OTHERS], key=lambda one: (one["chain_id"], one["name"]))
    ]
    rows += [
        {
            "name": name,
            "protocol": protocol,
            "chain_id": chain_id,
            "chain": chain,
            "address": address if protocol == "morpho" else PRE_LIQUIDATION[name],
            "from_block": from_block,
        }
        for protocol in ("morpho", "morpho-pre")
        for name, (chain_id, chain, address, from_block) in MORPHO.items()
    ]
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{{"source": {json.dumps(book["source"])}, "markets": [\n{lines}\n]}}\n'


def main() -> int:
    text = built()
    stale = not TARGET.is_file() or TARGET.read_text() != text
    if "--check" in sys.argv:
        print("stale: run scripts/build-markets" if stale else "what is built is what is there")
        return 1 if stale else 0
    if stale:
        TARGET.write_text(text)
    print("built keeper/data/markets.json" if stale else "nothing to build")
    return 0


if __name__ == "__main__":
    sys.exit(main())
