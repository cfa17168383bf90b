"""The markets that ship with the keeper: what the script builds, every name once, every chain by its name."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from keeper.chains import CHAINS, PROTOCOLS
from keeper.domain.address import parse_address
from keeper.markets import directory

_CHECKOUT = Path(__file__).resolve().parents[2]


def test_data__address_book__is_what_the_script_builds() -> None:
    script = [sys.executable, _CHECKOUT / "scripts" / "_build_markets.py", "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "what is built is what is there"), done.stderr


def test_directory__names_and_places__each_once() -> None:
    markets = directory().markets
    assert Counter((one.protocol, one.name) for one in markets).most_common(1)[0][1] == 1
    assert Counter((one.protocol, one.chain_id, one.address) for one in markets).most_common(1)[0][1] == 1
    assert {one.protocol for one in markets} <= set(PROTOCOLS)


def test_directory__chains__called_as_elsewhere() -> None:
    known = {one.chain_id: one.chain for one in directory().markets}
    assert known.items() >= {chain_id: chain.name for chain_id, chain in CHAINS.items()}.items()


def test_directory__source__says_package_and_version() -> None:
    assert directory().source == "@aave-dao/aave-address-book 4.68.1"


@pytest.mark.parametrize(
    ("name", "chain_id", "address"),
    [
        ("ethereum-core", 1, "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"),
        ("ethereum-prime", 1, "0x4e033931ad43597d96D6bcc25c280717730B58B1"),
        ("ethereum-spark", 1, "0xC13e21B648A5Ee794902342038FF3aDAB66BE987"),
        ("base", 8453, "0xA238Dd80C259a72e81d7e4664a9801593F98d1c5"),
        ("arbitrum", 42161, "0x794a61358D6845594F94dc1DB02A252b5b4814aD"),
        ("optimism", 10, "0x794a61358D6845594F94dc1DB02A252b5b4814aD"),
    ],
)
def test_named__well_known_market__its_chain_and_address(name: str, chain_id: int, address: str) -> None:
    found = directory().named("aave-v3", name)
    assert found is not None
    assert (found.chain_id, found.address) == (chain_id, parse_address(address))
    assert found in directory().at("aave-v3", found.address)
    assert name in directory().names("aave-v3")


def test_at__address_on_several_chains__one_market_each() -> None:
    found = directory().at("aave-v3", parse_address("0x794a61358D6845594F94dc1DB02A252b5b4814aD"))
    assert {one.chain_id for one in found} == {10, 137, 42161, 43114}
