"""What logs tell of a market's configuration."""

from __future__ import annotations

from keeper.abi import load
from keeper.domain.address import Address, Hash32
from keeper.protocols.aave_v3.events import Configured, configured
from keeper.protocols.aave_v3.layout import Kept
from keeper.protocols.aave_v3.state import EMode
from keeper.query import Log
from tests.unit.protocols.aave_v3.markets import CONFIGURATOR, POOL, PROVIDER, market, reserve

_E_MODE = EMode(
    id=7,
    ltv_bps=9_000,
    liquidation_threshold_bps=9_300,
    liquidation_bonus_bps=10_100,
    collateral_bitmap=0,
    ltv_zero_bitmap=0,
)
_MARKET = market(reserve(0), e_modes=(_E_MODE,))
_TOPICS = {event.name: event.topic for event in load("aave_v3_configurator").events}
_ASSET, _A_TOKEN = Address(b"\x01" * 20), Address(b"\x02" * 20)


def log(name: str, *indexed: bytes, emitter: Address = CONFIGURATOR) -> Log:
    topics = (_TOPICS[name], *(Hash32(one.rjust(32, b"\0")) for one in indexed))
    return Log(
        emitter=emitter,
        topics=topics,
        data=b"",
        block_number=1,
        transaction=Hash32(bytes(32)),
        log_index=0,
    )


def test_configured__a_reserve_and_an_e_mode__where_to_look() -> None:
    logs = [
        log("ReserveInitialized", _ASSET, _A_TOKEN),
        log("EModeCategoryAdded", b"\x03"),
        log("ReserveInitialized", _A_TOKEN, _ASSET, emitter=POOL),
        log("ReserveInitialized", _ASSET),
    ]
    assert configured(_MARKET, logs) == Configured(listed=(Kept(_ASSET, _A_TOKEN),), e_modes=(3, 7))


def test_configured__no_log_or_one_of_the_provider__any_e_mode_may_be_another() -> None:
    replaced = log("ReserveActive", _ASSET, emitter=PROVIDER)
    assert configured(_MARKET, []).e_modes is None
    assert configured(_MARKET, [log("EModeCategoryAdded", b"\x03"), replaced]).e_modes is None
