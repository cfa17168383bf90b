// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Calls} from "./Calls.sol";

/// @title What the executor remembers within a transaction
/// @notice All of it in transient storage: a frame that reverts takes back what it wrote, and nothing is left
/// when the transaction ends. The executor has no other storage.
library Scratch {
    /// @notice Somebody called who is not expected, in this way, with these bytes, now.
    error UnexpectedCallback();
    /// @notice The callback that was expected was asked for by somebody else.
    error WrongInitiator(address initiator);
    /// @notice A call returned without the callback it was to make.
    error CallbackMissing();
    /// @notice What is spent or measured must be one of the program's tokens: those are what is swept.
    error UntouchedToken(uint256 index);

    uint256 internal constant NO_ARGUMENT = 0xff;

    uint256 private constant RUNNING = 0;
    uint256 private constant COMMITMENT = 1;
    uint256 private constant COMMITTED_BYTES = 2;
    uint256 private constant ADDRESSES = 0x100;

    uint256 private constant TOUCHED = 1 << 160;

    // --- the running program

    function isRunning() internal view returns (bool) {
        return _load(RUNNING) != 0;
    }

    function setRunning(bool running) internal {
        _store(RUNNING, running ? 1 : 0);
    }

    /// @notice Lists an address by which a program goes on to mean it by its index.
    function setAddress(uint256 index, uint256 account) internal {
        _store(_slot(index), account);
    }

    /// @notice Lists a token that will be swept in the end.
    function setToken(uint256 index, uint256 token) internal {
        _store(_slot(index), token | TOUCHED);
    }

    function getAddress(uint256 index) internal view returns (address) {
        return address(uint160(_load(_slot(index))));
    }

    function getToken(uint256 index) internal view returns (address) {
        uint256 token = _load(_slot(index));
        if (token & TOUCHED == 0) revert UntouchedToken(index);
        return address(uint160(token));
    }

    // --- the commitment to one callback

    /// @notice Expects one callback, from `caller`, by `selector`, whose bytes argument hashes to `committed`.
    /// @dev There is room for one, and one is enough: steps run in order, so a second commitment can only be
    /// made inside a callback, which took the first. That is what makes nesting last-in first-out.
    /// @param bytesArgument Which argument of the callback the bytes are, counted from 0.
    /// @param initiatorArgument Which argument must be this contract, or NO_ARGUMENT.
    function commit(
        address caller,
        uint256 selector,
        uint256 bytesArgument,
        uint256 initiatorArgument,
        bytes32 committed
    ) internal {
        _store(
            COMMITMENT, uint256(uint160(caller)) << 96 | selector << 64 | bytesArgument << 8 | initiatorArgument
        );
        _store(COMMITTED_BYTES, uint256(committed));
    }

    /// @notice Takes the commitment, which this very call must match, and returns the bytes argument.
    function take() internal returns (bytes calldata program) {
        uint256 commitment = _load(COMMITMENT);
        if (commitment >> 64 != (uint256(uint160(msg.sender)) << 32 | uint32(msg.sig))) revert UnexpectedCallback();

        bytes calldata arguments = msg.data[4:];
        uint256 initiatorArgument = commitment & 0xff;
        if (initiatorArgument != NO_ARGUMENT) {
            uint256 initiator = _word(arguments, 32 * initiatorArgument);
            if (initiator != uint160(address(this))) revert WrongInitiator(address(uint160(initiator)));
        }
        uint256 at = _word(arguments, 32 * (commitment >> 8 & 0xff));
        program = arguments[at + 32:][:_word(arguments, at)];
        if (Calls.hash(program) != bytes32(_load(COMMITTED_BYTES))) revert UnexpectedCallback();

        _store(COMMITMENT, 0);
    }

    /// @notice Requires that the commitment was taken.
    function requireTaken() internal view {
        if (_load(COMMITMENT) != 0) revert CallbackMissing();
    }

    function _slot(uint256 index) private pure returns (uint256) {
        return ADDRESSES | index; // an index is a byte
    }

    function _word(bytes calldata data, uint256 at) private pure returns (uint256) {
        return uint256(bytes32(data[at:at + 32]));
    }

    function _store(uint256 slot, uint256 value) private {
        assembly ("memory-safe") {
            tstore(slot, value)
        }
    }

    function _load(uint256 slot) private view returns (uint256 value) {
        assembly ("memory-safe") {
            value := tload(slot)
        }
    }
}
