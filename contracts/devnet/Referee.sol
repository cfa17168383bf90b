// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

interface IRefereeToken {
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function approve(address spender, uint256 amount) external;
}

interface IRefereePool {
    function getUserAccountData(address account)
        external
        view
        returns (uint256 collateralBase, uint256 debtBase, uint256, uint256, uint256, uint256 healthFactor);
    function getUserConfiguration(address account) external view returns (uint256);
    function getReserveVariableDebtToken(address asset) external view returns (IRefereeToken);
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16 code) external;
    function liquidationCall(address collateral, address debt, address borrower, uint256 cover, bool receiveAToken) external;
}

interface IRefereeRouter {
    struct ExactInput {
        bytes path;
        address recipient;
        uint256 amountIn;
        uint256 amountOutMinimum;
    }

    struct ExactOutput {
        bytes path;
        address recipient;
        uint256 amountOut;
        uint256 amountInMaximum;
    }

    function exactInput(ExactInput calldata swap) external payable returns (uint256);
    function exactOutput(ExactOutput calldata swap) external payable returns (uint256);
}

/// @title The simplest liquidation that anybody could try, to hold a keeper's decisions against
/// @notice It is never deployed: its code is put at an address for the length of an `eth_call`. It reckons nothing
/// by itself: it borrows, liquidates and swaps for real, and says what was left. What the chain refuses reverts.
contract Referee {
    struct Market {
        IRefereePool pool;
        IRefereeRouter router;
        IRefereeToken wrappedNative;
    }

    struct Close {
        address collateral;
        IRefereeToken debt;
        address borrower;
        /// Of the debt, in bps; from 10,000 on: whatever the pool lets be closed.
        uint256 shareBps;
        /// Debt token back to collateral, as `exactOutput` reads it; empty where both are one token.
        bytes buyPath;
        /// Collateral to the wrapped native coin; empty where it is that.
        bytes sellPath;
    }

    struct Position {
        uint256 collateralBase;
        uint256 debtBase;
        uint256 healthFactor;
        /// Which reserves are used for what.
        uint256 configuration;
    }

    /// A loan taken to learn what a close pulls: it ends in this.
    error Pulled(uint256 amount);

    Market private market;

    /// @notice Every borrower's position, by the pool's own account.
    function positions(IRefereePool pool, address[] calldata borrowers) external view returns (Position[] memory told) {
        told = new Position[](borrowers.length);
        for (uint256 i = 0; i < borrowers.length; ++i) {
            (told[i].collateralBase, told[i].debtBase,,,, told[i].healthFactor) = pool.getUserAccountData(borrowers[i]);
            told[i].configuration = pool.getUserConfiguration(borrowers[i]);
        }
    }

    /// @notice What a close leaves in the wrapped native coin, and the gas of doing it, refunds not counted.
    function close(Market calldata market_, Close calldata told) external returns (uint256 profitWei, uint256 gasUsed) {
        market = market_;
        uint256 cover = told.shareBps < 10_000
            ? market_.pool.getReserveVariableDebtToken(address(told.debt)).balanceOf(told.borrower) * told.shareBps / 10_000
            : type(uint256).max;
        uint256 loan = pulled(told, cover);
        uint256 gasBefore = gasleft();
        market_.pool.flashLoanSimple(address(this), address(told.debt), loan, abi.encode(told, cover, false), 0);
        uint256 left = IRefereeToken(told.collateral).balanceOf(address(this));
        if (told.sellPath.length > 0 && left > 0) {
            allow(IRefereeToken(told.collateral), address(market_.router), left);
            market_.router.exactInput(IRefereeRouter.ExactInput(told.sellPath, address(this), left, 0));
        }
        return (market_.wrappedNative.balanceOf(address(this)), gasBefore - gasleft());
    }

    function executeOperation(address, uint256 amount, uint256 premium, address, bytes calldata params)
        external
        returns (bool)
    {
        (Close memory told, uint256 cover, bool probing) = abi.decode(params, (Close, uint256, bool));
        allow(told.debt, address(market.pool), amount);
        market.pool.liquidationCall(told.collateral, address(told.debt), told.borrower, cover, false);
        if (probing) revert Pulled(amount - told.debt.allowance(address(this), address(market.pool)));
        if (told.buyPath.length > 0) {
            uint256 seized = IRefereeToken(told.collateral).balanceOf(address(this));
            allow(IRefereeToken(told.collateral), address(market.router), seized);
            market.router.exactOutput(IRefereeRouter.ExactOutput(told.buyPath, address(this), amount + premium, seized));
        }
        allow(told.debt, address(market.pool), amount + premium);
        return true;
    }

    /// Some tokens refuse to change an allowance that is not zero.
    function allow(IRefereeToken token, address spender, uint256 amount) private {
        token.approve(spender, 0);
        token.approve(spender, amount);
    }

    /// What the pool takes of a cover is known once it has taken it: tried with a loan of the whole debt, and undone.
    function pulled(Close calldata told, uint256 cover) private returns (uint256 amount) {
        uint256 owed = market.pool.getReserveVariableDebtToken(address(told.debt)).balanceOf(told.borrower);
        try market.pool.flashLoanSimple(address(this), address(told.debt), owed, abi.encode(told, cover, true), 0) {
            revert("a loan that was not paid back");
        } catch (bytes memory reason) {
            if (bytes4(reason) != Pulled.selector) {
                assembly ("memory-safe") {
                    revert(add(reason, 32), mload(reason))
                }
            }
            assembly ("memory-safe") {
                amount := mload(add(reason, 36))
            }
        }
    }
}
