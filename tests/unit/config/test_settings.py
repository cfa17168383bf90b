"""What follows from the variables: the rooms' options, and what holds on which chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.chains import TRADING
from keeper.config import Keystore, RawKey, load
from keeper.domain.address import parse_address
from keeper.domain.errors import ConfigError
from keeper.domain.plan import Objective
from keeper.domain.token_rules import TokenClass, TokenRules
from keeper.places import Place
from keeper.planner.options import PlannerOptions

KEY = "0x" + "AB12" * 16
UNKNOWN_CHAIN = 31337
AAVE_ETHEREUM = "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
ONE, TWO, THREE = ("0x" + digit * 40 for digit in "123")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where no .env is."""
    monkeypatch.chdir(tmp_path)


def test_planner_options__nothing_set__the_planners_own_defaults() -> None:
    options = load(environ={}).planner_options(TRADING[1])
    assert options == PlannerOptions(intermediates=TRADING[1].intermediates)


def test_planner_options__all_set__each_where_it_belongs() -> None:
    settings = load(
        environ={
            "KEEPER_OBJECTIVE": "restore_health",
            "KEEPER_MAX_CLOSE_KEEP_BPS": "1",
            "KEEPER_TARGET_HEALTH_FACTOR": "1.000000000000000003",
            "KEEPER_MIN_PROFIT_WEI": "4",
            "KEEPER_MIN_PROFIT_GAS_RATIO": "1.0005",
            "KEEPER_MIN_PROFIT_BPS": "6",
            "KEEPER_MAX_SLIPPAGE_BPS": "7",
            "KEEPER_FLOOR_TOLERANCE_BPS": "8",
            "KEEPER_MAX_ORACLE_DIVERGENCE_BPS": "9",
            "KEEPER_MAX_FEE_PER_GAS_WEI": "11",
            "KEEPER_PRIORITY_FEE_WEI": "10",
            "KEEPER_TIP_BPS": "12",
            "KEEPER_MAX_TIP_WEI": "13",
            "KEEPER_DENY_BORROWERS": ONE,
            "KEEPER_TOKENS": f"{TWO}:never",
            "KEEPER_INTERMEDIATES": THREE,
        }
    )
    assert settings.planner_options(settings.trading(1)) == PlannerOptions(
        objective=Objective.RESTORE_HEALTH,
        max_close_keep_bps=1,
        target_health_factor_wad=10**18 + 3,
        min_profit_wei=4,
        min_profit_gas_ratio_bps=10_005,
        min_profit_bps=6,
        max_slippage_bps=7,
        floor_tolerance_bps=8,
        max_oracle_divergence_bps=9,
        max_fee_per_gas_wei=11,
        priority_fee_wei=10,
        tip_bps=12,
        max_tip_wei=13,
        deny_borrowers=frozenset({parse_address(ONE)}),
        tokens=TokenRules(named=frozenset({(parse_address(TWO), TokenClass.NEVER)})),
        intermediates=(parse_address(THREE),),
    )


def test_chain__known__its_name_and_block_time() -> None:
    chain = load(environ={}).chain(8453)
    assert (chain.name, chain.block_time_s) == ("Base", 2)


def test_chain__unknown__twelve_seconds_or_what_is_set() -> None:
    assert load(environ={}).chain(UNKNOWN_CHAIN).block_time_s == 12
    assert load(environ={"KEEPER_BLOCK_TIME_S": "1"}).chain(UNKNOWN_CHAIN).block_time_s == 1


def test_chain__endpoint_elsewhere_than_expected__both_mistakes() -> None:
    settings = load(environ={"KEEPER_CHAIN_ID": "1", "KEEPER_MARKETS": AAVE_ETHEREUM})
    with pytest.raises(ConfigError) as caught:
        settings.chain(10)
    assert caught.value.mistakes == (
        "KEEPER_CHAIN_ID: expected chain 1 (Ethereum), but the endpoint is on chain 10 (Optimism)",
        f"KEEPER_MARKETS: {AAVE_ETHEREUM} is a market of chain 1 (Ethereum), not of chain 10 (Optimism)",
    )


def test_trading__unknown_chain__every_variable_that_is_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={}).trading(UNKNOWN_CHAIN)
    assert [mistake.partition(":")[0] for mistake in caught.value.mistakes] == [
        "KEEPER_WRAPPED_NATIVE",
        "KEEPER_VENUES",
    ]


def test_trading__unknown_chain_configured__hops_through_the_wrapped_native_token() -> None:
    trading = load(
        environ={
            "KEEPER_WRAPPED_NATIVE": ONE,
            "KEEPER_VENUES": f"uniswap-v3:{TWO}:{THREE},erc4626",
        }
    ).trading(UNKNOWN_CHAIN)
    assert trading.wrapped_native == parse_address(ONE)
    pools = Place(kind="uniswap-v3", addresses=(parse_address(TWO), parse_address(THREE)))
    assert trading.venues == (pools, Place(kind="erc4626"))
    assert trading.lenders == ()
    assert trading.intermediates == (parse_address(ONE),)


def test_trading__known_chain__what_is_set_comes_first() -> None:
    trading = load(environ={"KEEPER_VENUES": "erc4626"}).trading(1)
    assert trading.venues == (Place(kind="erc4626"),)
    assert trading.lenders == TRADING[1].lenders


def test_trading__lenders__those_set_else_those_watched_known_and_the_vault() -> None:
    watched = {"KEEPER_MARKETS": AAVE_ETHEREUM, "KEEPER_VAULT": ONE}
    pool = parse_address(AAVE_ETHEREUM.removeprefix("aave-v3:"))
    assert load(environ=watched).trading(1).lenders == (
        Place(kind="aave-v3", addresses=(pool,)),
        *TRADING[1].lenders,
        Place(kind="vault"),
    )
    only = load(environ={**watched, "KEEPER_LENDERS": f"morpho:{TWO},vault"}).trading(1)
    assert only.lenders == (Place(kind="morpho", addresses=(parse_address(TWO),)), Place(kind="vault"))


@pytest.mark.parametrize(
    ("variable", "value", "mistake"),
    [
        ("KEEPER_VENUES", "uniswap-v9", "got 'uniswap-v9'"),
        ("KEEPER_VENUES", f"uniswap-v2:{ONE}", "expected uniswap-v2:<factory>:<router>, got 1 addresses"),
        ("KEEPER_VENUES", f"erc4626:{ONE}", "expected erc4626, got 1 addresses"),
        ("KEEPER_VENUES", "erc4626,erc4626", "twice"),
        ("KEEPER_LENDERS", "morpho:0x12", "is not an address"),
        ("KEEPER_LENDERS", f"slipstream:{ONE}", "expected one of aave-v3, balancer-v2, morpho"),
    ],
)
def test_trading__place_that_is_none__says_what_was_expected(variable: str, value: str, mistake: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(environ={variable: value})
    (told,) = caught.value.mistakes
    assert told.startswith(f"{variable}: ") and mistake in told


@pytest.mark.parametrize(
    ("market", "chain_id", "expected"),
    [
        (f"{AAVE_ETHEREUM}@20000000", 1, 20_000_000),  # as given
        (f"{AAVE_ETHEREUM}@0", 1, 0),  # given too
        (AAVE_ETHEREUM, 1, 16_291_127),  # known
        ("aave-v3:ethereum-core", 1, 16_291_127),  # named
        ("aave-v3:gnosis", 100, 0),  # its deployment is not known
        (f"aave-v3:{ONE}", 1, 0),  # not known
    ],
)
def test_start_block__given_known_or_neither__as_expected(market: str, chain_id: int, expected: int) -> None:
    settings = load(environ={"KEEPER_MARKETS": market})
    assert settings.start_block(settings.markets[0], chain_id) == expected


def test_sends__key_and_dry_run__only_with_the_one_without_the_other() -> None:
    assert not load(environ={}).sends
    assert load(environ={"KEEPER_PRIVATE_KEY": KEY}).sends
    assert not load(environ={"KEEPER_PRIVATE_KEY": KEY, "KEEPER_DRY_RUN": "true"}).sends


def test_key__raw__in_lower_case_with_its_prefix() -> None:
    for text in (KEY, KEY[2:]):
        key = load(environ={"KEEPER_PRIVATE_KEY": text}).key
        assert isinstance(key, RawKey)
        assert key.private_key.reveal() == KEY.lower()


def test_key__keystore_with_a_password_file__its_first_line(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    (tmp_path / "password").write_text("open sesame\n")
    key = load(
        environ={
            "KEEPER_KEYSTORE": str(tmp_path / "key.json"),
            "KEEPER_KEYSTORE_PASSWORD_FILE": str(tmp_path / "password"),
        }
    ).key
    assert isinstance(key, Keystore)
    assert key.password.reveal() == "open sesame"
    assert "sesame" not in repr(key)


def test_public_allowed_on__ethereum__only_where_allowed() -> None:
    assert not load(environ={}).public_allowed_on(1)
    assert load(environ={"KEEPER_ALLOW_PUBLIC": "true"}).public_allowed_on(1)
    assert load(environ={}).public_allowed_on(8453)


def test_heartbeat__not_set__in_the_state_directory() -> None:
    assert load(environ={"KEEPER_STATE_DIR": "/x"}).heartbeat == Path("/x/heartbeat")
    assert load(environ={"KEEPER_HEARTBEAT_FILE": "/y"}).heartbeat == Path("/y")
