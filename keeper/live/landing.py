"""Landing: does what the submitter's machine commands. Writes, sends once, looks at the chain, writes.

The order is the machine's, not this module's: here is only how each command is carried out, and what came of
it told back as an event.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import assert_never

import msgspec

from keeper import abi, contracts
from keeper.builders import built_by
from keeper.domain.address import Address, Hash32
from keeper.domain.errors import Inconsistent, Invariant, Rejected, Unavailable, Underbid
from keeper.domain.events import Concluded, Recovered, Reopened, Settled
from keeper.domain.head import Head
from keeper.domain.pending import Leading
from keeper.domain.plan import Fees, Plan, Transaction
from keeper.domain.position import PositionId
from keeper.domain.submission import (
    Acceptance,
    Purpose,
    Refusal,
    Refused,
    SignedTransaction,
    Submission,
    Unclear,
    UnsignedTransaction,
)
from keeper.live.part import result
from keeper.node import wire
from keeper.node.blocking_rpc import RpcError
from keeper.node.endpoint import Endpoint, Reply, Request, Unreachable
from keeper.node.endpoints import Endpoints, everyone, private
from keeper.node.wire import MinedReceipt
from keeper.ports import Channel, ChannelError, ChannelRequest, Journal, Sending, Signer
from keeper.submitter import machine
from keeper.submitter.answers import together
from keeper.submitter.earnings import carried, earnings_wei, failed_parts
from keeper.submitter.machine import Looked
from keeper.submitter.replacing import extra_wei, outbidding
from keeper.submitter.submitter import REMEMBERED_BLOCKS, Held, Now, Submitter


class Lander:
    """A :class:`keeper.ports.Landing` for one key: from a plan to its one outcome."""

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        channels: Sequence[Channel],
        signer: Signer,
        journal: Journal,
        executor: Address,
        vault: Address | None = None,
        chain_id: int,
        max_fee_per_gas_wei: int,
        relays: Mapping[str, Endpoint] = MappingProxyType({}),
        confirmations: int = 0,
        patience_blocks: int = 3,
        cancel_patience_s: int = 60,
    ) -> None:
        """`channels` are all private, or all public: a submission is sent through all of them at once.

        `relays` is who is behind the names that their requests are for. `confirmations` is how many blocks
        must be built on a block before what is in it counts. After `patience_blocks` heads a transaction is
        stuck. A cancellation that no node knows is given up after `cancel_patience_s`.
        """
        if not channels or len({channel.is_private for channel in channels}) != 1:
            raise Invariant("the channels of a keeper are all private or all public, and there is one")
        self._endpoints = endpoints
        self._channels = tuple(channels)
        self._relays = relays
        self._signer = signer
        self._journal = journal
        self._executor = executor
        self._vault = vault
        self._chain_id = chain_id
        self._max_fee_per_gas_wei = max_fee_per_gas_wei
        self._confirmations = confirmations
        self._cancel_patience_s = cancel_patience_s
        self._submitter = Submitter(patience_blocks=patience_blocks)
        self._now: Now | None = None
        self._settled_at: Hash32 | None = None
        self._executed = abi.interface(contracts.executor().abi).event("Executed")
        self._carried = abi.interface(contracts.vault().abi).event("Carried")
        self._leg_failed = abi.interface(contracts.executor().abi).event("LegFailed")

    # --- the port -------------------------------------------------------------------------------------------

    async def recover(self, head: Head) -> tuple[Recovered, ...]:
        """Take up what an earlier run left open, and return what the chain says of each. Comes first.

        What has come to an outcome is journalled; what has not stays in flight.
        """
        own = self._signer.address
        intents = self._journal.unconcluded(own)
        ended = self._journal.revisable(own, from_block=head.number - REMEMBERED_BLOCKS)
        looks = await self._look(intents, head)
        self._submitter.recover(intents, ended)
        told = (*await self._told(looks), *await self._revised(head, left_branch=True))
        outcomes = {one.submission.hash: one.outcome for one in told if isinstance(one, Concluded)}
        reopened = [one for one, _ in ended if self._submitter.holds(one) or one.hash in outcomes]
        self._settled_at = head.hash
        return tuple(
            Recovered(submission=one, outcome=outcomes.get(one.hash)) for one in (*intents, *reopened)
        )

    def takes(self, behind: Leading) -> bool:
        """Return whether some channel can see to it that ours comes right behind this."""
        return bool(self._ways(behind))

    async def submit(self, plan: Plan, head: Head, *, behind: Leading | None = None) -> Submission:
        """Sign, journal the intent, send once, and return what is on its way, or may be.

        `behind` is what it must come right behind, in the next block: only channels that take that have it.

        Raises Rejected where it is certain that nothing is: every channel refused it, no nonce is to be had,
        or to replace what has it costs too much; Unavailable where the intent can't be written.
        """
        submission = self._signed(plan, head, behind)
        commands = self._intend(submission, behind)
        if not plan.ladder or not self.takes_ladder(behind):
            return await self._launched(submission, commands, behind)
        rungs = enumerate(plan.ladder, start=1)
        ended = await asyncio.gather(
            self._launched(submission, commands, behind),
            *(self._launch_beside(submission, rung, one, behind) for rung, one in rungs),
            return_exceptions=True,
        )
        return _first(ended)

    @property
    def joins(self) -> bool:
        """Return that one transaction may close several borrowers, whatever the channels."""
        return True

    def takes_ladder(self, behind: Leading | None) -> bool:
        """Return whether some channel can be offered smaller sizes beside a plan."""
        return any(channel.takes_alternatives for channel in self._ways(behind))

    def beside(self, submission: Submission) -> tuple[Submission, ...]:
        """Return the smaller sizes that were sent with a submission, and may be on their way."""
        return tuple(
            one
            for one in self.holders(submission.nonce)
            if one.rung > submission.rung and one.head_hash == submission.head_hash
        )

    async def settle(self, head: Head) -> tuple[Settled, ...]:
        """Return what has come to its outcome by `head`, and which outcomes stand no longer, journalled.

        Asks nothing where nothing is in flight, nothing that expired may be included after all, and `head` is
        the next one: only a branch that was left takes back what a block decided, and its nonces. Raises
        Unavailable or Inconsistent: then ask again.
        """
        waiting, now = self._submitter.waiting(), self._now
        follows, self._settled_at = self._settled_at in (head.parent, head.hash), None
        if follows and not waiting and now is not None and not self._submitter.may_land_after_all(now):
            self._now = replace(now, head_number=head.number, timestamp_s=head.timestamp_s)
            settled: tuple[Settled, ...] = ()
        else:
            settled = await self._told(await self._look(waiting, head))
            try:
                settled += await self._revised(head, left_branch=not follows)
            except (Unavailable, Inconsistent):
                if not settled:
                    raise
                return settled  # these are told first; the next time everything is looked at
        self._settled_at = head.hash
        return settled

    def in_flight(self) -> Mapping[PositionId, frozenset[Address]]:
        """Return each position with a transaction on its way, and the pools that it counts on.

        Those whose nonce yields are not among them: what is planned anew takes their place.
        """
        if self._now is None:
            return {}
        return self._submitter.positions_in_flight(self._now)

    def sequence(self, positions: Sequence[PositionId]) -> tuple[PositionId, ...]:
        """Return positions in the order in which what is sent for them in this order would run."""
        if self._now is None:
            return tuple(positions)
        return self._submitter.sequence(self._now, positions)

    async def cancel_useless(self, head: Head) -> tuple[Submission, ...]:
        """Send a cancellation for each nonce that only a useless transaction holds, or that others wait for.

        Returns what was sent. Raises Rejected where one could not be sent, after the others were.
        """
        sent: list[Submission] = []
        failed: list[str] = []
        now = self._known_now()
        useless = [(one.nonce, one.is_private) for one in self._submitter.to_cancel(now)]
        for nonce, is_private in (*useless, *((gap, False) for gap in self._submitter.gaps(now))):
            try:
                sent.append(await self.cancel(nonce, head, is_private=is_private))
            except Rejected as error:
                failed.append(str(error))
        if failed:
            raise Rejected("; ".join(failed))
        return tuple(sent)

    async def cancel(
        self, nonce: int, head: Head, *, is_private: bool, priority_fee_wei: int = 0
    ) -> Submission:
        """Send nothing to oneself with this nonce, for more than what is known to have it; return it.

        It is shown to whom the original was: the private ones alone where that was private.
        `priority_fee_wei` is the least to pay. Raises Rejected where it can't be sent.
        """
        if is_private != self._is_private:
            was, now = ("private", "public") if is_private else ("public", "private")
            raise Rejected(
                f"nonce {nonce} was given to a {was} transaction, and KEEPER_CHANNELS names {now} channels: "
                "start with the former ones to cancel it"
            )
        gas_limit = await self._gas_of_cancelling()
        place = self._submitter.take(nonce)
        base_fee_wei = head.next_base_fee_wei()
        fees = outbidding(
            Fees(
                gas_limit=gas_limit,
                max_fee_per_gas_wei=2 * base_fee_wei + priority_fee_wei,
                max_priority_fee_per_gas_wei=priority_fee_wei,
            ),
            place.over,
        )
        if fees.max_fee_per_gas_wei > self._max_fee_per_gas_wei:
            self._submitter.discard(nonce)
            raise Rejected(
                f"to cancel nonce {nonce} takes {fees.max_fee_per_gas_wei / 1e9:.2f} gwei, which is over "
                "KEEPER_MAX_FEE_PER_GAS_WEI: raise it, or wait"
            )
        transaction = self._sign(nonce, Transaction(to=self._signer.address, data=b""), fees)
        submission = Submission(
            market="",
            borrower=self._signer.address,
            pools=frozenset(),
            operator=self._signer.address,
            nonce=nonce,
            transaction=transaction,
            head_number=head.number,
            head_hash=head.hash,
            deadline_s=head.timestamp_s + self._cancel_patience_s,
            predicted_profit_wei=-gas_limit * (base_fee_wei + fees.max_priority_fee_per_gas_wei),
            fees=fees,
            purpose=Purpose.CANCELLATION,
            channels=tuple(channel.name for channel in self._ways(None)),
            is_private=self._is_private,
            target_block=self._target_block(head, None),
        )
        return await self._launched(submission, self._intend(submission, None), None)

    async def withdraw(self, submission: Submission) -> int:
        """Ask the relays to forget a submission; return how many were asked. None of them must obey."""
        requests = [
            request for channel in self._of(submission) for request in channel.withdrawals(submission)
        ]
        await asyncio.gather(*(self._delivered(request) for request in requests))
        return len(requests)

    def holders(self, nonce: int) -> tuple[Submission, ...]:
        """Return what was sent with a nonce and has not come to its outcome."""
        return tuple(one for one in self._submitter.waiting() if one.nonce == nonce)

    @property
    def next_nonce(self) -> int:
        """Return the next nonce of the key to be included, as of the last look."""
        return self._known_now().chain_nonce

    @property
    def _is_private(self) -> bool:
        return self._channels[0].is_private

    def _ways(self, behind: Leading | None) -> tuple[Channel, ...]:
        """Return the channels that can offer what must come right behind this."""
        return tuple(channel for channel in self._channels if channel.takes(behind))

    def _of(self, submission: Submission) -> tuple[Channel, ...]:
        """Return the channels that a submission is sent through."""
        return tuple(channel for channel in self._channels if channel.name in submission.channels)

    def _target_block(self, head: Head, behind: Leading | None) -> int | None:
        """Return the only block that a submission is for, None where some channel keeps it for longer."""
        return head.number + 1 if all(one.is_for_one_block for one in self._ways(behind)) else None

    # --- signing --------------------------------------------------------------------------------------------

    def _signed(self, plan: Plan, head: Head, behind: Leading | None) -> Submission:
        draft = plan.draft
        place = self._submitter.plan(self._known_now(), positions=draft.positions)
        if isinstance(place, Held):
            raise Rejected(str(place))
        fees = outbidding(plan.fees, place.over)
        net_wei = plan.waterfall.net_wei - extra_wei(plan, fees)
        worth_wei = plan.worth_wei - extra_wei(plan, fees)
        if worth_wei < 0 or fees.max_fee_per_gas_wei > self._max_fee_per_gas_wei:
            self._submitter.discard(place.nonce)
            raise Rejected(
                f"to replace what holds nonce {place.nonce} takes {fees.max_fee_per_gas_wei / 1e9:.2f} gwei, "
                + ("more than it earns" if worth_wei < 0 else "which is over KEEPER_MAX_FEE_PER_GAS_WEI")
            )
        transaction, fees = self._sign_anew(place.nonce, draft.transaction, fees)
        return Submission(
            market=draft.market,
            borrower=draft.borrower,
            pools=draft.pools,
            operator=self._signer.address,
            nonce=place.nonce,
            transaction=transaction,
            head_number=head.number,
            head_hash=head.hash,
            deadline_s=draft.deadline_s,
            predicted_profit_wei=net_wei,
            fees=fees,
            channels=tuple(channel.name for channel in self._ways(behind)),
            is_private=self._is_private,
            target_block=self._target_block(head, behind),
            others=draft.others,
        )

    def _signed_beside(
        self, submission: Submission, rung: int, plan: Plan, behind: Leading | None
    ) -> Submission:
        """Return a smaller size of a submission's plan, signed for its nonce."""
        place = self._submitter.beside(submission)
        transaction, fees = self._sign_anew(place.nonce, plan.draft.transaction, plan.fees)
        ways = [channel for channel in self._ways(behind) if channel.takes_alternatives]
        return replace(
            submission,
            pools=plan.draft.pools,
            transaction=transaction,
            predicted_profit_wei=plan.waterfall.net_wei,
            fees=fees,
            channels=tuple(channel.name for channel in ways),
            target_block=submission.head_number + 1,
            rung=rung,
        )

    def _sign_anew(self, nonce: int, call: Transaction, fees: Fees) -> tuple[SignedTransaction, Fees]:
        """Return a transaction that is not in flight, and its fees.

        The same plan may come once more, as after a reorg: what tells submissions apart is their hash.
        """
        transaction = self._sign(nonce, call, fees)
        while self._submitter.knows(nonce, transaction.hash):
            fees = replace(
                fees,
                max_fee_per_gas_wei=fees.max_fee_per_gas_wei + 1,
                max_priority_fee_per_gas_wei=fees.max_priority_fee_per_gas_wei + 1,
            )
            transaction = self._sign(nonce, call, fees)
        return transaction, fees

    def _sign(self, nonce: int, call: Transaction, fees: Fees) -> SignedTransaction:
        try:
            return self._signer.sign(
                UnsignedTransaction(
                    chain_id=self._chain_id, nonce=nonce, to=call.to, value_wei=0, data=call.data, fees=fees
                )
            )
        except BaseException:
            self._submitter.discard(nonce)
            raise

    def _known_now(self) -> Now:
        if self._now is None:
            raise Invariant("nothing is sent before recovery")
        return self._now

    # --- carrying out commands ------------------------------------------------------------------------------

    def _intend(self, submission: Submission, behind: Leading | None) -> tuple[machine.Command, ...]:
        """Write the intent of what was signed, and return what is to be done now."""
        sending = self._sending(submission, behind)
        if not any(channel.requests(sending) for channel in self._of(submission)):
            self._submitter.discard(submission.nonce)
            raise Rejected("no channel of KEEPER_CHANNELS takes it: give it builders, or private endpoints")
        (writing,) = self._submitter.sign(submission)
        assert isinstance(writing, machine.JournalIntent)
        return self._submitter.tell(submission, self._written(writing))

    async def _launch_beside(
        self, submission: Submission, rung: int, plan: Plan, behind: Leading | None
    ) -> Submission:
        """Send a smaller size beside a submission that is on its way."""
        if not self._submitter.holds(submission):
            raise Rejected("what it was to stand beside is not on its way")
        one = self._signed_beside(submission, rung, plan, behind)
        return await self._launched(one, self._intend(one, behind), behind)

    async def _launched(
        self, submission: Submission, commands: tuple[machine.Command, ...], behind: Leading | None
    ) -> Submission:
        """Carry out what is commanded, and return the submission. Raises Rejected where it is over then."""
        done = [one async for one in self._carrying_out(submission, commands, behind)]
        if self._submitter.holds(submission):
            return submission
        refused = [event for _, event in done if isinstance(event, Refused)]
        too_low = any(one.kind is Refusal.REPLACEMENT_UNDERPRICED for one in refused)
        raise (Underbid if too_low else Rejected)("; ".join(map(str, refused)))

    async def _carrying_out(
        self,
        submission: Submission,
        commands: tuple[machine.Command, ...],
        behind: Leading | None = None,
    ) -> AsyncIterator[tuple[machine.Command, machine.Event]]:
        """Do what is commanded, and what follows from that; yield it all, each with what came of it."""
        waiting = deque(commands)
        while waiting:
            command = waiting.popleft()
            event = await self._do(command, behind)
            waiting.extend(self._submitter.tell(submission, event))
            yield command, event

    async def _do(self, command: machine.Command, behind: Leading | None) -> machine.Event:
        if isinstance(command, machine.Send):
            return await self._send(self._sending(command.submission, behind))
        return self._written(command)

    def _written(
        self, command: machine.JournalIntent | machine.JournalOutcome | machine.JournalReopening
    ) -> machine.Event:
        match command:
            case machine.JournalIntent(submission=submission):
                try:
                    self._journal.intended(submission)
                except BaseException:
                    self._submitter.tell(submission, machine.Dropped())
                    raise
                return machine.IntentWritten()
            case machine.JournalOutcome(submission=submission, outcome=outcome):
                self._journal.concluded(submission, outcome)
                return machine.OutcomeWritten()
            case machine.JournalReopening(submission=submission, look=look):
                self._journal.reopened(submission)
                return machine.ReopeningWritten(look=look)
            case _:
                assert_never(command)

    def _sending(self, submission: Submission, behind: Leading | None) -> Sending:
        return Sending(submission=submission, before=self._submitter.before(submission), behind=behind)

    async def _send(self, sending: Sending) -> Acceptance:
        """Send to all whom the channels name, at the same time and each once; return what it comes to."""
        ways = self._of(sending.submission)
        requests = [(channel, request) for channel in ways for request in channel.requests(sending)]
        said = await asyncio.gather(*(self._delivered(request) for _, request in requests))
        return together(
            [
                _named(channel, request, self._understood(channel, sending.submission, reply))
                for (channel, request), replies in zip(requests, said, strict=True)
                for reply in replies
            ]
        )

    async def _delivered(self, request: ChannelRequest) -> tuple[Reply | Unavailable, ...]:
        """Return what each said to whom a request went."""
        asked = Request(request.method, request.params)
        if request.relay is None:
            only = private if self._is_private else everyone
            replies = await self._endpoints.send_all(asked, only=only)
            return replies or (Unreachable("no endpoint of KEEPER_RPC_URLS is marked private"),)
        try:
            return (await self._relays[request.relay].send(asked),)
        except Unavailable as error:
            return (error,)

    def _understood(self, channel: Channel, submission: Submission, reply: Reply | Unavailable) -> Acceptance:
        match reply:
            case Unreachable():
                return Refused(kind=Refusal.UNREACHABLE, detail=str(reply))
            case Unavailable():
                return Unclear(detail=str(reply))
            case RpcError():
                return channel.parse(submission, ChannelError(code=reply.code, message=reply.message))
            case _:
                return channel.parse(submission, msgspec.json.decode(reply))

    async def _gas_of_cancelling(self) -> int:
        """Return the gas of sending nothing to oneself, as the chain counts it."""
        own = wire.hex_data(self._signer.address)
        (reply,) = await self._endpoints.ask(
            Request("eth_estimateGas", ({"from": own, "to": own, "value": "0x0"},))
        )
        return wire.quantity(result(reply))

    # --- looking at the chain -------------------------------------------------------------------------------

    async def _revised(self, head: Head, *, left_branch: bool) -> tuple[Settled, ...]:
        """Look again at what came to an outcome that may not stand; return what that settled."""
        now = self._known_now()
        self._submitter.forget(now)
        doubted = self._submitter.doubted(now, left_branch=left_branch)
        return await self._told(await self._look(doubted, head)) if doubted else ()

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
        self._now = Now(head_number=head.number, timestamp_s=head.timestamp_s, chain_nonce=chain_nonce)
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
                    built_by=built_by(head),
                ),
            )
            for submission, (receipt, known) in zip(submissions, found, strict=True)
        ]

    async def _told(self, looks: Sequence[tuple[Submission, Looked]]) -> tuple[Settled, ...]:
        """Tell the machines what was seen, and return what that settled, journalled, in its order."""
        settled: list[Settled] = []
        try:
            for submission, look in looks:
                commands = self._submitter.tell(submission, look)
                async for command, _ in self._carrying_out(submission, commands):
                    match command:
                        case machine.JournalOutcome(outcome=outcome):
                            settled.append(Concluded(submission=submission, outcome=outcome))
                        case machine.JournalReopening(outcome=outcome):
                            settled.append(Reopened(submission=submission, outcome=outcome))
        except Unavailable:
            if not settled:  # else this is told first; the next look writes the others
                raise
        return tuple(settled)

    def _receipt(self, mined: MinedReceipt) -> machine.Receipt:
        vault_profit_wei, tip_wei = earnings_wei(mined.logs, executor=self._executor, executed=self._executed)
        return machine.Receipt(
            block_number=mined.block_number,
            block_hash=mined.block_hash,
            succeeded=mined.succeeded,
            gas_used=mined.gas_used,
            effective_gas_price_wei=mined.effective_gas_price_wei,
            l1_fee_wei=mined.l1_fee_wei,
            vault_profit_wei=vault_profit_wei,
            tip_wei=tip_wei,
            failed_parts=failed_parts(mined.logs, executor=self._executor, leg_failed=self._leg_failed),
            carried=()
            if self._vault is None
            else carried(mined.logs, vault=self._vault, event=self._carried),
        )


def _first(ended: Sequence[Submission | BaseException]) -> Submission:
    """Return the first that is on its way. Raises why the first is not, where none is."""
    failed: list[BaseException] = []
    for one in ended:
        if isinstance(one, Submission):
            return one
        failed.append(one)
    raise failed[0]


def _named(channel: Channel, request: ChannelRequest, answer: Acceptance) -> Acceptance:
    """Return the answer, with who gave it where it is told to a person."""
    if isinstance(answer, Refused):
        return replace(answer, detail=f"{answer.detail} [{request.relay or channel.name}]")
    return answer
