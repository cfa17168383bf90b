"""The three attacks of the demo: they empty the older design, and take nothing here."""

from __future__ import annotations

import pytest

from keeper.devnet.attacks import PROFIT_WEI, STOCK_WEI, run_attacks
from keeper.devnet.devnet import Devnet


@pytest.mark.parametrize("automine", [True, False])
def test_run_attacks__on_both_designs__empty_only_the_allow_list(automine: bool) -> None:
    with Devnet.start(automine=automine) as devnet:
        results = run_attacks(devnet)
        assert devnet.anvil.rpc("anvil_getAutomine") is automine
    assert [result.taken_wei for result in results] == [0, 0, 0]
    assert [result.taken_from_allow_list_wei for result in results] == [STOCK_WEI, STOCK_WEI, PROFIT_WEI]
