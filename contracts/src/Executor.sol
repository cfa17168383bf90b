// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Approvals} from "./Approvals.sol";
import {Calls} from "./Calls.sol";
import {Erc20, IERC20, IWrappedNative} from "./Erc20.sol";
import {Packed} from "./Packed.sol";
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
/// @dev A program is packed. Integers are big-endian; a `number` is one byte, how many bytes follow, and those;
/// `data` is two bytes, how many follow, and those.
///
/// program  = deadline:u40 floor:number tipBps:u16 tipCap:number
///            tokens:u8 addresses:u8 address*   index 0 is the wrapped native coin, these are 1, 2, ...; the
///                                              first `tokens` of them are the tokens that are touched
///            guards legs:u8 leg*
/// leg      = 0:u8 body                         it must succeed
///          | 1:u8 gas:u24 data                 the data is a body, which may fail, and then leaves no trace; it
///                                              gets so much gas, or with 0 all there is
/// body     = guards steps:u8 step*
/// guards   = count:u8 (target:u8 data test:u8 [least:number] [most:number])*
///            test is the word of the answer to look at, + 0x80 with `least`, + 0x40 with `most`
/// step     = flags:u8 target:u8 data
///            [BALANCE       token:u8 at:u16 least:number [SKIP size:u8]]
///            [SPEND         token:u8 amount:number spender:u8]
///            [SPEND_BALANCE spender:u8]
///            [VALUE         amount:number]
///            [CALLBACK      caller:u8 selector:u32 bytesArgument:u8 initiatorArgument:u8 at:u16]
/// callback = length:u8 answer length:u8 repayments body
/// repayments = (token:u8 amount:number)*
///
/// BALANCE replaces the word at `at` in the data by the balance of the token, and reverts where that is below
/// `least`; with SKIP the call is left out instead, and the `size` bytes of the step that are left passed over.
/// SPEND approves, calls, and approves zero; SPEND_BALANCE does it with the balance just measured. VALUE sends
/// along native coin, which an earlier step has unwrapped. CALLBACK expects that the call makes one callback,
/// whose bytes argument are the bytes at `at` in the data, after their ABI length: a `callback`. Its body runs,
/// then its caller is approved the repayments, until the step ends.
contract Executor {
    using Erc20 for IERC20;
    using Packed for uint256;
    using Packed for bytes;

    uint256 private constant BALANCE = 1;
    uint256 private constant SKIP = 2;
    uint256 private constant SPEND = 4;
    uint256 private constant SPEND_BALANCE = 8;
    uint256 private constant VALUE = 16;
    uint256 private constant CALLBACK = 32;

    uint256 private constant TEST_LEAST = 0x80;
    uint256 private constant TEST_MOST = 0x40;
    uint256 private constant TEST_WORD = 0x3f;

    /// @dev What a token that counts in shares may be unable to give up.
    uint256 private constant DUST = 2;
    uint256 private constant BPS = 10_000;

    address public immutable operator;
    address public immutable vault;
    IWrappedNative public immutable wrappedNative;

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
    error ForbiddenCall(address target, bytes4 selector);
    error BalanceTooLow(address token, uint256 balance, uint256 least);
    error NotSwept(address token, uint256 left);
    error FloorNotMet(uint256 profit, uint256 floor);
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
        Scratch.setRunning(true);

        (uint256 deadline, uint256 at) = Packed.open(program).uintOf(5);
        if (block.timestamp > deadline) revert Expired(deadline);
        uint256 floor;
        uint256 tipBps;
        uint256 tipCap;
        uint256 tokens;
        (floor, at) = at.number();
        (tipBps, at) = at.uintOf(2);
        (tipCap, at) = at.number();
        (tokens, at) = _list(at);

        at = _guard(at);
        uint256 before = wrappedNative.balanceOf(vault);
        at = _runLegs(at);
        Packed.close(program, at);

        _sweep(tokens);
        uint256 tip;
        (profit, tip) = _settle(before, tipBps, tipCap);
        if (profit < floor) revert FloorNotMet(profit, floor);
        emit Executed(profit, tip);
        if (tip != 0) _tip(tip);
        Scratch.setRunning(false);
    }

    /// @notice Runs the body of a leg that may fail; a frame of its own, so that failing undoes all of it.
    function runLeg(bytes calldata body) external {
        if (msg.sender != address(this)) revert NotSelf();
        Packed.close(body, _run(Packed.open(body)));
    }

    /// @notice Runs the callback that the current step has committed to, and returns the answer it is to give.
    fallback(bytes calldata) external returns (bytes memory) {
        bytes calldata callback = Scratch.take();
        (bytes calldata answer, bytes calldata repayments, uint256 at) = _open(callback);
        Packed.close(callback, _run(at));
        _approve(repayments, msg.sender);
        return answer;
    }

    /// @notice Takes native coin only while a program runs: a withdrawal's, or a market's that pays out in it.
    receive() external payable {
        if (!Scratch.isRunning()) revert NotOperator();
    }

    // --- a program's parts: each is given where it begins, and returns where it ends

    /// @dev Lists the addresses; returns also how many of them, after the wrapped native coin, are tokens.
    function _list(uint256 at) private returns (uint256 tokens, uint256) {
        uint256 addresses;
        (tokens, at) = at.u8();
        (addresses, at) = at.u8();
        Scratch.setToken(0, uint160(address(wrappedNative)));
        for (uint256 i = 1; i <= addresses; i++) {
            uint256 account;
            (account, at) = at.uintOf(20);
            if (i <= tokens) Scratch.setToken(i, account);
            else Scratch.setAddress(i, account);
        }
        return (tokens, at);
    }

    /// @dev Reads that must still hold: the first thing a program and a leg do, for a lost race to cost little.
    function _guard(uint256 at) private view returns (uint256) {
        uint256 guards;
        (guards, at) = at.u8();
        for (uint256 i = 0; i < guards; i++) {
            address target;
            uint256 test;
            uint256 least;
            uint256 most = type(uint256).max;
            bytes calldata data;
            (target, at) = _address(at);
            (data, at) = at.sized();
            (test, at) = at.u8();
            if (test & TEST_LEAST != 0) (least, at) = at.number();
            if (test & TEST_MOST != 0) (most, at) = at.number();

            (bool success, uint256 word) = Calls.read(target, data, test & TEST_WORD);
            if (!success || word < least || word > most) revert GuardFailed(i);
        }
        return at;
    }

    function _runLegs(uint256 at) private returns (uint256) {
        uint256 legs;
        (legs, at) = at.u8();
        for (uint256 i = 0; i < legs; i++) {
            uint256 mayFail;
            (mayFail, at) = at.u8();
            at = mayFail == 0 ? _run(at) : _tryLeg(at, i);
        }
        return at;
    }

    function _tryLeg(uint256 at, uint256 index) private returns (uint256) {
        uint256 gasLimit;
        bytes calldata body;
        (gasLimit, at) = at.uintOf(3);
        (body, at) = at.sized();
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
        return at;
    }

    function _run(uint256 at) private returns (uint256) {
        at = _guard(at);
        uint256 steps;
        (steps, at) = at.u8();
        for (uint256 i = 0; i < steps; i++) {
            at = _step(at);
        }
        return at;
    }

    function _step(uint256 at) private returns (uint256) {
        uint256 flags;
        address target;
        bytes calldata data;
        (flags, at) = at.u8();
        (target, at) = _address(at);
        (data, at) = at.sized();
        bytes memory input = Calls.copy(data);

        IERC20 spent;
        uint256 amount;
        if (flags & BALANCE != 0) {
            bool tooLow;
            (spent, amount, tooLow, at) = _putBalance(at, flags, input);
            if (tooLow) return at;
        }
        address spender;
        if (flags & (SPEND | SPEND_BALANCE) != 0) {
            if (flags & SPEND != 0) (spent, amount, at) = _amount(at);
            (spender, at) = _address(at);
            spent.forceApprove(spender, amount);
        }
        uint256 value;
        if (flags & VALUE != 0) (value, at) = at.number();

        if (flags & CALLBACK == 0) {
            _call(target, value, input);
        } else {
            at = _callWithCallback(at, target, value, input, data);
        }
        if (flags & (SPEND | SPEND_BALANCE) != 0) spent.revoke(spender);
        return at;
    }

    /// @dev Puts the balance of a token into the call, or tells that it is too low and the call to be left out.
    function _putBalance(uint256 at, uint256 flags, bytes memory input)
        private
        view
        returns (IERC20 token, uint256 held, bool tooLow, uint256)
    {
        uint256 wordAt;
        uint256 least;
        uint256 size;
        (token, at) = _token(at);
        (wordAt, at) = at.uintOf(2);
        (least, at) = at.number();
        if (flags & SKIP != 0) (size, at) = at.u8();

        held = token.balanceOf(address(this));
        if (held < least) {
            if (flags & SKIP == 0) revert BalanceTooLow(address(token), held, least);
            return (token, held, true, at + size);
        }
        if (wordAt + 32 > input.length) revert Packed.Malformed();
        assembly ("memory-safe") {
            mstore(add(add(input, 32), wordAt), held)
        }
        return (token, held, false, at);
    }

    function _amount(uint256 at) private view returns (IERC20 token, uint256 amount, uint256) {
        (token, at) = _token(at);
        (amount, at) = at.number();
        return (token, amount, at);
    }

    function _token(uint256 at) private view returns (IERC20 token, uint256 next) {
        (uint256 index, uint256 end) = at.u8();
        return (IERC20(Scratch.getToken(index)), end);
    }

    function _address(uint256 at) private view returns (address account, uint256 next) {
        (uint256 index, uint256 end) = at.u8();
        return (Scratch.getAddress(index), end);
    }

    /// @dev The commitment is to the bytes before a balance is put in: whatever comes back that differs is
    /// refused, and so the repayments revoked afterwards are the ones that were approved.
    function _callWithCallback(uint256 at, address target, uint256 value, bytes memory input, bytes calldata data)
        private
        returns (uint256)
    {
        address caller;
        uint256 selector;
        uint256 bytesArgument;
        uint256 initiatorArgument;
        uint256 start;
        (caller, at) = _address(at);
        (selector, at) = at.uintOf(4);
        (bytesArgument, at) = at.u8();
        (initiatorArgument, at) = at.u8();
        (start, at) = at.uintOf(2);
        bytes calldata callback = data[start:][:uint256(bytes32(data[start - 32:start]))];

        Scratch.commit(caller, selector, bytesArgument, initiatorArgument, Calls.hash(callback));
        _call(target, value, input);
        Scratch.requireTaken();
        (, bytes calldata repayments,) = _open(callback);
        _revoke(repayments, caller);
        return at;
    }

    // --- one call

    function _call(address target, uint256 value, bytes memory input) private {
        bytes4 selector = bytes4(input);
        if (target == address(this) || Approvals.isApproval(selector)) revert ForbiddenCall(target, selector);
        Calls.make(target, value, input);
    }

    // --- a callback's program

    /// @dev Returns its answer, its repayments, and where its body begins.
    function _open(bytes calldata callback)
        private
        pure
        returns (bytes calldata answer, bytes calldata repayments, uint256 at)
    {
        uint256 size;
        (size, at) = Packed.open(callback).u8();
        (answer, at) = at.slice(size);
        (size, at) = at.u8();
        (repayments, at) = at.slice(size);
    }

    function _approve(bytes calldata repayments, address lender) private {
        uint256 at = Packed.open(repayments);
        for (uint256 end = at + repayments.length; at < end;) {
            IERC20 token;
            uint256 amount;
            (token, amount, at) = _amount(at);
            token.forceApprove(lender, amount);
        }
        Packed.close(repayments, at);
    }

    function _revoke(bytes calldata repayments, address lender) private {
        uint256 at = Packed.open(repayments);
        for (uint256 end = at + repayments.length; at < end;) {
            IERC20 token;
            (token,, at) = _amount(at);
            token.revoke(lender);
        }
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
    /// for a moment. Both are counted from what the vault really has. It has less than before only where it has
    /// spent some on what it carries: then nothing was earned, and any floor but zero is not met.
    function _settle(uint256 before, uint256 tipBps, uint256 tipCap) private returns (uint256 profit, uint256 tip) {
        if (address(this).balance != 0) wrappedNative.deposit{value: address(this).balance}();
        uint256 held = wrappedNative.balanceOf(address(this));
        if (tipBps != 0) {
            uint256 gain = _over(wrappedNative.balanceOf(vault) + held, before);
            tip = _least(gain * tipBps / BPS, tipCap);
            if (tip != 0) wrappedNative.withdraw(tip);
        }
        if (held != tip) IERC20(wrappedNative).safeTransfer(vault, held - tip);
        profit = _over(wrappedNative.balanceOf(vault), before);
    }

    function _tip(uint256 tip) private {
        (bool success,) = block.coinbase.call{value: tip}("");
        if (!success) revert TipRefused(block.coinbase);
    }

    /// @dev Returns by how much `a` is over `b`; zero where it is not.
    function _over(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : 0;
    }

    function _least(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
