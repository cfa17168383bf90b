from __future__ import annotations

import pytest

from keeper.devnet import accounts
from keeper.domain.address import checksum


@pytest.mark.parametrize(
    ("index", "address", "key_begins"),
    [
        (0, "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "ac0974be"),
        (1, "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "59c6995e"),
        (9, "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720", "2a871d07"),
    ],
)
def test_account__anvils_mnemonic__gives_anvils_accounts(index: int, address: str, key_begins: str) -> None:
    told = accounts.account(index)
    assert checksum(told.address) == address
    assert told.private_key.hex().startswith(key_begins)


def test_people__all__are_different() -> None:
    people = [accounts.market, accounts.owner, accounts.operator, accounts.rival, accounts.attacker]
    assert len({who().address for who in people}) == 5
    assert len({accounts.borrower_address(index) for index in range(100)}) == 100
