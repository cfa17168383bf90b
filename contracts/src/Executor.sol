// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Approvals} from "./Approvals.sol";
import {Erc20, IERC20, IWrappedNative} from "./Erc20.sol";
import {Reader, Reading} from "./Reader.sol";
import {Scratch} from "./Scratch.sol";

/// @title Executor
/// @notice Runs one operator's programs: calls made in order, of which all that is left goes to the vault, and
/// which revert as a whole unless enough wrapped native coin arrived there. It knows no protocol and no venue.
///
/// What a stolen operator key can do with it: burn its own gas, and lose the profit of its own transactions.
/// For between transactions it holds nothing, nobody approves it, and it has no role, debt, storage,
/// delegatecall, signature validation or permit. It serves one operator, so that whatever a thief might have
/// planted in a contract that it called can only ever meet that key's programs; the owner then deploys another
/// executor before the same vault.
///
/// @dev A program is packed. Integers are big-endian; a `number` is one byte, how many bytes follow, and those.
/// `at` and `length` are u16.
///
/// program  = deadline:u40 floor:number tipBps:u16 tipCap:number
///            tokens:u8 addresses:u8 address*   index 0 is the wrapped native coin, these are 1, 2, ...; the
///                                              first `tokens` of them are the tokens that are touched
///            guards legs:u8 leg*
/// leg      = 0:u8 body                         it must succeed
///          | 1:u8 gas:u24 length:u16 body      it may fail, and then leaves no trace; gas 0 is all there is
/// body     = guards steps:u8 step*
/// guards   = count:u8 (target:u8 test:u8 [least:number] [most:number] length:u16 data)*
///            test is the word of the answer to look at, + 0x80 with `least`, + 0x40 with `most`
/// step     = flags:u8 target:u8
///            [SPEND     token:u8 spender:u8 (amount:number unless SPEND_BALANCE)]
///            [VALUE     amount:number]         native coin to send along, unwrapped by an earlier step
///            [BALANCE   token:u8 at:u16 least:number]
///            [CALLBACK  caller:u8 selector:u32 bytesArgument:u8 initiatorArgument:u8 at:u16]
///            length:u16 data
/// callback = length:u8 answer repayments:u8 (token:u8 amount:number)* body
///
/// SPEND approves, calls, and approves zero. BALANCE replaces the word at `at` in the data by the balance of the
/// token, and reverts (with SKIP: leaves the step out) where that is below `least`. CALLBACK expects that the
/// call makes one callback, whose bytes argument are the bytes of the data at `at`, after their ABI length: a
/// `callback`. Its body runs, then the caller is approved the repayments, until the step ends.
contract Executor {
    using Erc20 for IERC20;

    uint256 private constant SPEND = 1;
    uint256 private constant SPEND_BALANCE = 2;
    uint256 private constant VALUE = 4;
    uint256 private constant BALANCE = 8;
    uint256 private constant SKIP = 16;
    uint256 private constant CALLBACK = 32;

    uint256 private constant TEST_LEAST = 0x80;
    uint256 private constant TEST_MOST = 0x40;

    /// @dev What a token that counts in shares may be unable to give up.
    uint256 private constant DUST = 2;
    uint256 private constant BPS = 10_000;

    address public immutable operator;
    address public immutable vault;
    IWrappedNative public immutable wrappedNative;

    struct Step {
        uint256 flags;
        address target;
        IERC20 spent;
        address spender;
        uint256 amount;
        uint256 value;
        IERC20 held;
        uint256 heldAt;
        uint256 least;
        address caller;
        uint256 selector;
        uint256 bytesArgument;
        uint256 initiatorArgument;
        uint256 programAt;
    }

    /// @notice What reached the vault, the tip not counted, and the tip; in wei.
    event Executed(uint256 profit, uint256 tip);
    /// @notice The leg failed and was undone; `reason` is the first word of what it reverted with.
    event LegFailed(uint256 index, bytes32 reason);

    error ZeroAddress();
    error NotOperator();
    error NotSelf();
    error Reentered();
    error Expired(uint256 deadline);
    error GuardFailed(uint256 index);
    error UntouchedToken(uint256 index);
    error ForbiddenCall(address target, bytes4 selector);
    error NoCode(address target);
    error BalanceTooLow(address token, uint256 balance, uint256 least);
    error NotSwept(address token, uint256 left);
    error FloorNotMet(uint256 profit, uint256 floor);
    error VaultPaid(uint256 loss);
    error TipRefused(address coinbase);

    constructor(address operator_, address vault_, IWrappedNative wrappedNative_) {
        if (operator_ == address(0) || vault_ == address(0) || address(wrappedNative_) == address(0)) {
            revert ZeroAddress();
        }
        operator = operator_;
        vault = vault_;
        wrappedNative = wrappedNative_;
    }

    /// @notice Runs a program and returns by how much the vault's wrapped native coin grew, in wei.
    function execute(bytes calldata program) external returns (uint256 profit) {
        if (msg.sender != operator) revert NotOperator();
        if (Scratch.isRunning()) revert Reentered();

        Reader memory reader = Reading.open(program);
        uint256 deadline = reader.fixedNumber(5);
        // slither-disable-next-line timestamp
        if (block.timestamp > deadline) revert Expired(deadline);
        uint256 floor = reader.number();
        uint256 tipBps = reader.fixedNumber(2);
        uint256 tipCap = reader.number();
        uint256 tokens = _begin(reader);

        _guard(reader);
        uint256 before = wrappedNative.balanceOf(vault);
        _runLegs(reader);
        reader.close();

        _sweep(tokens);
        uint256 tip;
        (profit, tip) = _settle(before, tipBps, tipCap);
        if (profit < floor) revert FloorNotMet(profit, floor);
        emit Executed(profit, tip);
        if (tip != 0) _tip(tip);
        Scratch.end();
    }

    /// @notice Runs the body of a leg that may fail; a frame of its own, so that failing undoes all of it.
    function runLeg(bytes calldata body) external {
        if (msg.sender != address(this)) revert NotSelf();
        Reader memory reader = Reading.open(body);
        _run(reader);
        reader.close();
    }

    /// @notice Runs the callback that the current step has committed to, and returns the answer it is to give.
    fallback(bytes calldata) external returns (bytes memory answer) {
        Reader memory reader = Reading.open(Scratch.take());
        answer = reader.slice(reader.small());
        uint256 repaymentsAt = reader.at;
        _eachRepayment(reader, msg.sender, _pass);
        _run(reader);
        reader.close();
        _eachRepayment(Reader(repaymentsAt, reader.end), msg.sender, _approve);
    }

    /// @notice Takes native coin only while a program runs: a withdrawal's, or a market's that pays out in it.
    receive() external payable {
        if (!Scratch.isRunning()) revert NotOperator();
    }

    // --- a program's parts, in the order in which they are read

    /// @dev Returns how many tokens after the wrapped native coin are touched.
    function _begin(Reader memory reader) private returns (uint256 tokens) {
        tokens = reader.small();
        uint256 addresses = reader.small();
        Scratch.begin(tokens);
        Scratch.setAddress(0, address(wrappedNative));
        for (uint256 i = 1; i <= addresses; i++) {
            Scratch.setAddress(i, address(uint160(reader.fixedNumber(20))));
        }
    }

    function _runLegs(Reader memory reader) private {
        uint256 legs = reader.small();
        for (uint256 i = 0; i < legs; i++) {
            if (reader.small() == 0) {
                _run(reader);
            } else {
                uint256 gasLimit = reader.fixedNumber(3);
                _tryLeg(i, gasLimit, reader.slice(reader.fixedNumber(2)));
            }
        }
    }

    function _tryLeg(uint256 index, uint256 gasLimit, bytes calldata body) private {
        bytes memory data = abi.encodeCall(this.runLeg, (body));
        bool success;
        bytes32 reason;
        assembly ("memory-safe") {
            if iszero(gasLimit) { gasLimit := gas() }
            mstore(0, 0)
            // only the first word comes back: a hostile answer could be long
            success := call(gasLimit, address(), 0, add(data, 32), mload(data), 0, 32)
            reason := mload(0)
        }
        if (!success) emit LegFailed(index, reason);
    }

    function _run(Reader memory reader) private {
        _guard(reader);
        uint256 steps = reader.small();
        for (uint256 i = 0; i < steps; i++) {
            Step memory step = _readStep(reader);
            _perform(step, reader.slice(reader.fixedNumber(2)));
        }
    }

    /// @dev Reads that must still hold: the first thing a program and a leg do, for a lost race to cost little.
    function _guard(Reader memory reader) private view {
        uint256 guards = reader.small();
        for (uint256 i = 0; i < guards; i++) {
            address target = Scratch.getAddress(reader.small());
            uint256 test = reader.small();
            uint256 least = test & TEST_LEAST != 0 ? reader.number() : 0;
            uint256 most = test & TEST_MOST != 0 ? reader.number() : type(uint256).max;
            uint256 end = 32 * (test & 0x3f) + 32;

            (bool success, bytes memory answer) = target.staticcall(reader.slice(reader.fixedNumber(2)));
            if (!success || answer.length < end) revert GuardFailed(i);
            uint256 word;
            assembly ("memory-safe") {
                word := mload(add(answer, end))
            }
            if (word < least || word > most) revert GuardFailed(i);
        }
    }

    function _readStep(Reader memory reader) private view returns (Step memory step) {
        uint256 flags = reader.small();
        step.flags = flags;
        step.target = Scratch.getAddress(reader.small());
        if (flags & SPEND != 0) {
            step.spent = _readToken(reader);
            step.spender = Scratch.getAddress(reader.small());
            if (flags & SPEND_BALANCE == 0) step.amount = reader.number();
        }
        if (flags & VALUE != 0) step.value = reader.number();
        if (flags & BALANCE != 0) {
            step.held = _readToken(reader);
            step.heldAt = reader.fixedNumber(2);
            step.least = reader.number();
        }
        if (flags & CALLBACK != 0) {
            step.caller = Scratch.getAddress(reader.small());
            step.selector = reader.fixedNumber(4);
            step.bytesArgument = reader.small();
            step.initiatorArgument = reader.small();
            step.programAt = reader.fixedNumber(2);
        }
    }

    /// @dev What is spent must be a touched token: those are what is swept.
    function _readToken(Reader memory reader) private view returns (IERC20) {
        uint256 index = reader.small();
        if (!Scratch.isTouched(index)) revert UntouchedToken(index);
        return IERC20(Scratch.getAddress(index));
    }

    // --- one step

    function _perform(Step memory step, bytes calldata data) private {
        bytes4 selector = bytes4(data);
        if (step.target == address(this) || Approvals.isApproval(selector)) {
            revert ForbiddenCall(step.target, selector);
        }
        bytes memory call = data;
        if (step.flags & BALANCE != 0) {
            uint256 balance = step.held.balanceOf(address(this));
            if (balance < step.least) {
                if (step.flags & SKIP != 0) return;
                revert BalanceTooLow(address(step.held), balance, step.least);
            }
            _replaceWord(call, step.heldAt, balance);
        }
        if (step.flags & SPEND != 0) {
            if (step.flags & SPEND_BALANCE != 0) step.amount = step.spent.balanceOf(address(this));
            step.spent.forceApprove(step.spender, step.amount);
        }
        if (step.flags & CALLBACK == 0) {
            _call(step.target, step.value, call);
        } else {
            // Hashed before the balance is put in: whatever the lender sends back that differs is refused, so
            // the repayments revoked below are the ones that were approved.
            bytes calldata callback = _callback(data, step.programAt);
            Scratch.commit(
                step.caller, step.selector, step.bytesArgument, step.initiatorArgument, keccak256(callback)
            );
            _call(step.target, step.value, call);
            Scratch.requireTaken();
            Reader memory reader = Reading.open(callback);
            reader.slice(reader.small());
            _eachRepayment(reader, step.caller, _revoke);
        }
        if (step.flags & SPEND != 0) step.spent.revoke(step.spender);
    }

    function _call(address target, uint256 value, bytes memory data) private {
        (bool success, bytes memory answer) = target.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        if (answer.length == 0 && target.code.length == 0) revert NoCode(target);
    }

    function _replaceWord(bytes memory data, uint256 at, uint256 word) private pure {
        if (at + 32 > data.length) revert Reading.Malformed();
        assembly ("memory-safe") {
            mstore(add(add(data, 32), at), word)
        }
    }

    /// @dev Returns the bytes argument at `at`, after its ABI length.
    function _callback(bytes calldata data, uint256 at) private pure returns (bytes calldata) {
        if (at < 32) revert Reading.Malformed();
        return data[at:][:uint256(bytes32(data[at - 32:at]))];
    }

    function _eachRepayment(
        Reader memory reader,
        address lender,
        function(IERC20, address, uint256) internal action
    ) private {
        uint256 repayments = reader.small();
        for (uint256 i = 0; i < repayments; i++) {
            IERC20 token = _readToken(reader);
            action(token, lender, reader.number());
        }
    }

    function _pass(IERC20, address, uint256) private pure {}

    function _approve(IERC20 token, address lender, uint256 amount) private {
        token.forceApprove(lender, amount);
    }

    function _revoke(IERC20 token, address lender, uint256) private {
        token.revoke(lender);
    }

    // --- the end

    /// @dev What counts is what is left, not what the token says of its transfer.
    function _sweep(uint256 tokens) private {
        for (uint256 i = 1; i <= tokens; i++) {
            IERC20 token = IERC20(Scratch.getAddress(i));
            uint256 balance = token.balanceOf(address(this));
            if (balance == 0) continue;
            token.tryTransfer(vault, balance);
            balance = token.balanceOf(address(this));
            if (balance > DUST) revert NotSwept(address(token), balance);
        }
    }

    /// @dev Sends the vault what is earned in wrapped native coin, but for the tip, which is unwrapped and kept
    /// for a moment. Both are counted from what the vault really has.
    function _settle(uint256 before, uint256 tipBps, uint256 tipCap) private returns (uint256 profit, uint256 tip) {
        if (address(this).balance != 0) wrappedNative.deposit{value: address(this).balance}();
        uint256 held = wrappedNative.balanceOf(address(this));
        if (tipBps != 0) {
            uint256 afterwards = wrappedNative.balanceOf(vault) + held;
            if (afterwards > before) tip = _least((afterwards - before) * tipBps / BPS, tipCap);
            if (tip != 0) wrappedNative.withdraw(tip);
        }
        if (held != tip) IERC20(wrappedNative).safeTransfer(vault, held - tip);
        uint256 balance = wrappedNative.balanceOf(vault);
        if (balance < before) revert VaultPaid(before - balance);
        profit = balance - before;
    }

    function _tip(uint256 tip) private {
        (bool success,) = block.coinbase.call{value: tip}("");
        if (!success) revert TipRefused(block.coinbase);
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
