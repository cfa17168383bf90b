// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Calls that give somebody a lasting hold on the caller
/// @notice The names known today. No list can be complete (a token may forward calls to itself under any
/// name), so it is a fence and not the proof: the proof is that an executor serves one operator, holds
/// nothing between transactions, and is replaced when that operator's key is lost.
library Approvals {
    /// @dev One expression without branches: it is evaluated for every step.
    function isApproval(bytes4 selector) internal pure returns (bool found) {
        assembly ("memory-safe") {
            let name := shr(224, selector)
            found := eq(name, 0x095ea7b3) // approve(address,uint256)
            found := or(found, eq(name, 0x39509351)) // increaseAllowance(address,uint256)
            found := or(found, eq(name, 0xa457c2d7)) // decreaseAllowance(address,uint256)
            found := or(found, eq(name, 0xd73dd623)) // increaseApproval(address,uint256)
            found := or(found, eq(name, 0x66188463)) // decreaseApproval(address,uint256)
            found := or(found, eq(name, 0x3177029f)) // approveAndCall(address,uint256)
            found := or(found, eq(name, 0xcae9ca51)) // approveAndCall(address,uint256,bytes)
            found := or(found, eq(name, 0xa22cb465)) // setApprovalForAll(address,bool)
            found := or(found, eq(name, 0x558a7297)) // setOperator(address,bool)
            found := or(found, eq(name, 0x959b8c3f)) // authorizeOperator(address)
            found := or(found, eq(name, 0xeecea000)) // setAuthorization(address,bool)
            found := or(found, eq(name, 0xc04a8a10)) // approveDelegation(address,uint256)
            found := or(found, eq(name, 0x110496e5)) // allow(address,bool)
            found := or(found, eq(name, 0x87517c45)) // approve(address,address,uint160,uint48)
            found := or(found, eq(name, 0xd505accf)) // permit(address,address,uint256,uint256,uint8,bytes32,bytes32)
            found := or(found, eq(name, 0x8fcbaf0c)) // permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)
            found := or(found, eq(name, 0x2b67b570)) // permit(address,PermitSingle,bytes)
            found := or(found, eq(name, 0x2a2d80d1)) // permit(address,PermitBatch,bytes)
        }
    }
}
