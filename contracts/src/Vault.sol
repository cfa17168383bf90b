// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Erc20, IERC20} from "./Erc20.sol";

interface IVaultBorrower {
    /// @notice Called with the loan in hand; when it returns, the vault must have it back.
    function onVaultLoan(address token, uint256 amount, bytes calldata data) external;
}

/// @title Vault
/// @notice The owner's. Profit comes here, and inventory may be kept here, which executors that the owner names
/// may borrow within a transaction: tokens that the owner names, up to a cap, and the vault's balance of them
/// may not have fallen when the loan ends. Nobody but the owner can do anything else.
/// @dev Lend only tokens whose balance means the same at the end of a transaction as at its beginning: not one
/// that rebases, nor a share whose worth a borrower could move.
contract Vault {
    using Erc20 for IERC20;

    address public owner;
    address public nextOwner;
    mapping(address executor => bool) public lendsTo;
    mapping(address token => uint256) public cap;

    event OwnerOffered(address indexed nextOwner);
    event OwnerChanged(address indexed owner);
    event LendsTo(address indexed executor, bool lends);
    event Cap(address indexed token, uint256 cap);
    event Withdrawn(address indexed token, address indexed to, uint256 amount);
    event Called(address indexed target, uint256 value, bytes4 selector);

    error NotOwner();
    error NotNextOwner();
    error NotExecutor();
    error ZeroAddress();
    error NotLent(address token);
    error OverCap(address token, uint256 amount, uint256 cap);
    error OnLoan(address token);
    error NotRepaid(address token, uint256 missing);

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner();
        _;
    }

    constructor(address owner_) {
        if (owner_ == address(0)) revert ZeroAddress();
        owner = owner_;
        emit OwnerChanged(owner_);
    }

    /// @notice Native coin may be kept here too.
    receive() external payable {}

    /// @notice Lends `amount` of `token` to the executor that asks, for the length of its `onVaultLoan`.
    /// @dev One loan of a token at a time, so that the cap is one.
    function lend(address token, uint256 amount, bytes calldata data) external {
        if (!lendsTo[msg.sender]) revert NotExecutor();
        uint256 most = cap[token];
        if (most == 0) revert NotLent(token); // not even nothing of it: no stranger's contract is called
        if (amount > most) revert OverCap(token, amount, most);
        if (_isOnLoan(token)) revert OnLoan(token);
        _setOnLoan(token, true);

        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransfer(msg.sender, amount);
        IVaultBorrower(msg.sender).onVaultLoan(token, amount, data);
        uint256 balance = IERC20(token).balanceOf(address(this));
        if (balance < before) revert NotRepaid(token, before - balance);

        _setOnLoan(token, false);
    }

    // --- the owner's

    /// @notice Names the executors that may borrow. To revoke an operator, name its executor no more.
    function setLendsTo(address executor, bool lends) external onlyOwner {
        lendsTo[executor] = lends;
        emit LendsTo(executor, lends);
    }

    /// @notice Sets how much of a token may be on loan; 0, as at first, is nothing.
    function setCap(address token, uint256 cap_) external onlyOwner {
        cap[token] = cap_;
        emit Cap(token, cap_);
    }

    function withdraw(address token, address to, uint256 amount) external onlyOwner {
        if (to == address(0)) revert ZeroAddress();
        emit Withdrawn(token, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @notice Makes any call as the vault: for native coin, collectibles, and whatever else comes to lie here.
    function call(address target, uint256 value, bytes calldata data) external onlyOwner returns (bytes memory) {
        emit Called(target, value, bytes4(data));
        (bool success, bytes memory answer) = target.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        return answer;
    }

    /// @notice Offers the vault to another owner, who has to accept: a mistyped address changes nothing.
    function offerOwner(address nextOwner_) external onlyOwner {
        nextOwner = nextOwner_;
        emit OwnerOffered(nextOwner_);
    }

    function acceptOwner() external {
        if (msg.sender != nextOwner) revert NotNextOwner();
        owner = msg.sender;
        delete nextOwner;
        emit OwnerChanged(msg.sender);
    }

    // --- which tokens are on loan: transient, by the token's address

    function _isOnLoan(address token) private view returns (bool onLoan) {
        assembly ("memory-safe") {
            onLoan := tload(token)
        }
    }

    function _setOnLoan(address token, bool onLoan) private {
        assembly ("memory-safe") {
            tstore(token, onLoan)
        }
    }
}
