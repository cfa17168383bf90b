"""A sandwich around a transaction of the keeper's, executed on a fork of the chain as it is at that moment.

The attacker reads the transaction from the mempool, sells into the pools that it is going to sell into, lets
it run, and sells back. What would reach the vault is then less than the floor, and the executor undoes
everything: what is left to the attacker is two swaps' fees to pay.
"""

from __future__ import annotations

from dataclasses import replace

from keeper import contracts
from keeper.abi import interface, load, uint
from keeper.devnet.chain import Chain
from keeper.devnet.demo.receipts import Receipt
from keeper.devnet.demo.report import Sandwich
from keeper.devnet.demo.stage import Stage, balance_raw
from keeper.domain.address import Address, Hash32
from keeper.domain.depth import Hop
from keeper.domain.fixed_point import BPS
from keeper.domain.plan import Plan
from keeper.node.anvil import Anvil

_MOVES_BPS = 20
"""How far the attacker moves the square root of each pool's price. The price itself moves twice as far:
within the keeper's slippage limit of 50 bps, which would stop it before the floor does."""

_IN_ORDER = ("--order", "fifo", "--auto-impersonate")


def sandwich(stage: Stage, plan: Plan, transaction: Hash32) -> Sandwich:
    """Attack the keeper's pending transaction on a fork. The chain itself sees nothing of it."""
    devnet, hops, block = stage.devnet, _attacked(plan), stage.next_block()
    attacker, router, weth = devnet.attacker.address, devnet.addresses.router, devnet.addresses.weth
    raw = devnet.anvil.rpc("eth_getRawTransactionByHash", f"0x{transaction.hex()}")
    with Anvil(fork_url=devnet.anvil.url, no_mining=True, extra=_IN_ORDER) as fork:
        chain = Chain(fork.rpc)
        vault_wei = balance_raw(chain, weth, stage.vault)
        sold = plan.draft.close.seized.token.address
        held_raw = balance_raw(chain, sold, attacker)
        fronts, backs = zip(*(_around(chain, router, hop, held_raw, attacker) for hop in hops), strict=True)

        sent = [chain.post(attacker, router, front) for front in fronts]
        kept = fork.rpc("eth_sendRawTransaction", raw)
        for back in backs:
            chain.post(attacker, router, back)
        chain.mine(at_s=block.timestamp_s)

        succeeded = Receipt(chain.receipt(kept)).succeeded
        error = b"" if succeeded else _revert(chain, kept)
        known = interface(contracts.executor().abi)
        name = "" if succeeded else known.error_name(error) or f"0x{error[:4].hex()}"
        return Sandwich(
            plan=plan,
            hops=hops,
            sold_raw=sum(Receipt(chain.receipt(one)).moved_raw(sold, sender=attacker) for one in sent),
            lost_raw=held_raw - balance_raw(chain, sold, attacker),
            succeeded=succeeded,
            error=name,
            profit_wei=uint(error[4:]) if name == "FloorNotMet" else None,
            taken_wei=max(vault_wei - balance_raw(chain, weth, stage.vault), 0),
        )


def _attacked(plan: Plan) -> tuple[Hop, ...]:
    """Return where the keeper is going to sell the collateral: every pool of Uniswap V3's once."""
    close = plan.draft.close
    first = (flow.route.hops[0] for flow in (*close.buys, *close.sells))
    return tuple({hop.pool: hop for hop in first if hop.venue == "uniswap-v3"}.values())


def _around(chain: Chain, router: Address, hop: Hop, most_raw: int, attacker: Address) -> tuple[bytes, bytes]:
    """Return the attacker's two swaps in a pool, before the keeper's and after it."""
    sell = _swap(hop, most_raw, recipient=attacker, limit_x96=_limit_x96(chain, hop))
    asked = {"from": f"0x{attacker.hex()}", "to": f"0x{router.hex()}", "data": f"0x{sell.hex()}"}
    bought_raw = int(chain.rpc("eth_call", asked, "latest"), 16)
    back = replace(hop, token_in=hop.token_out, token_out=hop.token_in)
    return sell, _swap(back, bought_raw, recipient=attacker, limit_x96=0)


def _limit_x96(chain: Chain, hop: Hop) -> int:
    """Return the square root of the price that the attacker moves the pool to, to the next seller's loss."""
    slot0 = load("uniswap_v3_pool").function("slot0")
    now_x96: int = slot0.decode(chain.call(hop.pool, slot0.encode()))[0]
    moved_bps = BPS - _MOVES_BPS if hop.token_in < hop.token_out else BPS + _MOVES_BPS
    return now_x96 * moved_bps // BPS


def _swap(hop: Hop, amount_in_raw: int, *, recipient: Address, limit_x96: int) -> bytes:
    order = (hop.token_in, hop.token_out, hop.fee_ppm, recipient, amount_in_raw, 0, limit_x96)
    return load("uniswap_v3_router").function("exactInputSingle").encode(order)


def _revert(chain: Chain, transaction: str) -> bytes:
    """Return what a mined transaction reverted with."""
    trace = chain.rpc("debug_traceTransaction", transaction, {"tracer": "callTracer"})
    return bytes.fromhex(trace.get("output", "0x")[2:])
