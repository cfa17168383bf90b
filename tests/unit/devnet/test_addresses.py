from __future__ import annotations

from dataclasses import fields

from keeper.devnet.addresses import Addresses, PoolKey
from keeper.domain.address import Address

_ONE, _OTHER = Address(b"\x01" * 20), Address(b"\xab" * 20)


def _addresses() -> Addresses:
    by_symbol = {"tokens", "a_tokens", "debt_tokens", "feeds", "aggregators"}
    told: dict[str, object] = {field.name: _ONE for field in fields(Addresses)}
    told.update({name: {"WETH": _ONE, "USDC": _OTHER} for name in by_symbol})
    told["pools"] = {PoolKey("WETH", "USDC", 500): _OTHER}
    told["borrowers"] = (_ONE, _OTHER)
    told["deployment_block"] = 7
    return Addresses(**told)  # type: ignore[arg-type]


def test_from_json__what_to_json_wrote__is_equal() -> None:
    addresses = _addresses()
    read = Addresses.from_json(addresses.to_json())
    assert read == addresses
    assert read.weth == _ONE
    assert read.pools[PoolKey("WETH", "USDC", 500)] == _OTHER
