// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title The packed encoding
/// @notice Reads at a position in this call's calldata, and returns where what follows begins. Integers are
/// big-endian, nothing is padded. A *number* is a byte that says how many bytes follow (0 to 32), and those:
/// most amounts are short, and a transaction pays for each byte of its calldata.
/// @dev Nothing here looks where the calldata ends; beyond it are zeros. Whoever opens a program closes it, which
/// reverts unless it was read exactly to its end, and so undoes whatever came of reading further.
library Packed {
    /// @notice The program does not end where it should, or holds a number of more than 32 bytes.
    error Malformed();

    /// @notice Returns where `program` begins.
    function open(bytes calldata program) internal pure returns (uint256 at) {
        assembly ("memory-safe") {
            at := program.offset
        }
    }

    /// @notice Requires that `program` was read to its end, and no further.
    function close(bytes calldata program, uint256 at) internal pure {
        uint256 end;
        assembly ("memory-safe") {
            end := add(program.offset, program.length)
        }
        if (at != end) revert Malformed();
    }

    /// @notice Reads one byte.
    function u8(uint256 at) internal pure returns (uint256 value, uint256 next) {
        assembly ("memory-safe") {
            value := byte(0, calldataload(at))
            next := add(at, 1)
        }
    }

    /// @notice Reads an unsigned integer of `size` bytes, at most 32.
    function uintOf(uint256 at, uint256 size) internal pure returns (uint256 value, uint256 next) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), calldataload(at))
            next := add(at, size)
        }
    }

    /// @notice Reads a number.
    function number(uint256 at) internal pure returns (uint256 value, uint256 next) {
        (value, next) = u8(at);
        if (value > 32) revert Malformed();
        (value, next) = uintOf(next, value);
    }

    /// @notice Reads `size` bytes, at most 2^24, which stay where they are.
    function slice(uint256 at, uint256 size) internal pure returns (bytes calldata data, uint256 next) {
        assembly ("memory-safe") {
            data.offset := at
            data.length := size
            next := add(at, size)
        }
    }

    /// @notice Reads a length of two bytes, and so many bytes.
    function sized(uint256 at) internal pure returns (bytes calldata data, uint256 next) {
        (uint256 size, uint256 start) = uintOf(at, 2);
        return slice(start, size);
    }
}
