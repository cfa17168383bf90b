"""What nodes mean by their errors: JSON-RPC fixes few codes, so each node spells its own. Tables, no more.

Gathered from geth, reth, Erigon, Nethermind, Besu, Anvil, and the gateways in front of them.
"""

from __future__ import annotations

import re

from keeper.node.blocking_rpc import RpcError

_REVERT = re.compile(
    r"revert|vm execution error|invalid opcode|bad instruction|out ?of ?gas|stack (under|over)flow"
    r"|stack limit|(bad|invalid) ?jump|write protection|static ?(state|call)|invalid ?fe|evm error",
    re.IGNORECASE,
)
_UNKNOWN_STATE = re.compile(
    r"header not found|unknown block|block not found|resource not found|header for hash not found"
    r"|hash .*not.*(canonical|found)|missing trie node|state .*((not |un)available|not found|is missing)"
    r"|could not find block|block .*(does not exist|is not available)|no state available|historical state"
    r"|blockoutofrange|cannot find block|block hash .*not found|unknown header",
    re.IGNORECASE,
)
_RATE_LIMIT = re.compile(
    r"rate.?limit|too many requests|exceeded.*(second|capacity|quota|throughput|credits)|capacity exceeded"
    r"|throttl|daily request count",
    re.IGNORECASE,
)
_BATCH_REFUSED = re.compile(
    r"batch.*(limit|large|long|size|many|exceed|not (supported|allowed))|(too|many).*batch", re.IGNORECASE
)
_UNKNOWN_METHOD = re.compile(
    r"method .*(not (found|supported|available|allowed|exist)|does not exist|unavailable)"
    r"|(unknown|unsupported|unrecognized) method|not implemented",
    re.IGNORECASE,
)
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")


def revert_data(error: RpcError) -> bytes | None:
    """Return what a call reverted with, ``b""`` where the node does not tell; None where it is no revert."""
    if isinstance(error.data, dict):  # some wrap it once more
        found = next((value for value in error.data.values() if isinstance(value, str)), "")
    else:
        found = error.data if isinstance(error.data, str) else ""
    reverted = error.code == 3 or _REVERT.search(error.message) or found.startswith("Reverted ")
    if not reverted:
        return None
    data = _HEX.search(found)
    return bytes.fromhex(data[0][2:]) if data else b""


def is_unknown_state(error: RpcError) -> bool:
    """Return whether the node does not have the block asked about, or no longer its state."""
    return _UNKNOWN_STATE.search(error.message) is not None


def is_unknown_method(error: RpcError) -> bool:
    """Return whether the endpoint does not offer what it was asked to do, whatever it is asked about."""
    return error.code == -32601 or _UNKNOWN_METHOD.search(error.message) is not None


def is_rate_limit(error: RpcError) -> bool:
    """Return whether the endpoint wants to be asked less."""
    return error.code == 429 or _RATE_LIMIT.search(error.message) is not None


def is_batch_refused(error: RpcError) -> bool:
    """Return whether it is the batch that was too much, not the request."""
    return _BATCH_REFUSED.search(error.message) is not None
