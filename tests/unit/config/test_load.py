"""Every mistake at once, by its variable's name, and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import Settings, deciding, load
from keeper.config.variable import variables
from keeper.domain.errors import ConfigError
from keeper.ports import BidForm

KEY = "0x" + "ab12" * 16
ENDPOINT = "https://eth-mainnet.example.com/v2/s3cr3t-t0ken-0123456789"
AAVE_ETHEREUM = "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
AAVE_ARBITRUM = "aave-v3:0x794a61358D6845594F94dc1DB02A252b5b4814aD"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work where no .env is."""
    monkeypatch.chdir(tmp_path)


def mistakes(environ: dict[str, str], **options: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(environ=environ, **options)  # type: ignore[arg-type]
    return caught.value.mistakes


def test_load__nothing_set__the_defaults() -> None:
    assert load(environ={}) == Settings()


def test_load__a_variable_of_another_program__passed_over() -> None:
    assert load(environ={"PATH": "/bin", "MARKETS": "x", "KEEPER_TEST_FORK_URL": "http://x"}) == Settings()


def test_load__several_mistakes__all_reported_each_by_name() -> None:
    found = mistakes(
        {
            "KEEPER_RPC_URLS": "ftp://example.com",
            "KEEPER_EXECUTOR": "0x1234",
            "KEEPER_OBJECTIVE": "max_proft",
            "KEEPER_MIN_PROFIT_WEI": "-1",
            "KEEPER_TARGET_HEALTH_FACTOR": "0.99",
            "KEEPER_MAX_SLIPAGE_BPS": "50",
        },
        needs=("KEEPER_RPC_URLS", "KEEPER_MARKETS"),
    )
    assert [mistake.partition(":")[0] for mistake in found] == [
        "KEEPER_MAX_SLIPAGE_BPS",
        "KEEPER_RPC_URLS",
        "KEEPER_EXECUTOR",
        "KEEPER_OBJECTIVE",
        "KEEPER_TARGET_HEALTH_FACTOR",
        "KEEPER_MIN_PROFIT_WEI",
        "KEEPER_MARKETS",
    ]


def test_load__unknown_variable__the_nearest_known_name() -> None:
    assert mistakes({"KEEPER_MAX_SLIPAGE_BPS": "50"}) == (
        "KEEPER_MAX_SLIPAGE_BPS: is no variable of the keeper; did you mean KEEPER_MAX_SLIPPAGE_BPS?",
    )


def test_load__unknown_variable_like_no_other__no_guess() -> None:
    assert mistakes({"KEEPER_ZZZZ": "50"}) == ("KEEPER_ZZZZ: is no variable of the keeper",)


PATHS = ("KEEPER_STATE_DIR", "KEEPER_HEARTBEAT_FILE", "KEEPER_KILL_FILE", "KEEPER_TAPE")
"""Any text is one."""


@pytest.mark.parametrize(
    "name",
    [each.name for each in variables(Settings).values() if each.name not in PATHS],
)
@pytest.mark.parametrize(
    "text", [KEY, KEY[2:], f"x{KEY}x", f"https://example.com/{KEY}", f"{ENDPOINT},{ENDPOINT}", f"x{ENDPOINT}"]
)
def test_load__a_secret_in_any_variable__never_shown(name: str, text: str) -> None:
    """A key or an endpoint's token pasted into the wrong variable is as secret as in the right one."""
    try:
        shown = repr(load(environ={name: text}))
    except ConfigError as error:
        shown = str(error)
    assert KEY[2:] not in shown
    assert "s3cr3t" not in shown


def test_load__key_and_endpoint__shown_in_no_repr() -> None:
    settings = load(
        environ={
            "KEEPER_PRIVATE_KEY": KEY,
            "KEEPER_RPC_URLS": f"{ENDPOINT},wss://user:hunter22@example.com:8546/?key=0123456789abcdef",
        }
    )
    shown = f"{settings!r} {settings} {settings.key!r} {settings.secrets}"
    for secret in (KEY, KEY[2:], "s3cr3t", "hunter22", "user", "0123456789abcdef"):
        assert secret not in shown
    assert str(settings.rpc_urls[0]) == "https://eth-mainnet.example.com/…"
    assert str(settings.rpc_urls[1]) == "wss://example.com:8546/…"
    assert settings.rpc_urls[0].url.reveal() == ENDPOINT


def test_load__env_file__read_and_overridden_by_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEEPER_TIP_BPS=10\nKEEPER_MAX_TIP_WEI=7 # seven\nOTHER=1\n")
    settings = load(environ={"KEEPER_TIP_BPS": "20"})
    assert (settings.tip_bps, settings.max_tip_wei) == (20, 7)


def test_load__environment_says_empty__the_files_key_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"KEEPER_PRIVATE_KEY={KEY}\n")
    assert load(environ={}).sends
    assert not load(environ={"KEEPER_PRIVATE_KEY": ""}).has_key


def test_load__password_with_a_dollar_in_the_file__taken_literally(tmp_path: Path) -> None:
    store = tmp_path / "key.json"
    store.write_text("{}")
    (tmp_path / ".env").write_text(f"KEEPER_KEYSTORE={store}\nKEEPER_KEYSTORE_PASSWORD='a${{HOME}}b'\n")
    password = load(environ={}).keystore_password
    assert password is not None
    assert password.reveal() == "a${HOME}b"


def test_load__named_env_file_missing__a_mistake(tmp_path: Path) -> None:
    (found,) = mistakes({}, env_file=tmp_path / "absent.env")
    assert "absent.env: can't be read" in found


def test_load__line_that_is_no_assignment__a_mistake_with_its_number(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEEPER_TIP_BPS=0\nKEEPER_MAX_TIP_WEI='7\n")
    assert mistakes({}) == (".env: line 2 can't be read; expected NAME=value",)


def test_load__variable_twice_in_the_file__a_mistake(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEEPER_TIP_BPS=0\nKEEPER_TIP_BPS=0\n")
    assert mistakes({}) == ("KEEPER_TIP_BPS: stands twice in .env",)


def test_load__key_and_keystore__one_expected(tmp_path: Path) -> None:
    store = tmp_path / "key.json"
    store.write_text("{}")
    found = mistakes({"KEEPER_PRIVATE_KEY": KEY, "KEEPER_KEYSTORE": str(store)})
    assert found == ("KEEPER_KEYSTORE: and KEEPER_PRIVATE_KEY are both set; expected one",)


def test_load__executor_is_the_vault__two_expected() -> None:
    address = "0x" + "11" * 20
    (found,) = mistakes({"KEEPER_EXECUTOR": address, "KEEPER_VAULT": address})
    assert found.startswith("KEEPER_VAULT: is the same as KEEPER_EXECUTOR")


def test_load__priority_fee_over_the_cap__a_mistake() -> None:
    (found,) = mistakes({"KEEPER_PRIORITY_FEE_WEI": "11", "KEEPER_MAX_FEE_PER_GAS_WEI": "10"})
    assert found.startswith("KEEPER_PRIORITY_FEE_WEI: is more than KEEPER_MAX_FEE_PER_GAS_WEI")


def test_load__cap_is_itself_a_mistake__said_once() -> None:
    (found,) = mistakes({"KEEPER_PRIORITY_FEE_WEI": "999999999999", "KEEPER_MAX_FEE_PER_GAS_WEI": "x"})
    assert found.startswith("KEEPER_MAX_FEE_PER_GAS_WEI: expected a whole number")


def test_load__tip_without_a_cap__a_mistake() -> None:
    (found,) = mistakes({"KEEPER_TIP_BPS": "100"})
    assert found.startswith("KEEPER_MAX_TIP_WEI: is 0")


def test_load__market_of_another_chain__found_before_any_endpoint_is_asked() -> None:
    found = mistakes({"KEEPER_CHAIN_ID": "1", "KEEPER_MARKETS": f"{AAVE_ETHEREUM},{AAVE_ARBITRUM}"})
    assert found == (
        f"KEEPER_MARKETS: {AAVE_ARBITRUM} is a market of chain 10 (Optimism) and chain 137 (Polygon) "
        "and chain 42161 (Arbitrum) and chain 43114 (Avalanche), not of chain 1 (Ethereum)",
    )


def test_load__named_market_of_another_chain__found_though_its_address_is_on_this_one_too() -> None:
    assert mistakes({"KEEPER_CHAIN_ID": "10", "KEEPER_MARKETS": "aave-v3:arbitrum"}) == (
        "KEEPER_MARKETS: aave-v3:arbitrum is a market of chain 42161 (Arbitrum), not of chain 10 (Optimism)",
    )


def test_load__named_markets_of_two_chains__those_of_one_expected() -> None:
    assert mistakes({"KEEPER_MARKETS": "aave-v3:arbitrum,aave-v3:base"}) == (
        "KEEPER_MARKETS: names markets of chain 42161 (Arbitrum) and chain 8453 (Base); "
        "expected those of one chain",
    )


def test_load__market_by_name_and_by_address__named_twice() -> None:
    (found,) = mistakes({"KEEPER_MARKETS": f"aave-v3:ethereum-core,{AAVE_ETHEREUM}"})
    assert found == f"KEEPER_MARKETS: names {AAVE_ETHEREUM} twice"


TRUSTED = {"KEEPER_RPC_URLS": "http://localhost:8545#trusted"}
STREAM = {"KEEPER_MEV_SHARE_URL": "https://stream.example.com/s3cr3t-t0ken-0123456789"}


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"KEEPER_CHANNELS": "bundle,public"}, "names public besides others"),
        ({"KEEPER_CHANNELS": "bundle", "KEEPER_RPC_URLS": "http://localhost:8545"}, "mark an endpoint"),
        ({"KEEPER_CHANNELS": "flashbot"}, "expected public, private, bundle or backrun"),
        ({"KEEPER_CHANNELS": "bundle,backrun"} | TRUSTED, "nothing tells of what that could come behind"),
        ({"KEEPER_CHANNELS": "backrun"} | TRUSTED | STREAM, "names backrun alone"),
        (
            {"KEEPER_CHANNELS": "bundle,backrun", "KEEPER_BUILDERS": "titan"} | TRUSTED | STREAM,
            "KEEPER_BUILDERS: names none that takes backruns",
        ),
        ({"KEEPER_MEV_SHARE_URL": "wss://stream.example.com"}, "begins with http:// or https://"),
        ({"KEEPER_BID_BPS": "bundle:100-9000"}, "names bundle, which KEEPER_CHANNELS does not"),
        ({"KEEPER_BID_BPS": "public:900-100"}, "expected channel:least-most in bps"),
        ({"KEEPER_BID_BPS": "public:10000-10000"}, "expected channel:least-most in bps"),
        ({"KEEPER_BID_BPS": "public"}, "expected channel:least-most in bps"),
        (
            {"KEEPER_BID_BPS": "public:0-10", "KEEPER_TIP_BPS": "1", "KEEPER_MAX_TIP_WEI": "1"},
            "bids are learned",
        ),
        ({"KEEPER_BUILDERS": "titn"}, "did you mean titan?"),
        (
            {"KEEPER_BUILDERS": "https://b.example.com#singel"},
            "expected single, cancels or backruns after the #",
        ),
        ({"KEEPER_BUILDERS": "wss://b.example.com"}, "begins with http"),
        ({"KEEPER_RELAY_KEY": KEY, "KEEPER_PRIVATE_KEY": KEY}, "KEEPER_RELAY_KEY: is the operator's key"),
    ],
)
def test_load__channels_that_can_not_be__say_what_to_do(environ: dict[str, str], said: str) -> None:
    (found,) = mistakes(environ)
    assert said in found


def test_load__backruns__the_streams_url_is_a_secret_and_bids_are_of_their_own() -> None:
    settings = load(
        environ={"KEEPER_CHANNELS": "private,backrun", "KEEPER_BID_BPS": "backrun:5000-9000"}
        | TRUSTED
        | STREAM
    )
    assert settings.mev_share_url in settings.secrets
    assert str(settings.mev_share_url) == "https://stream.example.com/…"
    assert settings.bids is None and settings.bid_form is BidForm.NONE, "elsewhere nothing is bid"
    assert settings.backrun_bids is not None and settings.backrun_bids.bounds.least_bps == 5_000
    trading = settings.trading(1)
    assert settings.planner_options(trading).max_tip_wei > 10**30


def test_load__private_channels__builders_by_name_or_url_and_their_secrets() -> None:
    settings = load(
        environ={
            "KEEPER_CHANNELS": "private,bundle",
            "KEEPER_RPC_URLS": "http://localhost:8545#trusted",
            "KEEPER_BUILDERS": "titan,https://b.example.com/s3cr3t-t0ken-0123456789#single+cancels",
            "KEEPER_RELAY_KEY": KEY,
        }
    )
    assert settings.is_private
    titan, given = settings.builders
    assert str(titan) == "titan" and titan.url.reveal() == "https://rpc.titanbuilder.xyz"
    assert (str(given), str(given.url)) == ("b.example.com", "https://b.example.com/…")
    assert given.builder.takes_private_transactions and given.builder.cancels
    assert given.url in settings.secrets and settings.relay_key in settings.secrets


def test_load__under__holds_where_neither_file_nor_environment_says_anything() -> None:
    under = {"KEEPER_MARKETS": AAVE_ETHEREUM, "KEEPER_MIN_PROFIT_WEI": "7"}
    settings = load(environ={"KEEPER_MIN_PROFIT_WEI": "8"}, under=under)
    assert [str(market) for market in settings.markets] == [AAVE_ETHEREUM]
    assert settings.min_profit_wei == 8


def test_deciding__everything_set__what_decisions_depend_on_and_nothing_secret(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"KEEPER_MARKETS={AAVE_ETHEREUM}\nKEEPER_PRIVATE_KEY={KEY}\n")
    environ = {"KEEPER_RPC_URLS": ENDPOINT, "KEEPER_MIN_PROFIT_WEI": "8", "KEEPER_TOKENS": " "}
    assert deciding(environ=environ) == {"KEEPER_MARKETS": AAVE_ETHEREUM, "KEEPER_MIN_PROFIT_WEI": "8"}


def test_variables__those_that_hold_secrets_or_paths__never_decide() -> None:
    decide = {field for field, each in variables(Settings).items() if each.decides}
    types = {name: str(kind) for name, kind in Settings.__annotations__.items()}
    told = [name for name in decide if "Secret" in types[name] or "Path" in types[name]]
    assert not told and "rpc_urls" not in decide and "builders" not in decide
