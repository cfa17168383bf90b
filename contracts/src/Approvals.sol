// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @title Calls that give somebody a lasting hold on the caller
/// @notice The names known today. No list can be complete (a token may forward calls to itself under any
/// name), so it is a fence and not the proof: the proof is that an executor serves one operator, holds
/// nothing between transactions, and is replaced when that operator's key is lost.
library Approvals {
    function isApproval(bytes4 selector) internal pure returns (bool) {
        return selector == 0x095ea7b3 // approve(address,uint256)
            || selector == 0x39509351 // increaseAllowance(address,uint256)
            || selector == 0xa457c2d7 // decreaseAllowance(address,uint256)
            || selector == 0xd73dd623 // increaseApproval(address,uint256)
            || selector == 0x66188463 // decreaseApproval(address,uint256)
            || selector == 0x3177029f // approveAndCall(address,uint256)
            || selector == 0xcae9ca51 // approveAndCall(address,uint256,bytes)
            || selector == 0xa22cb465 // setApprovalForAll(address,bool)
            || selector == 0x558a7297 // setOperator(address,bool)
            || selector == 0x959b8c3f // authorizeOperator(address)
            || selector == 0xeecea000 // setAuthorization(address,bool)
            || selector == 0xc04a8a10 // approveDelegation(address,uint256)
            || selector == 0x110496e5 // allow(address,bool)
            || selector == 0xd505accf // permit(address,address,uint256,uint256,uint8,bytes32,bytes32)
            || selector == 0x8fcbaf0c // permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)
            || selector == 0x87517c45 // approve(address,address,uint160,uint48)
            || selector == 0x2b67b570 // permit(address,PermitSingle,bytes)
            || selector == 0x2a2d80d1; // permit(address,PermitBatch,bytes)
    }
}
