"""How SwapRouter02 is called: exact input with the executor's whole balance, and exact output.

Mirrors ``IV3SwapRouter``, @uniswap/swap-router-contracts 1.3.1: no deadline (the executor has one of its
own) and no price limit (the amounts are the limit). A route of one pool has a function of its own,
which is cheaper; a longer one is written as a path.
"""

from __future__ import annotations

from keeper.abi import load
from keeper.domain.address import Address
from keeper.domain.calls import BalanceWord, ContractCall, Spend
from keeper.domain.depth import Hop, Route

_ROUTER = load("uniswap_v3_router")
_EXACT_INPUT_SINGLE = _ROUTER.function("exactInputSingle")
_EXACT_INPUT = _ROUTER.function("exactInput")
_EXACT_OUTPUT_SINGLE = _ROUTER.function("exactOutputSingle")
_EXACT_OUTPUT = _ROUTER.function("exactOutput")

_NO_PRICE_LIMIT = 0
# Where amountIn stands in the data: after the selector, and in `exactInput` after the struct's own offset.
_SINGLE_AMOUNT_IN_OFFSET = 4 + 4 * 32
_PATH_AMOUNT_IN_OFFSET = 4 + 32 + 2 * 32


def sell_call(
    router: Address, route: Route, *, amount_in_raw: int, least_out_raw: int, recipient: Address
) -> ContractCall:
    """Return the call that sells the executor's whole balance, at least `amount_in_raw`, along `route`.

    Raises ValueError for an empty route, and for no amount: the router takes 0 to mean its own balance.
    """
    first, token_in = _first(route)
    if amount_in_raw <= 0:
        raise ValueError(f"{amount_in_raw} cannot be sold")
    if len(route.hops) == 1:
        offset = _SINGLE_AMOUNT_IN_OFFSET
        data = _EXACT_INPUT_SINGLE.encode(
            (
                token_in,
                first.token_out,
                first.fee_ppm,
                recipient,
                amount_in_raw,
                least_out_raw,
                _NO_PRICE_LIMIT,
            )
        )
    else:
        offset = _PATH_AMOUNT_IN_OFFSET
        data = _EXACT_INPUT.encode((encoded_path(route), recipient, amount_in_raw, least_out_raw))
    return ContractCall(
        target=router,
        data=data,
        spend=Spend(token=token_in, amount_raw=amount_in_raw),
        balance_word=BalanceWord(token=token_in, offset=offset, minimum_raw=amount_in_raw),
    )


def buy_call(
    router: Address, route: Route, *, amount_out_raw: int, most_in_raw: int, recipient: Address
) -> ContractCall:
    """Return the call that buys exactly `amount_out_raw` along `route` for at most `most_in_raw`.

    Raises ValueError for an empty route.
    """
    first, token_in = _first(route)
    if len(route.hops) == 1:
        data = _EXACT_OUTPUT_SINGLE.encode(
            (
                token_in,
                first.token_out,
                first.fee_ppm,
                recipient,
                amount_out_raw,
                most_in_raw,
                _NO_PRICE_LIMIT,
            )
        )
    else:
        backwards = encoded_path(route, backwards=True)
        data = _EXACT_OUTPUT.encode((backwards, recipient, amount_out_raw, most_in_raw))
    return ContractCall(target=router, data=data, spend=Spend(token=token_in, amount_raw=most_in_raw))


def encoded_path(route: Route, *, backwards: bool = False) -> bytes:
    """Return a route as the router reads it: token, fee, token, ... ; an exact output's from its end."""
    hops = [(hop.token_in, hop.fee_ppm, hop.token_out) for hop in route.hops]
    if backwards:
        hops = [(token_out, fee_ppm, token_in) for token_in, fee_ppm, token_out in reversed(hops)]
    return hops[0][0] + b"".join(fee_ppm.to_bytes(3) + token for _, fee_ppm, token in hops)


def _first(route: Route) -> tuple[Hop, Address]:
    if not route.hops:
        raise ValueError("an empty route calls nothing")
    return route.hops[0], route.hops[0].token_in
