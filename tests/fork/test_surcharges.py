"""A rollup's fees on a devnet: read as the keeper reads them, for data as the keeper sends it."""

from __future__ import annotations

from random import Random

from eth_abi.abi import decode

from keeper.abi import load
from keeper.devnet import Devnet
from keeper.devnet.own import compile_own
from keeper.surcharges.op_stack import OpStackSurcharge
from tests.fork.uniswap_v3_stage import Stage

_ABI = load("op_gas_price_oracle")
_ENVELOPE_BYTES = 60


async def test_load__fees_of_the_moment__bound_what_real_data_costs(devnet: Devnet) -> None:
    stage, market, draw = Stage(devnet), devnet.market.address, Random(1)
    fees = devnet.chain.deploy(compile_own()["RollupFees"], sender=market)

    def told(name: str, argument: object) -> int:
        answer = devnet.chain.call(fees.address, _ABI.function(name).encode(argument))
        (value,) = decode(["uint256"], answer)
        assert isinstance(value, int)
        return value

    for _ in range(5):
        prices = draw.randrange(10**11), draw.randrange(10**6), draw.randrange(10**12)
        fees.send("set", *prices, sender=market)
        surcharge = await stage.ask(OpStackSurcharge(oracle=fees.address).load())
        for _ in range(20):
            size, gas = draw.randrange(100, 5_000), draw.randrange(10**5, 3 * 10**6)
            bound = told("getL1FeeUpperBound", size + _ENVELOPE_BYTES) + told("getOperatorFee", gas)
            assert surcharge.wei(calldata_bytes=size, gas_used=gas) == bound
        # half of it zeros, as much of a program's padding is
        data = bytes(draw.randrange(256) * draw.randrange(2) for _ in range(1_000))
        paid = told("getL1Fee", data)
        assert paid <= surcharge.wei(calldata_bytes=len(data), gas_used=0)
