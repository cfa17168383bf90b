"""Who built a block, by what it says of itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.builders import BUILDERS, built_by
from tests.unit.render.reports import HEAD


@pytest.mark.parametrize(
    ("extra_data", "name"),
    [
        (b"Titan (titanbuilder.xyz)", "Titan"),
        (b"BuilderNet (Flashbots)", "BuilderNet"),
        (b"Quasar (quasar.win)", "Quasar"),
        (b"somebody new", "somebody new"),
        (b"", "0x" + HEAD.coinbase.hex()),
        (b"\xd8\x83\x01\x0e\x08", "0x" + HEAD.coinbase.hex()),
    ],
)
def test_built_by__extra_data__a_name_or_the_fee_recipient(extra_data: bytes, name: str) -> None:
    assert built_by(replace(HEAD, extra_data=extra_data)) == name


def test_builders__names__one_each_with_a_url() -> None:
    assert len({one.name for one in BUILDERS}) == len(BUILDERS)
    assert all(one.url.startswith("https://") for one in BUILDERS)
