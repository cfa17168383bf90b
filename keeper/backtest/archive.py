"""The past as an archive endpoint tells it, and a private Anvil upon it where the chain must go on.

The Anvil is started when it is first needed and put upon one block after another. The endpoint's URL is told
to it over its own loopback, not on a command line, where others on the machine could read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from keeper.backtest import past
from keeper.backtest.past import (
    Executed,
    Headers,
    Mined,
    Ran,
    ReadBy,
    Slot,
    Transactions,
    Words,
    Written,
)
from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Unavailable
from keeper.domain.head import Head
from keeper.domain.secret import Secret
from keeper.node import wire
from keeper.node.anvil import Anvil
from keeper.node.blocking_rpc import BlockingRpc, RpcError
from keeper.node.endpoint import Reply, Request
from keeper.node.endpoints import Endpoints
from keeper.node.spellings import is_unknown_method
from keeper.query import Log

_ANVIL = ("--order", "fifo", "--auto-impersonate", "--disable-block-gas-limit")
_PURSE_WEI = 10**24
_PREAMBLE_GAS = 8_000_000
_ASKED_AT_ONCE = 200
_COPIED = ("from", "to", "gas", "value", "input", "nonce", "accessList")
_FEES = (("maxFeePerGas", "maxPriorityFeePerGas"), ("gasPrice",))
_REPLAYED_KINDS = ("0x0", "0x1", "0x2")
"""Blob transactions and a rollup's deposits can't be sent to an Anvil: they are left out, and counted."""


class Archive:
    """A :class:`keeper.backtest.past.Past` over endpoints. Its Anvil ends with it."""

    def __init__(self, endpoints: Endpoints, *, url: Secret, chain_id: int) -> None:
        """`url` is the endpoint that forks are made of."""
        self._endpoints = endpoints
        self._url = url
        self._chain_id = chain_id
        self._anvil: Anvil | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the Anvil, where there is one."""
        if self._anvil is not None:
            await asyncio.to_thread(self._anvil.stop)
            self._anvil = None

    async def ask(self, question: past.Question) -> bytes:
        """Return the answer. Raises Unavailable where no endpoint gives it."""
        match question:
            case Headers(first=first, last=last):
                return past.encode(await self._headers(first, last))
            case Transactions(number=number):
                return past.encode(await self._transactions(number))
            case Words(at=at, slots=slots):
                return past.encode(await self._words(Hash32(at), slots))
            case ReadBy(at=at, calls=calls):
                return past.encode(await self._read_by(Hash32(at), calls))
            case past.Execute():
                return past.encode(await self._execute(question))

    # --- what the endpoint may not offer ------------------------------------------------------------------

    async def lacks_simulations(self) -> bool:
        """Return whether the endpoint does not know `eth_simulateV1`. Raises Unavailable."""
        nothing: dict[str, Any] = {"blockStateCalls": [{"calls": []}]}
        (reply,) = await self._endpoints.ask(Request("eth_simulateV1", (nothing, "latest")))
        return isinstance(reply, RpcError) and is_unknown_method(reply)

    async def put_upon(self, number: int) -> Secret:
        """Put the private Anvil upon a block, and return its URL. Raises Unavailable where it can't be."""
        try:
            await asyncio.to_thread(self._forked, number)
        except (RpcError, OSError, ValueError) as error:
            raise Unavailable(f"block {number} can't be forked: {error}") from None
        assert self._anvil is not None
        return Secret(self._anvil.url)

    # --- what the endpoint knows ----------------------------------------------------------------------------

    async def _ask(self, requests: Sequence[Request]) -> list[msgspec.Raw]:
        replies: list[Reply] = []
        for start in range(0, len(requests), _ASKED_AT_ONCE):
            replies += await self._endpoints.ask(*requests[start : start + _ASKED_AT_ONCE])
        for reply in replies:
            if isinstance(reply, RpcError):
                raise Unavailable(f"the archive refuses: {reply}")
        return [reply for reply in replies if not isinstance(reply, RpcError)]

    async def _headers(self, first: int, last: int) -> list[Head]:
        numbers = range(first, last + 1)
        requests = [Request("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
        heads = [wire.head(raw) for raw in await self._ask(requests)]
        for number, head in zip(numbers, heads, strict=True):
            if head is None:
                raise Unavailable(f"the archive has no block {number}")
        return [head for head in heads if head is not None]

    async def _transactions(self, number: int) -> list[Mined]:
        block, receipts = await self._block(number)
        base_fee_wei = int(block.get("baseFeePerGas", "0x0"), 16)
        return [
            Mined(
                hash=_raw(receipt["transactionHash"]),
                sender=_raw(receipt["from"]),
                tip_wei=max(int(receipt["effectiveGasPrice"], 16) - base_fee_wei, 0),
                gas_used=int(receipt["gasUsed"], 16),
                succeeded=receipt["status"] == "0x1",
            )
            for receipt in receipts
        ]

    async def _block(self, number: int) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
        asked = (
            Request("eth_getBlockByNumber", (hex(number), True)),
            Request("eth_getBlockReceipts", (hex(number),)),
        )
        block, receipts = [msgspec.json.decode(raw) for raw in await self._ask(asked)]
        if not block or receipts is None or len(receipts) != len(block["transactions"]):
            raise Unavailable(f"the archive does not have block {number} whole")
        return block, receipts

    async def _words(self, at: Hash32, slots: Sequence[Slot]) -> list[bytes]:
        asked = [
            Request(
                "eth_getStorageAt",
                (wire.hex_data(one.contract), wire.hex_data(one.slot), wire.pinned(at)),
            )
            for one in slots
        ]
        return [wire.data(raw).rjust(32, b"\0") for raw in await self._ask(asked)]

    async def _read_by(self, at: Hash32, calls: Sequence[tuple[bytes, bytes]]) -> list[Slot]:
        asked = [
            Request(
                "eth_createAccessList",
                ({"to": wire.hex_data(to), "data": wire.hex_data(data)}, wire.pinned(at)),
            )
            for to, data in calls
        ]
        read: set[Slot] = set()
        for raw in await self._ask(asked):
            for entry in msgspec.json.decode(raw)["accessList"]:
                read.update(Slot(_raw(entry["address"]), _raw(slot)) for slot in entry["storageKeys"])
        return sorted(read)

    # --- where the chain goes on ----------------------------------------------------------------------------

    async def _execute(self, question: past.Execute) -> Executed:
        block, receipts = await self._block(question.number)
        return await asyncio.to_thread(self._run, question, block, receipts)

    def _run(
        self, question: past.Execute, block: Mapping[str, Any], receipts: Sequence[Mapping[str, Any]]
    ) -> Executed:
        try:
            fork = _Fork(self._forked(question.number - 1), block)
            return fork.run(question, receipts)
        except (RpcError, OSError, ValueError) as error:
            raise Unavailable(f"block {question.number} can't be replayed: {error}") from None

    def _forked(self, number: int) -> BlockingRpc:
        """Return the Anvil upon a block."""
        if self._anvil is None:
            self._anvil = Anvil(chain_id=self._chain_id, no_mining=True, extra=_ANVIL).start()
        fork = {"forking": {"jsonRpcUrl": self._url.reveal(), "blockNumber": number}}
        self._anvil.rpc("anvil_reset", fork)
        return self._anvil.rpc


class _Fork:
    """An Anvil upon a block's parent, in which the block is made again with the keeper's in it."""

    def __init__(self, rpc: BlockingRpc, block: Mapping[str, Any]) -> None:
        self._rpc = rpc
        self._block = block
        self._base_fee_wei = int(block.get("baseFeePerGas", "0x0"), 16)

    def run(self, question: past.Execute, receipts: Sequence[Mapping[str, Any]]) -> Executed:
        """Return what became of the keeper's transactions."""
        for laid in question.laid:
            self._rpc(
                "anvil_setStorageAt",
                wire.hex_data(laid.at.contract),
                wire.hex_data(laid.at.slot),
                wire.hex_data(laid.word),
            )
        self._rpc("evm_setNextBlockTimestamp", self._block["timestamp"])
        self._rpc("anvil_setNextBlockBaseFeePerGas", hex(self._base_fee_wei))
        self._rpc("anvil_setCoinbase", self._block["miner"])
        for sender, to, data in question.preamble:
            self._send(sender, to, data, gas_limit=_PREAMBLE_GAS, tip_wei=0)
        theirs: list[tuple[str | None, str]] = []
        ours: list[str] = []
        ahead: list[int] = []
        senders = {wire.hex_data(own.sender) for own in question.own}
        at = 0
        for own in sorted(question.own, key=lambda one: one.index):
            for there, receipt in zip(
                self._block["transactions"][at : own.index], receipts[at:], strict=False
            ):
                if there["from"].lower() not in senders:  # what the keeper itself sent then, these stand for
                    theirs.append((self._replay(there), receipt["status"]))
            at = max(at, own.index)
            ahead.append(len(theirs))
            ours.append(
                self._send(own.sender, own.to, own.data, gas_limit=own.gas_limit, tip_wei=own.tip_wei)
            )
        self._rpc("evm_mine", self._block["timestamp"])
        found = self._rpc.batch([("eth_getTransactionReceipt", (sent,)) for sent in ours])
        ended = [None if sent is None else self._rpc("eth_getTransactionReceipt", sent) for sent, _ in theirs]
        return Executed(
            ran=tuple(
                self._ran(sent, receipt, before=ended[:count])
                for sent, receipt, count in zip(ours, found, ahead, strict=True)
            ),
            preceding=len(theirs),
            differed=sum(
                receipt is None or receipt["status"] != status
                for receipt, (_, status) in zip(ended, theirs, strict=True)
            ),
        )

    def _replay(self, transaction: Mapping[str, Any]) -> str | None:
        """Send a transaction of the block's own again. Return its hash, None where it is not taken."""
        if transaction.get("type", "0x0") not in _REPLAYED_KINDS:
            return None
        again = {name: transaction[name] for name in _COPIED if transaction.get(name) is not None}
        fees = _FEES[0] if transaction.get("maxFeePerGas") else _FEES[1]
        again |= {name: transaction[name] for name in fees}
        try:
            sent: str = self._rpc("eth_sendTransaction", again)
        except RpcError:
            return None
        return sent

    def _send(self, sender: bytes, to: bytes, data: bytes, *, gas_limit: int, tip_wei: int) -> str:
        self._rpc("anvil_setBalance", wire.hex_data(sender), hex(_PURSE_WEI))
        sent: str = self._rpc(
            "eth_sendTransaction",
            {
                "from": wire.hex_data(sender),
                "to": wire.hex_data(to),
                "input": wire.hex_data(data),
                "gas": hex(gas_limit),
                "maxFeePerGas": hex(self._base_fee_wei + tip_wei),
                "maxPriorityFeePerGas": hex(tip_wei),
            },
        )
        return sent

    def _ran(
        self,
        sent: str,
        receipt: Mapping[str, Any] | None,
        *,
        before: Sequence[Mapping[str, Any] | None],
    ) -> Ran:
        if receipt is None:
            raise ValueError(f"the keeper's {sent} found no room")
        succeeded = receipt["status"] == "0x1"
        returned = b""
        if not succeeded:
            told = self._rpc("debug_traceTransaction", sent, {"tracer": "callTracer"})
            returned = _raw(told.get("output") or "0x")
        return Ran(
            succeeded=succeeded,
            gas_used=int(receipt["gasUsed"], 16),
            gas_price_wei=int(receipt["effectiveGasPrice"], 16),
            returned=returned,
            logs=tuple(_log(log) for log in receipt["logs"]),
            written=self._written(sent) if succeeded else (),
            touched=tuple(sorted({_raw(log["address"]) for one in before if one for log in one["logs"]})),
        )

    def _written(self, sent: str) -> tuple[Written, ...]:
        """Return the storage that a transaction left otherwise than it had found it."""
        how = {"tracer": "prestateTracer", "tracerConfig": {"diffMode": True}}
        diff = self._rpc("debug_traceTransaction", sent, how)
        before, after = _storage(diff["pre"]), _storage(diff["post"])
        zero = bytes(32)
        return tuple(
            Written(at=at, before=before.get(at, zero), after=after.get(at, zero))
            for at in sorted(before.keys() | after.keys())
            if before.get(at, zero) != after.get(at, zero)
        )


def _storage(accounts: Mapping[str, Mapping[str, Any]]) -> dict[Slot, bytes]:
    return {
        Slot(_raw(address), _raw(slot)): _raw(word)
        for address, account in accounts.items()
        for slot, word in account.get("storage", {}).items()
    }


def _log(log: Mapping[str, Any]) -> Log:
    return Log(
        emitter=Address(_raw(log["address"])),
        topics=tuple(Hash32(_raw(topic)) for topic in log["topics"]),
        data=_raw(log["data"]),
        block_number=int(log["blockNumber"], 16),
        log_index=int(log["logIndex"], 16),
        transaction=Hash32(_raw(log["transactionHash"])),
    )


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
