// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @notice How far a packed program has been read: two positions in this call's calldata.
struct Reader {
    uint256 at;
    uint256 end;
}

using Reading for Reader global;

/// @title The packed encoding
/// @notice Integers are big-endian, nothing is padded. A *number* is a byte that says how many bytes follow
/// (0 to 32), and those: most amounts are short, and a transaction pays for each byte of its calldata.
library Reading {
    /// @notice The program ends too early, holds a number over 32 bytes, or something follows it.
    error Malformed();

    /// @notice Returns a reader at the start of `program`.
    function open(bytes calldata program) internal pure returns (Reader memory reader) {
        assembly ("memory-safe") {
            mstore(reader, program.offset)
            mstore(add(reader, 32), add(program.offset, program.length))
        }
    }

    /// @notice Requires that all has been read.
    function close(Reader memory reader) internal pure {
        if (reader.at != reader.end) revert Malformed();
    }

    /// @notice Reads an unsigned integer of `size` bytes, at most 32.
    function fixedNumber(Reader memory reader, uint256 size) internal pure returns (uint256 value) {
        uint256 at = _advance(reader, size);
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, size)), calldataload(at))
        }
    }

    /// @notice Reads one byte.
    function small(Reader memory reader) internal pure returns (uint256) {
        return fixedNumber(reader, 1);
    }

    /// @notice Reads a number.
    function number(Reader memory reader) internal pure returns (uint256) {
        uint256 size = small(reader);
        if (size > 32) revert Malformed();
        return fixedNumber(reader, size);
    }

    /// @notice Reads `size` bytes, which stay where they are.
    function slice(Reader memory reader, uint256 size) internal pure returns (bytes calldata data) {
        uint256 at = _advance(reader, size);
        assembly ("memory-safe") {
            data.offset := at
            data.length := size
        }
    }

    /// @dev Steps over `size` bytes, at most 2^24, and returns where they begin.
    function _advance(Reader memory reader, uint256 size) private pure returns (uint256 at) {
        at = reader.at;
        uint256 next = at + size;
        if (next > reader.end) revert Malformed();
        reader.at = next;
    }
}
