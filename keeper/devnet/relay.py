"""A builder's relay on a devnet: a real HTTP server that takes bundles, and includes them whole or not.

It is asked to build the next block; nobody else mines then. Bundles for that block are tried in the order
they came, each upon those before it, and dropped where anything in it would fail; what waits in the public
pool comes after them. On command it fails as relays do.

What it is given to share (as MEV-Share does) it tells of on its event stream, and takes one transaction
behind each by the hash it told; where none is behind it, it comes before the public pool by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from coincurve import PublicKey
from eth_utils.crypto import keccak

from keeper.domain.errors import KeeperError
from keeper.eip1559 import unsigned
from keeper.node.blocking_rpc import BlockingRpc

_HEADER = "X-Flashbots-Signature"
_LOOK_EVERY_S = 0.2
"""Whether it is to end is looked at so often by who tells."""


class Mood(StrEnum):
    """How it behaves."""

    HONEST = "honest"
    SILENT = "takes it and answers nothing"
    IDLE = "answers and does not include"
    BUSY = "429"
    BROKEN = "500"
    HANGING = "hangs"


class Unbuilt(KeeperError):
    """The chain did not mine what it was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """One bundle as it came."""

    transactions: tuple[bytes, ...]
    block: int
    """The last one that it is for."""
    first_block: int
    signer: str
    uuid: str | None = None
    max_timestamp_s: int | None = None
    is_backrun: bool = False
    """Behind a transaction that was told of by its hash: no other is put behind that."""

    @property
    def hash(self) -> str:
        """Return the hash it is known by: that of its transactions' hashes."""
        return "0x" + keccak(b"".join(keccak(raw) for raw in self.transactions)).hex()


@dataclass(slots=True)
class Relay:
    """The relay, from `async with` on, before an Anvil that mines nothing by itself."""

    chain: BlockingRpc
    mood: Mood = Mood.HONEST
    url: str = ""
    received: list[tuple[str, Any]] = field(default_factory=list)
    """Method and parameters of every request, also of those it failed at."""
    bundles: list[Bundle] = field(default_factory=list)
    included: list[Bundle] = field(default_factory=list)
    dropped: list[Bundle] = field(default_factory=list)
    shared: dict[str, bytes] = field(default_factory=dict)
    """What is to be told of and is in no block yet, by the hash that is told."""
    _listeners: list[asyncio.Queue[bytes]] = field(default_factory=list)
    _runner: web.AppRunner | None = None
    _let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/", self._handle)
        app.router.add_get("/", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- what it tells --------------------------------------------------------------------------------------

    def share(self, raw: bytes, told: Mapping[str, Any]) -> str:
        """Keep a transaction that is not public, tell of it what is `told`, and return its hash."""
        hash_ = "0x" + keccak(raw).hex()
        self.shared[hash_] = raw
        self.tell(json.dumps({"hash": hash_, **told}))
        return hash_

    def tell(self, event: str) -> None:
        """Tell whoever listens now."""
        for one in self._listeners:
            one.put_nowait(f"data: {event}\n\n".encode())

    @property
    def listeners(self) -> int:
        """Return how many listen to its event stream."""
        return len(self._listeners)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b":ping\n\n")
        telling: asyncio.Queue[bytes] = asyncio.Queue()
        self._listeners.append(telling)
        try:
            while not self._let_go.is_set():
                with suppress(TimeoutError):
                    await response.write(await asyncio.wait_for(telling.get(), _LOOK_EVERY_S))
        except ConnectionResetError:  # whoever listened is gone
            pass
        finally:
            self._listeners.remove(telling)
        return response

    # --- what it is asked -----------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = json.loads(body)
        self.received.append((asked["method"], asked["params"]))
        match self.mood:
            case Mood.BUSY:
                return web.Response(status=429)
            case Mood.BROKEN:
                return web.Response(status=500, text="internal error")
            case Mood.HANGING:
                await self._let_go.wait()
        try:
            result = self._answer(asked, signer_of(body, request.headers.get(_HEADER, "")))
        except (Refused, KeyError, ValueError, TypeError) as error:
            message = str(error) or type(error).__name__
            return _json({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32602, "message": message}})
        if self.mood is Mood.SILENT and request.transport is not None:
            request.transport.abort()
        return _json({"jsonrpc": "2.0", "id": asked["id"], "result": result})

    def _answer(self, asked: Mapping[str, Any], signer: str) -> object:
        (wanted,) = asked["params"]
        match asked["method"]:
            case "eth_sendBundle":
                number = int(wanted["blockNumber"], 16)
                return self._keep(
                    Bundle(
                        transactions=tuple(map(_raw, wanted["txs"])),
                        first_block=number,
                        block=number,
                        signer=signer,
                        uuid=wanted.get("replacementUuid"),
                        max_timestamp_s=wanted.get("maxTimestamp"),
                    )
                )
            case "mev_sendBundle":
                first, ours = wanted["body"]  # one is taken behind another, no more
                if first["hash"] not in self.shared:
                    raise Refused("the hash is not known")
                block = int(wanted["inclusion"]["block"], 16)
                return self._keep(
                    Bundle(
                        transactions=(self.shared[first["hash"]], _raw(ours["tx"])),
                        first_block=block,
                        block=int(wanted["inclusion"].get("maxBlock", hex(block)), 16),
                        signer=signer,
                        is_backrun=True,
                    )
                )
            case "eth_cancelBundle":
                self._forget(signer, wanted["replacementUuid"])
                return True
            case "eth_sendPrivateTransaction":
                raw = _raw(wanted["tx"])
                last = int(wanted["maxBlockNumber"], 16)
                self._keep(Bundle(transactions=(raw,), first_block=0, block=last, signer=signer))
                return "0x" + keccak(raw).hex()
            case "eth_cancelPrivateTransaction":
                gone = [one for one in self.bundles if keccak(one.transactions[0]) == _raw(wanted["txHash"])]
                self.bundles = [one for one in self.bundles if one not in gone]
                return bool(gone)
            case method:
                raise Refused(f"the method {method} does not exist")

    def _keep(self, bundle: Bundle) -> dict[str, str]:
        if not bundle.transactions or len(bundle.transactions) > 100:
            raise Refused("expected 1 to 100 transactions")
        if bundle.block <= self._head():
            raise Refused("the block number is in the past")
        if bundle.uuid is not None:
            self._forget(bundle.signer, bundle.uuid)
        self.bundles.append(bundle)
        return {"bundleHash": bundle.hash}

    def _forget(self, signer: str, uuid: str) -> None:
        self.bundles = [one for one in self.bundles if (one.signer, one.uuid) != (signer, uuid)]

    # --- building -------------------------------------------------------------------------------------------

    async def build(self, *, at_s: int) -> int:
        """Build and mine the next block, of that time, and return its number."""
        return await asyncio.to_thread(self._build, at_s)

    def _build(self, at_s: int) -> int:
        number = self._head() + 1
        chosen: list[bytes] = []
        if self.mood is not Mood.IDLE:
            for bundle in [one for one in self.bundles if one.first_block <= number <= one.block]:
                if self.holds([*chosen, *bundle.transactions], number, at_s, bundle):
                    chosen += [raw for raw in bundle.transactions if raw not in chosen]
                    self.included.append(bundle)
                else:
                    self.dropped.append(bundle)
            for raw in self.shared.values():
                alone = Bundle(transactions=(raw,), first_block=number, block=number, signer="")
                if raw not in chosen and self.holds([*chosen, raw], number, at_s, alone):
                    chosen.append(raw)
            self.shared = {one: raw for one, raw in self.shared.items() if raw not in chosen}
        self.bundles = [one for one in self.bundles if one.block > number and one not in self.included]
        self._mine(chosen, number, at_s)
        return number

    def holds(self, raw: Sequence[bytes], number: int, at_s: int, bundle: Bundle) -> bool:
        """Return whether these succeed in that block, one after another, each nonce in its turn."""
        if bundle.max_timestamp_s is not None and at_s > bundle.max_timestamp_s:
            return False
        if bundle.is_backrun and bundle.transactions[0] in raw[: -len(bundle.transactions)]:
            return False
        in_turn = [one for place, one in enumerate(raw) if one not in raw[:place]]
        nonces: dict[str, int] = {}
        calls: list[dict[str, str]] = []
        base_fee_wei = int(self.chain("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        for one in in_turn:
            sender, transaction = sender_of(one), unsigned(one)
            expected = nonces.get(sender, int(self.chain("eth_getTransactionCount", sender, "latest"), 16))
            if transaction.nonce != expected or transaction.fees.max_fee_per_gas_wei * 9 < base_fee_wei * 8:
                return False
            nonces[sender] = expected + 1
            to = {} if transaction.to is None else {"to": "0x" + transaction.to.hex()}
            gas = hex(transaction.fees.gas_limit)
            calls.append({"from": sender, "data": "0x" + transaction.data.hex(), "gas": gas, **to})
        block = {"calls": calls, "blockOverrides": {"number": hex(number), "time": hex(at_s)}}
        (simulated,) = self.chain("eth_simulateV1", {"blockStateCalls": [block]}, "latest")
        return all(call["status"] == "0x1" for call in simulated["calls"])

    def _mine(self, chosen: Sequence[bytes], number: int, at_s: int) -> None:
        """Mine the chosen ones first, then what the pool held."""
        waiting = [
            one["hash"]
            for by_nonce in self.chain("txpool_content")["pending"].values()
            for one in by_nonce.values()
        ]
        held = [self.chain("eth_getRawTransactionByHash", one) for one in waiting]
        for one in waiting:
            self.chain("anvil_dropTransaction", one)
        for raw in ["0x" + one.hex() for one in chosen]:
            self.chain("eth_sendRawTransaction", raw)
        for one in held:
            try:
                self.chain("eth_sendRawTransaction", one)
            except KeeperError:  # its nonce is one of the chosen ones' now
                continue
        self.chain("evm_mine", hex(at_s))
        block = self.chain("eth_getBlockByNumber", hex(number), False)
        first = block["transactions"][: len(chosen)] if block else []
        if first != ["0x" + keccak(one).hex() for one in chosen]:
            raise Unbuilt(f"block {number} does not begin with its bundles")

    def _head(self) -> int:
        return int(self.chain("eth_blockNumber"), 16)


class Refused(Exception):
    """It does not take that."""


def signer_of(body: bytes, header: str) -> str:
    """Return whose signature of the body the header is, in lower case. Raises Refused where it is none."""
    address, _, signature = header.partition(":")
    text = ("0x" + keccak(body).hex()).encode()
    digest = keccak(b"\x19Ethereum Signed Message:\n66" + text)
    try:
        raw = _raw(signature)
        key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    except Exception as error:  # noqa: BLE001 - the library raises Exception itself
        raise Refused(f"the signature can't be read: {type(error).__name__}") from None
    signer = "0x" + keccak(key.format(compressed=False)[1:])[-20:].hex()
    if signer != address.lower():
        raise Refused("the signature is another's")
    return signer


def sender_of(raw: bytes) -> str:
    """Return who signed a transaction, in lower case."""
    from eth_account import Account

    return str(Account.recover_transaction(raw)).lower()


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _json(said: Mapping[str, object]) -> web.Response:
    return web.json_response(said)
