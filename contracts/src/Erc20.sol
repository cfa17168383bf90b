// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IWrappedNative is IERC20 {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

/// @title ERC-20 as it is met
/// @notice Transfers and approvals of tokens that return nothing, and of tokens that refuse to change an
/// allowance from one non-zero amount to another.
library Erc20 {
    error TransferRefused(address token);
    error ApprovalRefused(address token);

    /// @notice Moves `amount` to `to`, or reverts.
    function safeTransfer(IERC20 token, address to, uint256 amount) internal {
        if (!tryTransfer(token, to, amount)) revert TransferRefused(address(token));
    }

    /// @notice Moves `amount` to `to`, and returns whether the token says so.
    function tryTransfer(IERC20 token, address to, uint256 amount) internal returns (bool) {
        return _call(token, IERC20.transfer.selector, to, amount);
    }

    /// @notice Lets `spender` take `amount`, whatever it may have been allowed before.
    function forceApprove(IERC20 token, address spender, uint256 amount) internal {
        if (_call(token, IERC20.approve.selector, spender, amount)) return;
        if (_call(token, IERC20.approve.selector, spender, 0)) {
            if (_call(token, IERC20.approve.selector, spender, amount)) return;
        }
        revert ApprovalRefused(address(token));
    }

    /// @notice Leaves `spender` nothing to take.
    /// @dev Asks first: what was approved has mostly been taken, and some tokens refuse to approve zero.
    function revoke(IERC20 token, address spender) internal {
        if (token.allowance(address(this), spender) == 0) return;
        if (!_call(token, IERC20.approve.selector, spender, 0)) revert ApprovalRefused(address(token));
    }

    /// @dev Returns whether the token did it: it answered nothing, being a contract, or a true.
    function _call(IERC20 token, bytes4 selector, address account, uint256 amount) private returns (bool success) {
        uint256 answered;
        assembly ("memory-safe") {
            let data := mload(64)
            mstore(data, selector)
            mstore(add(data, 4), account)
            mstore(add(data, 36), amount)
            success := call(gas(), token, 0, data, 68, 0, 32)
            answered := returndatasize()
            if answered { success := and(success, and(gt(answered, 31), eq(mload(0), 1))) }
        }
        if (answered == 0 && address(token).code.length == 0) success = false;
    }
}
