// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {Erc20, IERC20} from "../src/Erc20.sol";

interface IHardWiredPool {
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16 code) external;
    function liquidationCall(address collateral, address debt, address borrower, uint256 cover, bool receiveAToken) external;
}

interface IHardWiredRouter {
    struct ExactOutputSingle {
        address tokenIn;
        address tokenOut;
        uint24 fee;
        address recipient;
        uint256 amountOut;
        uint256 amountInMaximum;
        uint160 sqrtPriceLimitX96;
    }

    struct ExactInputSingle {
        address tokenIn;
        address tokenOut;
        uint24 fee;
        address recipient;
        uint256 amountIn;
        uint256 amountOutMinimum;
        uint160 sqrtPriceLimitX96;
    }

    function exactOutputSingle(ExactOutputSingle calldata swap) external returns (uint256);
    function exactInputSingle(ExactInputSingle calldata swap) external returns (uint256);
}

/// @notice The least that can liquidate: a loan, the liquidation, the sale, and nothing that protects anybody.
/// What the executor's overhead is measured against. Its approvals are given once and for ever.
contract HardWired {
    struct Liquidation {
        address collateral;
        address debt;
        address borrower;
        uint256 cover;
        uint256 loan;
        uint24 buyFee;
        uint24 sellFee;
    }

    IHardWiredPool private immutable pool;
    IHardWiredRouter private immutable router;
    address private immutable wrappedNative;
    address private immutable owner;

    constructor(IHardWiredPool pool_, IHardWiredRouter router_, address wrappedNative_) {
        pool = pool_;
        router = router_;
        wrappedNative = wrappedNative_;
        owner = msg.sender;
    }

    function approve(IERC20 token) external {
        require(msg.sender == owner);
        Erc20.forceApprove(token, address(pool), type(uint256).max);
        Erc20.forceApprove(token, address(router), type(uint256).max);
    }

    function liquidate(Liquidation calldata told) external {
        require(msg.sender == owner);
        pool.flashLoanSimple(address(this), told.debt, told.loan, abi.encode(told), 0);
    }

    function executeOperation(address, uint256 amount, uint256 premium, address initiator, bytes calldata params)
        external
        returns (bool)
    {
        require(msg.sender == address(pool) && initiator == address(this));
        Liquidation memory told = abi.decode(params, (Liquidation));
        pool.liquidationCall(told.collateral, told.debt, told.borrower, told.cover, false);
        router.exactOutputSingle(
            IHardWiredRouter.ExactOutputSingle(
                told.collateral, told.debt, told.buyFee, address(this), amount + premium, type(uint256).max, 0
            )
        );
        uint256 left = IERC20(told.collateral).balanceOf(address(this));
        if (told.collateral == wrappedNative) {
            IERC20(wrappedNative).transfer(owner, left);
        } else {
            router.exactInputSingle(
                IHardWiredRouter.ExactInputSingle(told.collateral, wrappedNative, told.sellFee, owner, left, 0, 0)
            );
        }
        return true;
    }
}
