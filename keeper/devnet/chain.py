"""The devnet's hand on its chain: deploys, calls and sends, by accounts that Anvil has unlocked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keeper.devnet.artifact import Artifact, Interface
from keeper.domain.address import Address
from keeper.domain.errors import KeeperError
from keeper.node.blocking_rpc import BlockingRpc, RpcError

_GAS = 15_000_000
"""What every transaction may use. Always said: after a reload Anvil can guess too little."""


_MAX_FEE_WEI = 2_000 * 10**9
_TIP_WEI = 10**9
"""What the market pays: always enough, whatever base fee a scenario sets."""


class Failed(KeeperError):
    """A transaction of the devnet's own reverted, or a block was not mined as asked."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract at an address, bound to the chain it is on."""

    chain: Chain
    address: Address
    interface: Interface

    def call(self, name: str, *arguments: object) -> Any:
        """Return what a view answers: a value, or a tuple of several. Addresses are text, as in eth_abi."""
        answer = self.chain.call(self.address, self.interface.encode(name, *arguments))
        return self.interface.decode(name, len(arguments), answer)

    def address_of(self, name: str, *arguments: object) -> Address:
        """Return the address that a view answers."""
        return Address(bytes.fromhex(self.call(name, *arguments).removeprefix("0x")))

    def send(self, name: str, *arguments: object, sender: Address, value_wei: int = 0) -> str:
        """Send a call and wait until it is mined. Returns its hash. Raises Failed where it reverted."""
        data = self.interface.encode(name, *arguments)
        return self.chain.send(sender, self.address, data, value_wei=value_wei, doing=name)

    def post(self, name: str, *arguments: object, sender: Address) -> str:
        """Send a call into the mempool, and return its hash."""
        return self.chain.post(sender, self.address, self.interface.encode(name, *arguments))


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain, behind a blocking client."""

    rpc: BlockingRpc

    def deploy(
        self,
        artifact: Artifact,
        *arguments: object,
        sender: Address,
        libraries: Mapping[str, Address] | None = None,
    ) -> Contract:
        """Return the contract, created in a block of its own."""
        code = artifact.creation_code(*arguments, libraries=libraries)
        sent = self.send(sender, None, code, doing=f"deploying {artifact.name}")
        created = self.receipt(sent)["contractAddress"]
        return Contract(self, Address(bytes.fromhex(created.removeprefix("0x"))), artifact.interface)

    def contract(self, address: Address, interface: Interface) -> Contract:
        """Return a contract that is there already."""
        return Contract(self, address, interface)

    def call(self, to: Address, data: bytes) -> bytes:
        """Return what a call answers at the latest block. Raises RpcError where it reverts."""
        answer: str = self.rpc("eth_call", {"to": _hex(to), "data": _hex(data)}, "latest")
        return bytes.fromhex(answer.removeprefix("0x"))

    def send(
        self, sender: Address, to: Address | None, data: bytes, *, value_wei: int = 0, doing: str = "a call"
    ) -> str:
        """Send a transaction and wait until it is mined. Returns its hash. Raises Failed if it reverted."""
        sent = self.post(sender, to, data, value_wei=value_wei)
        receipt = self.receipt(sent)
        if int(receipt["status"], 16) != 1:
            raise Failed(f"{doing} reverted: {self._reason(sent, receipt)}")
        return sent

    def post(self, sender: Address, to: Address | None, data: bytes, *, value_wei: int = 0) -> str:
        """Send a transaction into the mempool, and return its hash."""
        transaction = {
            "from": _hex(sender),
            "data": _hex(data),
            "value": hex(value_wei),
            "gas": hex(_GAS),
            "maxFeePerGas": hex(_MAX_FEE_WEI),
            "maxPriorityFeePerGas": hex(_TIP_WEI),
        }
        if to is not None:
            transaction["to"] = _hex(to)
        sent: str = self.rpc("eth_sendTransaction", transaction)
        return sent

    def receipt(self, sent: str, *, within_s: float = 60.0) -> Mapping[str, Any]:
        """Return a transaction's receipt, once there is one: Anvil mines a little after it has answered."""
        deadline = time.monotonic() + within_s
        while True:
            receipt: Mapping[str, Any] | None = self.rpc("eth_getTransactionReceipt", sent)
            if receipt is not None:
                return receipt
            if time.monotonic() > deadline:
                raise Failed(f"{sent} was not mined")
            time.sleep(0.0005)

    def block_number(self) -> int:
        """Return the head's number."""
        return int(self.rpc("eth_blockNumber"), 16)

    def timestamp_s(self) -> int:
        """Return the head's time."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def mine(self, *, at_s: int) -> int:
        """Mine what is pending in a block of exactly this time, and return its number.

        Raises Failed where Anvil does otherwise.
        """
        before = self.block_number()
        self.rpc("evm_mine", hex(at_s))
        block = self.rpc("eth_getBlockByNumber", "latest", False)
        number, timestamp_s = int(block["number"], 16), int(block["timestamp"], 16)
        if (number, timestamp_s) != (before + 1, at_s):  # Anvil answers "0" even where it mined nothing
            raise Failed(f"asked for block {before + 1} at {at_s}, the head is {number} at {timestamp_s}")
        return number

    def set_balance(self, account: Address, wei: int) -> None:
        """Give an account this much native coin."""
        self.rpc("anvil_setBalance", _hex(account), hex(wei))

    def set_code(self, account: Address, code: bytes) -> None:
        """Put code at an address."""
        self.rpc("anvil_setCode", _hex(account), _hex(code))

    def _reason(self, sent: str, receipt: Mapping[str, Any]) -> str:
        transaction = self.rpc("eth_getTransactionByHash", sent)
        call = {name: transaction[name] for name in ("from", "to", "input", "value", "gas")}
        try:
            self.rpc("eth_call", call, hex(int(receipt["blockNumber"], 16) - 1))
        except RpcError as error:
            return f"{error} {error.data or ''}".strip()
        return "it does not revert when called again"


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"
