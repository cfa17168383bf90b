// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Calls without copies
/// @notice What the executor does over and over, without the memory that the compiler would set aside for it.
library Calls {
    error NoCode(address target);

    /// @notice Returns a copy of `source` in memory.
    function copy(bytes calldata source) internal pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(64)
            mstore(data, source.length)
            calldatacopy(add(data, 32), source.offset, source.length)
            mstore(64, and(add(add(data, source.length), 63), not(31)))
        }
    }

    /// @notice Returns the keccak of `source`.
    function hash(bytes calldata source) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let data := mload(64)
            calldatacopy(data, source.offset, source.length)
            digest := keccak256(data, source.length)
        }
    }

    /// @notice Calls `target`, and passes on what it reverts with.
    function make(address target, uint256 value, bytes memory data) internal {
        bool success;
        uint256 answered;
        assembly ("memory-safe") {
            success := call(gas(), target, value, add(data, 32), mload(data), 0, 0)
            answered := returndatasize()
            if iszero(success) {
                let reason := mload(64)
                returndatacopy(reason, 0, answered)
                revert(reason, answered)
            }
        }
        if (answered == 0 && target.code.length == 0) revert NoCode(target);
    }

    /// @notice Asks `target`, and returns word `index` of what it answers, and whether there was one.
    function read(address target, bytes calldata data, uint256 index)
        internal
        view
        returns (bool success, uint256 word)
    {
        assembly ("memory-safe") {
            let question := mload(64)
            calldatacopy(question, data.offset, data.length)
            success := staticcall(gas(), target, question, data.length, 0, 0)
            let end := shl(5, add(index, 1))
            if lt(returndatasize(), end) { success := 0 }
            if success {
                returndatacopy(0, sub(end, 32), 32)
                word := mload(0)
            }
        }
    }
}
