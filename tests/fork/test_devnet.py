"""The devnet is what it says: the real contracts, borrowers of every kind, a market that moves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from keeper.devnet import BLOCK_S, CHAIN_ID, Contract, Devnet
from keeper.devnet.aave import E_MODES, FLASH_PREMIUM_BPS, RESERVES, compile_aave
from keeper.devnet.artifact import Artifact
from keeper.devnet.build import GENESIS_S, SEED, build
from keeper.devnet.compile import CHECKOUT
from keeper.devnet.own import compile_own
from keeper.devnet.scenario import crash, play
from keeper.devnet.tokens import TOKENS, give
from keeper.devnet.uniswap import POOLS, pool_interface, sqrt_price_x96
from keeper.domain.address import Address, address_of
from keeper.node.anvil import Anvil
from keeper.node.blocking_rpc import RpcError

WAD = 10**18


def _contract(devnet: Devnet, name: str, address: Address) -> Contract:
    return devnet.contract(address, compile_aave()[name].interface)


def _pool(devnet: Devnet) -> Contract:
    return _contract(devnet, "PoolInstance", devnet.addresses.pool)


def _tokens(devnet: Devnet) -> dict[str, Contract]:
    interfaces = {"WETH": compile_aave()["WETH9"].interface, "USDT": compile_own()["SilentToken"].interface}
    other = compile_aave()["TestnetERC20"].interface
    return {
        symbol: devnet.contract(token, interfaces.get(symbol, other))
        for symbol, token in devnet.addresses.tokens.items()
    }


def _account_data(devnet: Devnet) -> dict[Address, tuple[int, int, int]]:
    """Return every borrower's collateral and debt in USD with eight decimals, and health factor in wad."""
    pool = _pool(devnet)
    told = {borrower: pool.call("getUserAccountData", borrower) for borrower in devnet.addresses.borrowers}
    return {borrower: (data[0], data[1], data[5]) for borrower, data in told.items()}


def _logs(devnet: Devnet, emitter: Address, first: int) -> list[Mapping[str, list[str]]]:
    query = {"address": "0x" + emitter.hex(), "fromBlock": hex(first), "toBlock": "latest"}
    logs: list[Mapping[str, list[str]]] = devnet.anvil.rpc("eth_getLogs", query)
    return logs


def _topic(signature: str) -> str:
    return "0x" + keccak(text=signature).hex()


# --- what is deployed


def test_devnet__aave__is_v36_with_its_parameters(devnet: Devnet) -> None:
    pool, there = _pool(devnet), devnet.addresses
    assert int(devnet.anvil.rpc("eth_chainId"), 16) == CHAIN_ID
    assert pool.call("POOL_REVISION") == 10
    assert pool.call("FLASHLOAN_PREMIUM_TOTAL") == FLASH_PREMIUM_BPS
    assert pool.address_of("ADDRESSES_PROVIDER") == there.provider
    assert [bytes.fromhex(token[2:]) for token in pool.call("getReservesList")] == list(there.tokens.values())
    data = _contract(devnet, "AaveProtocolDataProvider", there.data_provider)
    for symbol, reserve in RESERVES.items():
        decimals, ltv, threshold, bonus, factor, collateral, borrowing, *_ = data.call(
            "getReserveConfigurationData", there.tokens[symbol]
        )
        assert decimals == TOKENS[symbol].decimals
        assert (ltv, threshold, bonus) == (
            reserve.ltv,
            reserve.liquidation_threshold,
            reserve.liquidation_bonus,
        )
        assert factor == reserve.reserve_factor
        assert collateral and borrowing
        assert data.call("getLiquidationProtocolFee", there.tokens[symbol]) == reserve.protocol_fee
        assert data.call("getReserveData", there.tokens[symbol])[6] > 0, (
            "a borrow rate, so that interest accrues"
        )
    e_mode = pool.call("getEModeCategoryCollateralConfig", 1)
    assert e_mode == (E_MODES[1].ltv, E_MODES[1].liquidation_threshold, E_MODES[1].liquidation_bonus)
    assert _contract(devnet, "PriceOracleSentinel", there.sentinel).call("isLiquidationAllowed") is True


def test_devnet__data_providers__answer(devnet: Devnet) -> None:
    there = devnet.addresses
    ui = _contract(devnet, "UiPoolDataProviderV3", there.ui_data_provider)
    assert len(ui.call("getReservesList", there.provider)) == len(TOKENS)
    liquidations = _contract(devnet, "LiquidationDataProvider", there.liquidation_data_provider)
    told = liquidations.call("getUserPositionFullInfo", there.borrowers[0])
    assert (told[0], told[1], told[5]) == _account_data(devnet)[there.borrowers[0]]


def test_devnet__multicall3__is_at_its_address_and_answers(devnet: Devnet) -> None:
    selector = keccak(text="aggregate3((address,bool,bytes)[])")[:4]
    inner = keccak(text="getBlockNumber()")[:4]
    calls = encode(["(address,bool,bytes)[]"], [[(devnet.addresses.multicall3, False, inner)]])
    answer = devnet.chain.call(devnet.addresses.multicall3, selector + calls)
    ((succeeded, told),) = decode(["(bool,bytes)[]"], answer)[0]
    assert succeeded
    assert int.from_bytes(told) == devnet.chain.block_number()


def test_devnet__uniswap__pools_are_priced_and_deep_enough(devnet: Devnet) -> None:
    path = "node_modules/@uniswap/swap-router-contracts/artifacts/contracts/lens/QuoterV2.sol/QuoterV2.json"
    quoter = devnet.contract(devnet.addresses.quoter, Artifact.from_hardhat(CHECKOUT / path).interface)

    def impact(symbol: str, into: str, fee_pips: int, usd: float) -> float:
        tokens = devnet.addresses.tokens
        order = (tokens[symbol], tokens[into], TOKENS[symbol].raw(usd), fee_pips, 0)
        out_raw: int = quoter.call("quoteExactInputSingle", order)[0]
        return 1 - out_raw / TOKENS[into].raw(usd) - fee_pips / 1e6

    assert len(devnet.addresses.pools) == len(POOLS)
    assert impact("WETH", "USDC", 500, 10e3) < 0.001
    assert 0.01 < impact("WETH", "USDC", 500, 2.5e6) < 0.06
    assert 0.01 < impact("WBTC", "USDC", 3000, 1e6) < 0.06
    assert impact("wstETH", "WETH", 100, 1e6) < 0.002


# --- who is there


def test_devnet__borrowers__are_healthy_and_found_by_events(devnet: Devnet) -> None:
    people = _account_data(devnet)
    healths = sorted(health / WAD for *_, health in people.values())
    assert len(people) >= 40
    assert 1.0199 < healths[0] < 1.03
    assert 1.6 < healths[-1] < 2
    assert min(collateral for collateral, *_ in people.values()) < 60e8
    assert max(collateral for collateral, *_ in people.values()) > 4e14
    borrow = _topic("Borrow(address,address,address,uint256,uint8,uint256,uint16)")
    logs = _logs(devnet, devnet.addresses.pool, devnet.addresses.deployment_block)
    found = {address_of(bytes.fromhex(log["topics"][2][2:])) for log in logs if log["topics"][0] == borrow}
    assert found == set(people)


def test_devnet__deployment_block__is_where_the_pools_events_begin(devnet: Devnet) -> None:
    first = devnet.addresses.deployment_block
    assert _logs(devnet, devnet.addresses.pool, first) == _logs(devnet, devnet.addresses.pool, 0) != []


def test_build__same_seed_twice__gives_the_same_chain(devnet: Devnet, tmp_path: Path) -> None:
    build(tmp_path, seed=SEED, borrowers=len(devnet.addresses.borrowers))
    with Anvil(load_state=tmp_path / "state.json") as anvil:
        again = anvil.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    assert again == devnet.anvil.rpc("eth_getBlockByNumber", "latest", False)["hash"]


def test_start__another_seed__other_positions(devnet: Devnet) -> None:
    with Devnet.start(seed=2, borrowers=40) as other:
        assert len(other.addresses.borrowers) == 40
        assert sorted(_account_data(other).values()) != sorted(_account_data(devnet).values())


# --- time


def test_devnet__automine__blocks_are_12_s_apart(devnet: Devnet) -> None:
    start_s = devnet.now_s
    assert start_s > GENESIS_S
    devnet.set_price("WETH", 2_999 * 10**8)
    assert devnet.now_s == start_s + BLOCK_S
    devnet.mine()
    assert devnet.now_s == start_s + 2 * BLOCK_S
    devnet.mine(at_s=start_s + 1_000)
    assert devnet.now_s == start_s + 1_000


def test_manual_devnet__nothing_is_mined_until_told(manual_devnet: Devnet) -> None:
    number = manual_devnet.chain.block_number()
    manual_devnet.set_price("WETH", 2_000 * 10**8)
    assert manual_devnet.chain.block_number() == number
    assert manual_devnet.price_base("WETH") == 3_000 * 10**8
    assert manual_devnet.mine() == number + 1
    assert manual_devnet.price_base("WETH") == 2_000 * 10**8


# --- the market


def test_set_price__emits_what_chainlink_emits__and_aave_reads_it(devnet: Devnet) -> None:
    devnet.set_price("WBTC", 80_000 * 10**8)
    logs = _logs(devnet, devnet.addresses.aggregators["WBTC"], devnet.chain.block_number())
    assert [log["topics"][0] for log in logs] == [
        _topic("NewTransmission(uint32,int192,address,uint32,int192[],bytes,int192,bytes32,uint40)"),
        _topic("NewRound(uint256,address,uint256)"),
        _topic("AnswerUpdated(int256,uint256,uint256)"),
    ]
    assert [int(topic, 16) for topic in logs[2]["topics"][1:]] == [80_000 * 10**8, 2]
    oracle = _contract(devnet, "AaveOracle", devnet.addresses.oracle)
    assert oracle.call("getAssetPrice", devnet.addresses.tokens["WBTC"]) == 80_000 * 10**8
    proxy = devnet.contract(devnet.addresses.feeds["WBTC"], compile_own()["FeedProxy"].interface)
    assert proxy.address_of("aggregator") == devnet.addresses.aggregators["WBTC"]
    assert proxy.call("latestRoundData")[:2] == ((1 << 64) + 2, 80_000 * 10**8)
    assert proxy.call("getRoundData", (1 << 64) + 1)[1] == TOKENS["WBTC"].price_base


def test_set_price__zero__aaves_oracle_reverts(devnet: Devnet) -> None:
    devnet.set_price("WETH", 0)
    oracle = _contract(devnet, "AaveOracle", devnet.addresses.oracle)
    with pytest.raises(RpcError, match="revert"):
        oracle.call("getAssetPrice", devnet.addresses.weth)


@pytest.mark.parametrize("automine", [True, False])
def test_market_block__prices_given__feeds_and_pools_move_in_one_block(automine: bool) -> None:
    with Devnet.start(automine=automine) as devnet:
        start_s, before = devnet.now_s, devnet.chain.block_number()
        number = devnet.market_block(
            {"WETH": 2_500 * 10**8, "wstETH": 2_950 * 10**8}, base_fee_wei=20 * 10**9
        )
        assert number == before + 1
        assert devnet.now_s == start_s + BLOCK_S
        head = devnet.anvil.rpc("eth_getBlockByNumber", "latest", False)
        assert int(head["baseFeePerGas"], 16) == 20 * 10**9
        prices = devnet.prices_base()
        assert prices["WETH"] == 2_500 * 10**8 and prices["WBTC"] == TOKENS["WBTC"].price_base
        tokens = devnet.addresses.tokens
        for key, address in devnet.addresses.pools.items():
            token_0, token_1 = sorted((key.base, key.quote), key=lambda symbol: tokens[symbol])
            slot0 = devnet.contract(address, pool_interface()).call("slot0")
            assert slot0[0] == sqrt_price_x96(token_0, token_1, prices), key
        assert devnet.keeper_block() == number + 1
        assert devnet.now_s == start_s + 2 * BLOCK_S


def test_arbitrage__to_other_prices__moves_pools_not_feeds(devnet: Devnet) -> None:
    devnet.arbitrage({"WETH": 2_800 * 10**8})
    assert devnet.price_base("WETH") == 3_000 * 10**8
    tokens = devnet.addresses.tokens
    key = POOLS[0].key
    token_0, token_1 = sorted((key.base, key.quote), key=lambda symbol: tokens[symbol])
    slot0 = devnet.contract(devnet.addresses.pools[key], pool_interface()).call("slot0")
    assert slot0[0] == sqrt_price_x96(token_0, token_1, {**devnet.prices_base(), "WETH": 2_800 * 10**8})


def test_crash__played__many_fall_at_different_steps_and_one_is_bad_debt() -> None:
    with Devnet.start(automine=False) as devnet:
        fallen: dict[Address, int] = {}
        deepest = WAD
        for number, step in enumerate(play(devnet, crash(SEED))):
            for borrower, (collateral, debt, health) in _account_data(devnet).items():
                if health < WAD and borrower not in fallen:
                    fallen[borrower] = number
                    deepest = min(deepest, health)
                    if borrower == devnet.addresses.borrowers[0]:
                        assert collateral < debt, "one jump makes it bad debt"
            assert devnet.price_base("WETH") == step.prices_base["WETH"]
        print(f"fallen below 1: {len(fallen)} borrowers, at steps {sorted(fallen.values())}")
        assert 15 <= len(fallen) <= 30
        assert len(set(fallen.values())) >= 6
        assert deepest < 0.95 * WAD
        assert devnet.addresses.borrowers[0] in fallen


def test_liquidation__of_the_first_borrower__leaves_a_deficit(devnet: Devnet) -> None:
    borrower, rival = devnet.addresses.borrowers[0], devnet.rival.address
    devnet.market_block({"wstETH": int(TOKENS["wstETH"].price_base * 0.922)})
    tokens, pool = _tokens(devnet), _pool(devnet)
    give(tokens, "WETH", TOKENS["WETH"].raw(1e6), to=rival, market=devnet.market.address)
    tokens["WETH"].send("approve", pool, 2**256 - 1, sender=rival)
    pool.send("liquidationCall", tokens["wstETH"], tokens["WETH"], borrower, 2**256 - 1, False, sender=rival)
    topics = {log["topics"][0] for log in _logs(devnet, pool.address, devnet.chain.block_number())}
    assert _topic("DeficitCreated(address,address,uint256)") in topics
    assert _account_data(devnet)[borrower][:2] == (0, 0)


def test_liquidation__of_debt_in_a_token_that_returns_nothing__succeeds(devnet: Devnet) -> None:
    borrower, rival = Address(b"\xb0" * 20), devnet.rival.address
    tokens, pool = _tokens(devnet), _pool(devnet)
    devnet.anvil.rpc("anvil_impersonateAccount", "0x" + borrower.hex())
    devnet.chain.set_balance(borrower, 10**20)
    give(tokens, "WETH", 10**18, to=borrower, market=devnet.market.address)
    tokens["WETH"].send("approve", pool, 10**18, sender=borrower)
    pool.send("supply", tokens["WETH"], 10**18, borrower, 0, sender=borrower)
    pool.send("borrow", tokens["USDT"], 2_400 * 10**6, 2, 0, borrower, sender=borrower)
    devnet.set_price("WETH", 2_700 * 10**8)
    give(tokens, "USDT", 3_000 * 10**6, to=rival, market=devnet.market.address)
    tokens["USDT"].send("approve", pool, 3_000 * 10**6, sender=rival)
    pool.send("liquidationCall", tokens["WETH"], tokens["USDT"], borrower, 2**256 - 1, False, sender=rival)
    assert tokens["WETH"].call("balanceOf", rival) > 0


# --- forked


def test_fork__of_a_devnet__sees_the_same_market(devnet: Devnet) -> None:
    devnet.set_price("WETH", 2_900 * 10**8)
    with Anvil(fork_url=devnet.anvil.url) as fork:
        call = {"to": "0x" + devnet.addresses.pool.hex()}
        call["data"] = (
            "0x" + _pool(devnet).interface.encode("getUserAccountData", devnet.addresses.borrowers[3]).hex()
        )
        assert fork.rpc("eth_call", call, "latest") == devnet.anvil.rpc("eth_call", call, "latest")
