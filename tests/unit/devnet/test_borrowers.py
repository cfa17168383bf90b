from __future__ import annotations

import pytest

from keeper.devnet.aave import E_MODES, RESERVES
from keeper.devnet.borrowers import LEAST, LEAST_HEALTH, MOST_HEALTH, Leg, Position, draw
from keeper.devnet.tokens import TOKENS

_SEEDS = range(8)


def _usd(legs: tuple[Leg, ...]) -> float:
    return (
        sum(leg.raw * TOKENS[leg.symbol].price_base / 10 ** TOKENS[leg.symbol].decimals for leg in legs) / 1e8
    )


def _health(position: Position) -> float:
    thresholds = {
        leg.symbol: (
            E_MODES[position.e_mode] if position.e_mode else RESERVES[leg.symbol]
        ).liquidation_threshold
        for leg in position.collaterals
    }
    return sum(_usd((leg,)) * thresholds[leg.symbol] / 1e4 for leg in position.collaterals) / _usd(
        position.debts
    )


@pytest.mark.parametrize("seed", _SEEDS)
def test_draw__any_seed__every_kind_and_size_comes_up(seed: int) -> None:
    positions = draw(seed, LEAST)
    sizes_usd = [_usd(position.collaterals) for position in positions]
    assert len(positions) == LEAST
    assert sum(len(position.collaterals) > 1 for position in positions) >= 8
    assert sum(len(position.debts) > 1 for position in positions) >= 6
    assert sum(position.e_mode == 1 for position in positions) >= 4
    assert sum(position.debts[0].symbol in ("WETH", "WBTC", "wstETH") for position in positions) >= 8
    assert min(sizes_usd) < 60 and max(sizes_usd) > 4e6
    assert sum(900 < size < 2_600 for size in sizes_usd) >= 5
    assert sum(size > 700e3 for size in sizes_usd) >= 5


@pytest.mark.parametrize("seed", _SEEDS)
def test_draw__any_seed__healths_are_in_range(seed: int) -> None:
    healths = [_health(position) for position in draw(seed, 60)]
    assert LEAST_HEALTH < min(healths) < 1.03
    assert 1.6 < max(healths) < MOST_HEALTH


def test_draw__same_seed__same_positions() -> None:
    assert draw(7, 50) == draw(7, 50)
    assert draw(7, 50) != draw(8, 50)


def test_draw__too_few__raises() -> None:
    with pytest.raises(ValueError, match="39 borrowers: at least 40"):
        draw(1, 39)
