"""Multicall3, as viem carries it (MIT, solc 0.8.12), at the address that it has on every chain."""

from __future__ import annotations

import re

from keeper.devnet.chain import Chain, Failed
from keeper.devnet.compile import CHECKOUT
from keeper.domain.address import Address, parse_address

MULTICALL3 = parse_address("0xcA11bde05977b3631167028862bE2a173976CA11")


def place_multicall3(chain: Chain, *, market: Address) -> None:
    """Put Multicall3 where it belongs: it is created elsewhere, and its code copied."""
    source = (CHECKOUT / "node_modules" / "viem" / "constants" / "contracts.ts").read_text()
    found = re.search(r"multicall3Bytecode\s*=\s*'0x([0-9a-f]+)'", source)
    if found is None:
        raise Failed("viem does not carry Multicall3 any more")
    created = chain.receipt(chain.send(market, None, bytes.fromhex(found[1])))["contractAddress"]
    code: str = chain.rpc("eth_getCode", created, "latest")
    chain.set_code(MULTICALL3, bytes.fromhex(code.removeprefix("0x")))
