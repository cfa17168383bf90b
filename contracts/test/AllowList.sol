// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IERC20} from "../src/Erc20.sol";

/// @notice The executor that most people would write, and that three attacks empty: it runs only calls that its
/// owner has listed, by operators that the owner names, and requires a profit. It is here to be attacked.
contract AllowListExecutor {
    struct Call {
        address target;
        bytes data;
    }

    address private immutable owner;
    mapping(address operator => bool) public isOperator;
    mapping(address target => mapping(bytes4 selector => bool)) public isAllowed;
    mapping(address lender => bool) public isLender;
    bool private running;

    constructor() {
        owner = msg.sender;
    }

    function setOperator(address operator, bool allowed) external {
        require(msg.sender == owner, "not the owner");
        isOperator[operator] = allowed;
    }

    function allow(address target, bytes4 selector) external {
        require(msg.sender == owner, "not the owner");
        isAllowed[target][selector] = true;
    }

    function setLender(address lender) external {
        require(msg.sender == owner, "not the owner");
        isLender[lender] = true;
    }

    /// @notice Runs listed calls, after which there must be more of the token in which profit is counted.
    function execute(Call[] calldata calls, IERC20 profitToken, uint256 leastProfit) external {
        require(isOperator[msg.sender], "not an operator");
        require(!running, "reentered");
        running = true;
        uint256 before = profitToken.balanceOf(address(this));
        _run(calls);
        require(profitToken.balanceOf(address(this)) >= before + leastProfit, "no profit");
        running = false;
    }

    /// @notice Runs listed calls in the callback of a listed lender, while a program runs.
    function executeOperation(address, uint256, uint256, address, bytes calldata params) external returns (bool) {
        require(running && isLender[msg.sender], "unexpected callback");
        _run(abi.decode(params, (Call[])));
        return true;
    }

    function _run(Call[] memory calls) private {
        for (uint256 i = 0; i < calls.length; i++) {
            require(isAllowed[calls[i].target][bytes4(calls[i].data)], "not listed");
            (bool success,) = calls[i].target.call(calls[i].data);
            require(success, "call failed");
        }
    }
}

/// @notice A venue where anybody makes a market at any price, as in an exchange's pools.
contract Bazaar {
    function trade(address maker, IERC20 tokenIn, uint256 amountIn, IERC20 tokenOut, uint256 amountOut) external {
        _move(tokenIn, msg.sender, maker, amountIn);
        _move(tokenOut, maker, msg.sender, amountOut);
    }

    function _move(IERC20 token, address from, address to, uint256 amount) private {
        (bool success,) =
            address(token).call(abi.encodeWithSignature("transferFrom(address,address,uint256)", from, to, amount));
        require(success, "no transfer");
    }
}
