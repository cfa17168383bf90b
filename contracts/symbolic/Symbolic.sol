// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

/// @notice What Halmos offers a test: any bytes, any word, any sender, and what may be assumed of them.
interface Svm {
    function createBytes(uint256 size, string calldata name) external pure returns (bytes memory);
    function createUint256(string calldata name) external pure returns (uint256);
    function createAddress(string calldata name) external pure returns (address);
}

interface Vm {
    function assume(bool condition) external pure;
    function prank(address sender) external;
}

abstract contract Symbolic {
    Svm internal constant svm = Svm(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
}
