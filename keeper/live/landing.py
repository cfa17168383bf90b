"""Landing: does what the submitter's machine commands. Writes, sends once, looks at the chain, writes.

The order is the machine's, not this module's: here is only how each command is carried out, and what came of
it told back as an event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import assert_never

import msgspec

from keeper import abi, contracts
from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Invariant, Rejected, Unavailable
from keeper.domain.events import Concluded, Recovered
from keeper.domain.head import Head
from keeper.domain.plan import Plan
from keeper.domain.submission import Acceptance, Refusal, Refused, Submission, Unclear, UnsignedTransaction
from keeper.live.part import result
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Request, Unreachable
from keeper.node.endpoints import Endpoints
from keeper.node.wire import MinedReceipt
from keeper.ports import Channel, ChannelError, Journal, Signer
from keeper.submitter import machine
from keeper.submitter.earnings import earnings_wei
from keeper.submitter.machine import Looked
from keeper.submitter.submitter import Submitter


class Lander:
    """A :class:`keeper.ports.Landing` for one key: from a plan to its one outcome."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        channel: Channel,
        signer: Signer,
        journal: Journal,
        executor: Address,
        chain_id: int,
        confirmations: int = 0,
    ) -> None:
        """`confirmations` is how many blocks must be built on a block before what is in it counts."""
        self._endpoints = endpoints
        self._channel = channel
        self._signer = signer
        self._journal = journal
        self._executor = executor
        self._chain_id = chain_id
        self._confirmations = confirmations
        self._submitter = Submitter()
        self._chain_nonce: int | None = None
        self._now_s = 0
        self._settled_at: Hash32 | None = None
        self._executed = abi.interface(contracts.executor().abi).event("Executed")

    # --- the port -------------------------------------------------------------------------------------------

    async def recover(self, head: Head) -> tuple[Recovered, ...]:
        """Take up what an earlier run left open, and return what the chain says of each. Comes first.

        What has come to an outcome is journalled; what has not stays in flight.
        """
        self._now_s = head.timestamp_s
        intents = self._journal.unconcluded(self._signer.address)
        looks = await self._look(intents, head)
        self._submitter.recover(intents)
        outcomes = {one.submission.hash: one.outcome for one in await self._told(looks)}
        self._settled_at = head.hash
        return tuple(Recovered(submission=one, outcome=outcomes.get(one.hash)) for one in intents)

    async def submit(self, plan: Plan, head: Head) -> Submission:
        """Sign, journal the intent, send once, and return what is on its way, or may be.

        Raises Rejected where it is certain that nothing is: the channel refused it, or a nonce before it is
        in doubt; Unavailable where the intent can't be written.
        """
        submission = self._signed(plan, head)
        happened = await self._carry_out(submission, self._submitter.sign(submission))
        if self._submitter.holds(submission):
            return submission
        raise Rejected(
            f"{self._channel.name}: " + "; ".join(str(e) for e in happened if isinstance(e, Refused))
        )

    async def settle(self, head: Head) -> tuple[Concluded, ...]:
        """Return those in flight that have come to their outcome by `head`, journalled.

        Asks nothing where nothing is in flight and `head` is the next one: only a branch that was left takes
        back what was concluded, and its nonces. Raises Unavailable or Inconsistent: then ask again.
        """
        self._now_s = head.timestamp_s
        waiting = self._submitter.waiting()
        follows, self._settled_at = self._settled_at in (head.parent, head.hash), None
        concluded = () if follows and not waiting else await self._told(await self._look(waiting, head))
        self._settled_at = head.hash
        return concluded

    def in_flight(self) -> Mapping[tuple[str, Address], frozenset[Address]]:
        """Return each (market, borrower) with a transaction on its way, and the pools that it counts on.

        One past its deadline can change neither any more: the executor refuses it.
        """
        harmless = {one.hash for one in self._submitter.stuck(at_s=self._now_s)}
        return {
            (one.market, one.borrower): one.pools
            for one in self._submitter.in_flight()
            if one.hash not in harmless
        }

    # --- signing --------------------------------------------------------------------------------------------

    def _signed(self, plan: Plan, head: Head) -> Submission:
        if self._chain_nonce is None:
            raise Invariant("nothing is sent before recovery")
        for stuck in self._submitter.stuck(at_s=self._now_s):
            raise Rejected(
                f"nonce {stuck.nonce} is stuck: 0x{stuck.hash.hex()} is past its deadline and in no block. "
                "Whatever is sent waits behind it; replace it from the operator's wallet, at higher fees"
            )
        nonce = self._submitter.plan(chain_nonce=self._chain_nonce)
        if nonce is None:
            (doubtful, *_) = self._submitter.in_doubt()
            raise Rejected(
                f"nonce {doubtful.nonce} is in doubt until the chain tells, or its deadline passes"
            )
        draft = plan.draft
        try:
            transaction = self._signer.sign(
                UnsignedTransaction(
                    chain_id=self._chain_id,
                    nonce=nonce,
                    to=draft.transaction.to,
                    value_wei=0,
                    data=draft.transaction.data,
                    fees=plan.fees,
                )
            )
        except BaseException:
            self._submitter.discard(nonce)
            raise
        return Submission(
            market=draft.market,
            borrower=draft.borrower,
            pools=draft.pools,
            operator=self._signer.address,
            nonce=nonce,
            transaction=transaction,
            head_number=head.number,
            head_hash=head.hash,
            deadline_s=draft.deadline_s,
            predicted_profit_wei=plan.waterfall.net_wei,
        )

    # --- carrying out commands ------------------------------------------------------------------------------

    async def _carry_out(
        self, submission: Submission, commands: tuple[machine.Command, ...]
    ) -> list[machine.Event]:
        """Do what is commanded, and what follows from that; return all that came of it."""
        happened: list[machine.Event] = []
        waiting = deque(commands)
        while waiting:
            event = await self._do(waiting.popleft())
            happened.append(event)
            waiting.extend(self._submitter.tell(submission, event))
        return happened

    async def _do(self, command: machine.Command) -> machine.Event:
        match command:
            case machine.JournalIntent(submission=submission):
                try:
                    self._journal.intended(submission)
                except BaseException:
                    self._submitter.tell(submission, machine.Dropped())
                    raise
                return machine.IntentWritten()
            case machine.Send(submission=submission):
                return await self._send(submission)
            case machine.JournalOutcome(submission=submission, outcome=outcome):
                self._journal.concluded(submission, outcome)
                return machine.OutcomeWritten()
            case _:
                assert_never(command)

    async def _send(self, submission: Submission) -> Acceptance:
        request = self._channel.request(submission.transaction)
        try:
            reply = await self._endpoints.send(Request(request.method, request.params))
        except Unreachable as error:
            return Refused(kind=Refusal.UNREACHABLE, detail=str(error))
        except Unavailable as error:
            return Unclear(detail=str(error))
        if isinstance(reply, RpcError):
            said: object = ChannelError(code=reply.code, message=reply.message)
        else:
            said = msgspec.json.decode(reply)
        return self._channel.parse(submission.transaction, said)

    # --- looking at the chain -------------------------------------------------------------------------------

    async def _look(self, submissions: Sequence[Submission], head: Head) -> list[tuple[Submission, Looked]]:
        """Return what the chain says of each, and keep how many transactions of the key are in it."""
        operator = wire.hex_data(self._signer.address)
        requests = [Request("eth_getTransactionCount", (operator, wire.pinned(head.hash)))]
        for one in submissions:
            hash_ = (wire.hex_data(one.hash),)
            requests += [
                Request("eth_getTransactionReceipt", hash_),
                Request("eth_getTransactionByHash", hash_),
            ]

        async def job(endpoint: Endpoint) -> tuple[int, list[tuple[MinedReceipt | None, bool]]]:
            nonce, *replies = [result(reply) for reply in await endpoint.read(requests)]
            found = [
                (wire.receipt(receipt), not wire.is_null(transaction))
                for receipt, transaction in zip(replies[::2], replies[1::2], strict=True)
            ]
            return wire.quantity(nonce), found

        chain_nonce, found = await self._endpoints.read(job)
        self._chain_nonce = chain_nonce
        return [
            (
                submission,
                Looked(
                    head_number=head.number,
                    head_timestamp_s=head.timestamp_s,
                    chain_nonce=chain_nonce,
                    receipt=None if receipt is None else self._receipt(receipt),
                    known=known,
                    confirmations=self._confirmations,
                ),
            )
            for submission, (receipt, known) in zip(submissions, found, strict=True)
        ]

    async def _told(self, looks: Sequence[tuple[Submission, Looked]]) -> tuple[Concluded, ...]:
        """Tell the machines what was seen, and return those that came to their outcome, journalled."""
        concluded: list[Concluded] = []
        for submission, look in looks:
            commands = self._submitter.tell(submission, look)
            try:
                await self._carry_out(submission, commands)
            except Unavailable:
                if not concluded:  # else these are told first; the next look writes the others
                    raise
                break
            concluded += [
                Concluded(submission=submission, outcome=command.outcome)
                for command in commands
                if isinstance(command, machine.JournalOutcome)
            ]
        return tuple(concluded)

    def _receipt(self, mined: MinedReceipt) -> machine.Receipt:
        vault_profit_wei, tip_wei = earnings_wei(mined.logs, executor=self._executor, executed=self._executed)
        return machine.Receipt(
            block_number=mined.block_number,
            block_hash=mined.block_hash,
            succeeded=mined.succeeded,
            gas_used=mined.gas_used,
            effective_gas_price_wei=mined.effective_gas_price_wei,
            vault_profit_wei=vault_profit_wei,
            tip_wei=tip_wei,
        )
