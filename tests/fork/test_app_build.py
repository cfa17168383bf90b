"""What is joined is what was configured, on a chain that the settings meet for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.app.build import assemble
from keeper.config import load
from keeper.devnet import Devnet
from keeper.devnet.variables import variables
from keeper.domain.address import checksum, parse_address
from keeper.query import Call

pytestmark = pytest.mark.asyncio

UNLISTED = parse_address("0x4200000000000000000000000000000000000006")


async def test_assemble__wrapped_native_is_neither_listed_nor_hopped_through__its_pools_are_looked_for(
    devnet: Devnet, tmp_path: Path
) -> None:
    there = variables(devnet) | {
        "KEEPER_WRAPPED_NATIVE": checksum(UNLISTED),
        "KEEPER_INTERMEDIATES": checksum(devnet.addresses.tokens["USDC"]),
    }
    (tmp_path / ".env").touch()
    settings = load(env_file=tmp_path / ".env", environ=there)
    async with assemble(settings) as keeper:
        head = await keeper.endpoints.block("latest")
        asked = next(keeper.watcher.depths[0].advance(head, ()))
    assert any(isinstance(ask, Call) and ask.data.count(UNLISTED) for ask in asked)
