"""Markets that nobody in their right mind would make, and anybody can: none harms, or hides, another."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.chain import Contract
from keeper.devnet.morpho import compile_morpho
from keeper.devnet.own import compile_own
from keeper.domain.address import ZERO_ADDRESS, Address, Hash32
from keeper.domain.declined import Declined, Reason
from keeper.domain.plan import Plan
from keeper.engine import Considered
from keeper.planner.options import PlannerOptions
from tests.fork.keeper_stage import morpho_book, stage
from tests.fork.test_morpho_pre_liquidation import automined

pytestmark = pytest.mark.asyncio

ALICE = Address(b"\xa1" * 20)
PRICE_SCALE, WAD = 10**36, 10**18
_MOST = 2**256 - 1
_ENDLESS_LOOP = bytes.fromhex("5b600056")
_ENDS_THE_GAS = bytes.fromhex("fe")
_NO_NUMBER = bytes.fromhex("60015ff3")  # answers one byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange:
    """A market, and the position in it: how much of the collateral is borrowed against."""

    collateral: str
    loan: str
    lltv_wad: int
    price: int
    has_raw: int
    owes_raw: int
    id: Hash32
    oracle: Contract


def made(
    devnet: Devnet,
    *,
    collateral: str = "WETH",
    loan: str = "USDC",
    lltv_wad: int = 86 * WAD // 100,
    price: int = 3_000 * PRICE_SCALE // 10**12,
    has_raw: int = 10 * WAD,
) -> Strange:
    """Return a market that pays no interest, lent to, with a position that is as large as it may be."""
    there, admin = devnet.addresses, devnet.market.address
    morpho = devnet.contract(there.morpho, compile_morpho()["Morpho"].interface)
    oracle = devnet.chain.deploy(
        compile_own()["RatioOracle"], there.feeds["WETH"], there.feeds["USDC"], 18, 6, sender=admin
    )
    oracle.send("hold", price, sender=admin)
    params = (there.tokens[loan], there.tokens[collateral], oracle.address, ZERO_ADDRESS, lltv_wad)
    for listed, call in (("isLltvEnabled", "enableLltv"), ("isIrmEnabled", "enableIrm")):
        what = lltv_wad if call == "enableLltv" else ZERO_ADDRESS
        if not morpho.call(listed, what):
            morpho.send(call, what, sender=admin)
    created = devnet.chain.receipt(morpho.send("createMarket", params, sender=admin))
    owes_raw = has_raw * price // PRICE_SCALE * lltv_wad // WAD
    lent_raw = 2 * owes_raw + 2
    transfer, approve = map(load("erc20").function, ("transfer", "approve"))
    devnet.chain.send(admin, there.tokens[collateral], transfer.encode(ALICE, has_raw))
    for who, token in ((admin, loan), (ALICE, collateral)):
        devnet.chain.send(who, there.tokens[token], approve.encode(there.morpho, _MOST))
    morpho.send("supply", params, lent_raw, 0, admin, b"", sender=admin)
    morpho.send("supplyCollateral", params, has_raw, ALICE, b"", sender=ALICE)
    morpho.send("borrow", params, owes_raw, 0, ALICE, ALICE, sender=ALICE)
    return Strange(
        collateral=collateral,
        loan=loan,
        lltv_wad=lltv_wad,
        price=price,
        has_raw=has_raw,
        owes_raw=owes_raw,
        id=Hash32(bytes.fromhex(created["logs"][0]["topics"][1].removeprefix("0x"))),
        oracle=oracle,
    )


def strange_ones(devnet: Devnet) -> dict[str, Strange]:
    devnet.chain.set_balance(ALICE, 10**21)
    devnet.anvil.rpc("anvil_impersonateAccount", "0x" + ALICE.hex())
    with automined(devnet):
        return {
            "both are WETH": made(devnet, loan="WETH", price=PRICE_SCALE),
            "both are USDC": made(
                devnet, collateral="USDC", loan="USDC", price=PRICE_SCALE, has_raw=50_000 * 10**6
            ),
            "no bonus": made(devnet, lltv_wad=WAD - 1),
            "a unit": made(devnet, has_raw=10**12),
            "price 0": made(devnet, has_raw=9 * WAD),
            "endless price": made(devnet, has_raw=9 * WAD),
            "endless loop": made(devnet, has_raw=9 * WAD),
            "ends the gas": made(devnet, has_raw=9 * WAD),
            "no number": made(devnet, has_raw=9 * WAD),
        }


def turn_bad(devnet: Devnet, strange: dict[str, Strange]) -> None:
    """Let every position's price fall, and some oracles go mad."""
    admin = devnet.market.address
    prices = {"price 0": 0, "endless price": _MOST}
    codes = {"endless loop": _ENDLESS_LOOP, "ends the gas": _ENDS_THE_GAS, "no number": _NO_NUMBER}
    with automined(devnet):
        for name, one in strange.items():
            one.oracle.send("hold", prices.get(name, one.price * 96 // 100), sender=admin)
    for name, code in codes.items():
        devnet.chain.set_code(strange[name].oracle.address, code)
    fallen = {symbol: devnet.price_base(symbol) * 96 // 100 for symbol in ("WETH", "WBTC", "wstETH")}
    devnet.market_block(fallen)


async def test_decide__among_strange_markets__what_is_sound_is_served_to_the_wei(
    manual_devnet: Devnet,
) -> None:
    strange = strange_ones(manual_devnet)
    options = PlannerOptions(
        intermediates=(manual_devnet.addresses.weth, manual_devnet.addresses.tokens["USDC"])
    )
    async with stage(manual_devnet, options, books=(morpho_book(manual_devnet),)) as on:
        await on.engine.observe(await on.head())
        turn_bad(manual_devnet, strange)
        seen = await on.engine.observe(await on.head())
        assert not seen.skipped
        considered = await on.engine.decide(seen)
        found = {name: decision_in(considered, one) for name, one in strange.items()}
        print({name: str(one)[:90] for name, one in found.items()})

        plans = [one.decision for one in considered if isinstance(one.decision, Plan)]
        before_wei = on.vault_wei()
        assert [receipt["status"] for receipt in on.execute(plans)] == ["0x1"] * len(plans)
        assert on.vault_wei() - before_wei == sum(plan.waterfall.vault_wei for plan in plans)
        assert len(plans) >= 3, "the devnet's own markets are served too"

    for name in ("both are WETH", "both are USDC"):
        plan = found[name]
        assert isinstance(plan, Plan) and plan.draft.close.flash_fee.raw == 0
    reasons = {name: one.reason for name, one in found.items() if isinstance(one, Declined)}
    assert reasons == {
        "no bonus": Reason.BAD_DEBT,
        "a unit": Reason.BELOW_MINIMUM,
        "price 0": Reason.ZERO_PRICE,
        "endless price": Reason.INACTIVE,
        "endless loop": Reason.ZERO_PRICE,
        "ends the gas": Reason.ZERO_PRICE,
        "no number": Reason.ZERO_PRICE,
    }


def decision_in(considered: tuple[Considered, ...], one: Strange) -> Plan | Declined:
    (found,) = (each for each in considered if each.opportunity.market.endswith(one.id.hex()))
    return found.decision
