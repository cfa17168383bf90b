"""Reports made up for the renderers: figures that are easy to follow, one value of every kind."""

from __future__ import annotations

from keeper.domain.address import Address, Hash32, parse_address
from keeper.domain.declined import Declined, Reason
from keeper.domain.depth import Flow, Hop, Route
from keeper.domain.head import Head
from keeper.domain.observation import Skipped
from keeper.domain.plan import Close, Draft, Fees, Objective, Plan, Transaction, Waterfall
from keeper.domain.position import DOLLARS, DeclinedPair, Health, Holding, Interval
from keeper.domain.report import Closable, DeployReport, Lender, PairReport, PlanReport, ScanReport, ScanRow
from keeper.domain.submission import Included, Reverted, SignedTransaction, Submission
from keeper.domain.token import Token, TokenAmount

WETH = Token(address=parse_address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"), symbol="WETH", decimals=18)
USDC = Token(address=parse_address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), symbol="USDC", decimals=6)
WBTC = Token(address=parse_address("0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"), symbol="WBTC", decimals=8)
BORROWER = parse_address("0x1111111111111111111111111111111111111abc")
MARKET = "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"
USD = 10**8
WEI = 10**18

HEAD = Head(
    number=21_000_000,
    hash=Hash32(b"\x11" * 32),
    parent=Hash32(b"\x10" * 32),
    timestamp_s=1_700_000_000,
    base_fee_wei=12_345_000_000,
    gas_used=15_000_000,
    gas_limit=30_000_000,
    coinbase=Address(bytes(20)),
)


def of(token: Token, whole: str) -> TokenAmount:
    """Return so much of a token, written as a decimal."""
    integer, _, fraction = whole.partition(".")
    return TokenAmount(token=token, raw=int(integer + fraction.ljust(token.decimals, "0")))


def valued(token: Token, whole: str, dollars: int) -> Holding:
    return Holding(amount=of(token, whole), value_base=dollars * USD)


BUY = Route(
    hops=(
        Hop(
            pool=Address(b"\x05" * 20),
            venue="uniswap-v3",
            token_in=WETH.address,
            token_out=USDC.address,
            fee_ppm=500,
        ),
    )
)
TWO_HOPS = Route(
    hops=(
        Hop(
            pool=Address(b"\x06" * 20),
            venue="uniswap-v3",
            token_in=WBTC.address,
            token_out=WETH.address,
            fee_ppm=3000,
        ),
        Hop(
            pool=Address(b"\x05" * 20),
            venue="uniswap-v3",
            token_in=WETH.address,
            token_out=USDC.address,
            fee_ppm=100,
        ),
    )
)


def close(*, repaid: str, seized: TokenAmount, bonus: int, impact: int, gas_wei: int, buy: Route) -> Close:
    return Close(
        repaid=of(USDC, repaid),
        seized=seized,
        owed=of(USDC, "2418331.074512"),
        buys=(Flow(route=buy, amounts_raw=(seized.raw - 1,) * len(buy.hops) + (of(USDC, repaid).raw,)),),
        sells=(),
        flash_fee=of(USDC, "604.582768"),
        waterfall=Waterfall(
            bonus_wei=bonus * WEI // 1000,
            price_impact_wei=impact * WEI // 1000,
            flash_fee_wei=241_833_107_451_200_000,
            gas_wei=gas_wei,
        ),
        health_factor_after_wad=996_412_000_000_000_000,
    )


MOST = close(
    repaid="1209165.537256", seized=of(WETH, "507.849525647520000000"), bonus=24_183, impact=9_120,
    gas_wei=6_791_000_000_000_000, buy=BUY,
)  # fmt: skip
HALF = close(
    repaid="602113.000001", seized=of(WETH, "252.887460000420000000"), bonus=12_042, impact=2_240,
    gas_wei=6_791_000_000_000_000, buy=BUY,
)  # fmt: skip
SMALL = close(
    repaid="12.5", seized=of(WBTC, "0.00021"), bonus=1, impact=0, gas_wei=0, buy=TWO_HOPS,
)  # fmt: skip

PLAN = Plan(
    draft=Draft(
        market=MARKET,
        borrower=BORROWER,
        health_factor_wad=981_234_567_890_123_456,
        objective=Objective.MAX_PROFIT,
        closes=(HALF,),
        waterfall=HALF.waterfall,
        funding="aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2",
        pools=frozenset({Address(b"\x05" * 20)}),
        floor_wei=9_082_000_000_000_000_000,
        deadline_s=1_700_000_036,
        transaction=Transaction(to=Address(b"\xee" * 20), data=bytes(68)),
    ),
    gas_used=512_345,
    waterfall=HALF.waterfall,
    fees=Fees(
        gas_limit=768_518, max_fee_per_gas_wei=25_690_000_000, max_priority_fee_per_gas_wei=1_000_000_000
    ),
)
UNPROFITABLE = Declined(
    reason=Reason.UNPROFITABLE, detail="-0.003211 after 0.006791 of gas, where 0.001358 is the least"
)
PAUSED = DeclinedPair(
    collateral=WBTC, debt=USDC, why=Declined(reason=Reason.PAUSED, detail="the WBTC reserve is paused")
)
HEALTH = Health(
    health_factor_wad=981_234_567_890_123_456, collateral_base=3_102_771 * USD, debt_base=2_418_331 * USD
)


def lender(
    name: str,
    *,
    lends: str = "5000000",
    fee: str = "0",
    gas: int = 0,
    sold_into: bool = False,
    taken: bool = False,
) -> Lender:
    """Return a way to pay for half of the debt."""
    return Lender(
        name=name,
        borrowed=HALF.repaid,
        available_raw=of(USDC, lends).raw,
        fee_raw=of(USDC, fee).raw,
        gas=gas,
        sold_into=sold_into,
        taken=taken,
    )


PLAN_REPORT = PlanReport(
    head=HEAD,
    block=HEAD.next_block(block_time_s=12),
    market=MARKET,
    borrower=BORROWER,
    health=HEALTH,
    currency=DOLLARS,
    native=WETH,
    objective=Objective.MAX_PROFIT,
    pairs=(
        PairReport(
            collateral=WETH,
            debt=USDC,
            feasible=(
                Interval(least_raw=1, most_raw=1_208_165_537_256),
                Interval(least_raw=1_209_165_537_256, most_raw=1_209_165_537_256),
            ),
            lenders=(
                lender(
                    "aave-v3:0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2",
                    gas=63_000,
                    fee="604.582768",
                    taken=True,
                ),
                lender("uniswap-v3-flash", gas=41_000, fee="602.113"),
                lender("balancer-v2:0xBA12222222228d8Ba445958a75a0704d566BF2C8", lends="200000"),
                lender("pancake-v3-flash", sold_into=True),
            ),
            max_profit=HALF,
            max_close=MOST,
            restore_health=Declined(reason=Reason.DUST, detail="no feasible repay brings health to 1.02"),
        ),
        PairReport(
            collateral=WBTC,
            debt=USDC,
            feasible=(Interval(least_raw=1, most_raw=12_500_000),),
            lenders=(),
            max_profit=UNPROFITABLE,
            max_close=UNPROFITABLE,
            restore_health=SMALL,
        ),
    ),
    declined=(PAUSED,),
    symbols={token.address: token.symbol for token in (WETH, USDC, WBTC)},
    decision=PLAN,
)

SCAN_REPORT = ScanReport(
    head=HEAD,
    below_wad=1_050_000_000_000_000_000,
    borrowers=48_213,
    rows=(
        ScanRow(
            market=MARKET,
            borrower=BORROWER,
            health=HEALTH,
            currency=DOLLARS,
            collateral=(
                valued(WETH, "1207.394512087654321012", 2_897_746),
                valued(WBTC, "3.41701223", 205_025),
            ),
            debt=(valued(USDC, "2418331.074512", 2_418_331),),
            closable=(
                Closable(
                    repaid=valued(USDC, "1209165.537256", 1_209_165),
                    seized=valued(WETH, "528.989091000000000000", 1_269_623),
                ),
                Closable(
                    repaid=valued(USDC, "195270.3", 195_270), seized=valued(WBTC, "3.41701223", 205_025)
                ),
            ),
            declined=(),
        ),
        ScanRow(
            market=MARKET,
            borrower=parse_address("0x2222222222222222222222222222222222222def"),
            health=Health(
                health_factor_wad=999_999_999_999_999_999, collateral_base=53 * USD, debt_base=41 * USD
            ),
            currency=DOLLARS,
            collateral=(Holding(amount=of(WBTC, "0.00088412"), value_base=53_047_200_00),),
            debt=(Holding(amount=of(WETH, "0.017283950617283950"), value_base=41_481_481_48),),
            closable=(),
            declined=(PAUSED,),
        ),
        ScanRow(
            market=MARKET,
            borrower=parse_address("0x3333333333333333333333333333333333333123"),
            health=Health(
                health_factor_wad=1_049_912_345_678_901_234,
                collateral_base=12_000 * USD,
                debt_base=9_100 * USD,
            ),
            currency=DOLLARS,
            collateral=(valued(WETH, "5", 12_000),),
            debt=(valued(USDC, "9100", 9_100),),
            closable=(),
            declined=(),
        ),
    ),
    skipped=(Skipped(source="aave-v3:0x4e03…58B1", why="getReservesList reverted"),),
)

DEPLOY_REPORT = DeployReport(
    chain_id=1,
    chain_name="Ethereum",
    owner=Address(b"\x0a" * 20),
    operator=Address(b"\x0b" * 20),
    executor=Address(b"\x0c" * 20),
    vault=Address(b"\x0d" * 20),
    transactions=(Hash32(b"\x0e" * 32), Hash32(b"\x0f" * 32)),
    cost_wei=12_345_678_901_234_567,
)

SUBMISSION = Submission(
    market=MARKET,
    borrower=BORROWER,
    pools=frozenset({Address(b"\x05" * 20)}),
    operator=Address(b"\x0b" * 20),
    nonce=5,
    transaction=SignedTransaction(raw=b"\x02signed", hash=Hash32(b"\xfe" * 32)),
    head_number=HEAD.number,
    head_hash=HEAD.hash,
    deadline_s=1_700_000_036,
    predicted_profit_wei=9_553_375_000_000_000_000,
    fees=Fees(
        gas_limit=768_518, max_fee_per_gas_wei=25_000_000_000, max_priority_fee_per_gas_wei=1_000_000_000
    ),
)
INCLUDED = Included(
    block_number=21_000_001,
    block_hash=Hash32(b"\x12" * 32),
    gas_used=512_345,
    effective_gas_price_wei=13_000_000_000,
    vault_profit_wei=9_560_000_000_000_000_000,
    tip_wei=0,
)
REVERTED = Reverted(
    block_number=21_000_001,
    block_hash=Hash32(b"\x12" * 32),
    gas_used=51_234,
    effective_gas_price_wei=13_000_000_000,
)
