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

interface IRefereePairs {
    function swapExactTokensForTokens(uint256 sold, uint256 least, address[] calldata path, address to, uint256 deadline)
        external
        returns (uint256[] memory);
    function swapTokensForExactTokens(uint256 bought, uint256 most, address[] calldata path, address to, uint256 deadline)
        external
        returns (uint256[] memory);
}

interface IRefereeMorpho {
    struct Params {
        address loanToken;
        address collateralToken;
        address oracle;
        address irm;
        uint256 lltv;
    }

    function idToMarketParams(bytes32 id) external view returns (Params memory);
    function market(bytes32 id)
        external
        view
        returns (uint128, uint128, uint128 borrowAssets, uint128 borrowShares, uint128, uint128);
    function position(bytes32 id, address account) external view returns (uint256, uint128 borrowShares, uint128 collateral);
    function accrueInterest(Params memory params) external;
    function liquidate(Params memory params, address borrower, uint256 seized, uint256 shares, bytes memory data)
        external
        returns (uint256, uint256);
}

interface IRefereePreLiquidation {
    function preLiquidate(address borrower, uint256 seized, uint256 shares, bytes memory data)
        external
        returns (uint256, uint256);
}

/// @title The simplest liquidation that anybody could try, to hold a keeper's decisions against
/// @notice It is never deployed: its code is put at an address for the length of an `eth_call`. It reckons nothing
/// by itself: it borrows, liquidates and swaps for real, and says what was left. What the chain refuses reverts.
contract Referee {
    struct Market {
        IRefereePool pool;
        IRefereeRouter router;
        IRefereePairs pairs;
        IRefereeToken wrappedNative;
    }

    /// From one token to another, by one exchange; empty where both are one token.
    struct Way {
        /// Through Uniswap V3's pools, as its router reads them: for `exactOutput` from the end.
        bytes pools;
        /// Through Uniswap V2's pairs: the tokens, from the one that is sold.
        address[] pairs;
    }

    struct Close {
        address collateral;
        IRefereeToken debt;
        address borrower;
        /// Of the debt, in bps; from 10,000 on: whatever the pool lets be closed.
        uint256 shareBps;
        /// Collateral to exactly as much of the debt token as must be paid.
        Way buy;
        /// What is left of the collateral to the wrapped native coin.
        Way sell;
    }

    struct Position {
        uint256 collateralBase;
        uint256 debtBase;
        uint256 healthFactor;
        /// Which reserves are used for what.
        uint256 configuration;
    }

    /// A position in one of Morpho's isolated markets, and who closes it.
    struct Seat {
        IRefereeMorpho morpho;
        bytes32 id;
        address borrower;
        /// A pre-liquidation contract; the zero address for Morpho itself.
        IRefereePreLiquidation contractor;
    }

    struct IsolatedPosition {
        uint256 collateral;
        uint256 debt;
        /// Whether a unit of its collateral can be seized.
        bool unhealthy;
    }

    struct IsolatedClose {
        Seat seat;
        /// Of the debt, in bps; from 10,000 on: whatever may be closed.
        uint256 shareBps;
        Way buy;
        Way sell;
    }

    /// A pre-liquidation contract says with this how much it would have let be closed.
    error PreLiquidationTooLarge(uint256 repaidShares, uint256 repayableShares);

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
        sell(IRefereeToken(told.collateral), told.sell);
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
        buy(IRefereeToken(told.collateral), told.buy, amount + premium);
        allow(told.debt, address(market.pool), amount + premium);
        return true;
    }

    /// @notice Positions in isolated markets; whether one is unhealthy is found out by closing a unit of it.
    function isolatedPositions(Seat[] calldata seats) external returns (IsolatedPosition[] memory told) {
        told = new IsolatedPosition[](seats.length);
        Way memory none;
        for (uint256 i = 0; i < seats.length; ++i) {
            Seat memory seat = seats[i];
            seat.morpho.accrueInterest(seat.morpho.idToMarketParams(seat.id));
            (, uint256 shares, uint256 collateral) = seat.morpho.position(seat.id, seat.borrower);
            (,, uint256 assets, uint256 allShares,,) = seat.morpho.market(seat.id);
            told[i] = IsolatedPosition({
                collateral: collateral,
                debt: (shares * (assets + 1) + allShares + 1e6 - 1) / (allShares + 1e6),
                unhealthy: shares > 0 && bytes4(probed(IsolatedClose(seat, 0, none, none), 1, 0)) == Pulled.selector
            });
        }
    }

    /// @notice What a close in an isolated market leaves, and its gas, as of `close`.
    function closeIsolated(Market calldata market_, IsolatedClose calldata told)
        external
        returns (uint256 profitWei, uint256 gasUsed)
    {
        market = market_;
        (uint256 seized, uint256 shares) = asked(told);
        uint256 gasBefore = gasleft();
        liquidate(told, seized, shares);
        sell(IRefereeToken(params(told.seat).collateralToken), told.sell);
        return (market_.wrappedNative.balanceOf(address(this)), gasBefore - gasleft());
    }

    function onMorphoLiquidate(uint256 repaid, bytes calldata data) external {
        repay(repaid, data);
    }

    function onPreLiquidate(uint256 repaid, bytes calldata data) external {
        repay(repaid, data);
    }

    /// In the callback: the collateral is here, and what is approved will be taken.
    function repay(uint256 repaid, bytes calldata data) private {
        (IsolatedClose memory told, bool probing) = abi.decode(data, (IsolatedClose, bool));
        if (probing) revert Pulled(repaid);
        IRefereeMorpho.Params memory made = params(told.seat);
        buy(IRefereeToken(made.collateralToken), told.buy, repaid);
        allow(IRefereeToken(made.loanToken), msg.sender, repaid);
    }

    /// The part of the debt that is meant; for a whole one all of the debt, else what whoever closes it names as
    /// the most, else all of the collateral.
    function asked(IsolatedClose memory told) private returns (uint256 seized, uint256 shares) {
        (, uint256 owed, uint256 collateral) = told.seat.morpho.position(told.seat.id, told.seat.borrower);
        if (told.shareBps < 10_000) return (0, owed * told.shareBps / 10_000);
        bytes memory reason = probed(told, 0, owed);
        if (bytes4(reason) == Pulled.selector) return (0, owed);
        if (bytes4(reason) != PreLiquidationTooLarge.selector) return (collateral, 0);
        assembly ("memory-safe") {
            shares := mload(add(reason, 68))
        }
    }

    /// Why a close ends that is never let through: in `Pulled` where it came as far as being paid for.
    function probed(IsolatedClose memory told, uint256 seized, uint256 shares) private returns (bytes memory reason) {
        bytes memory data = abi.encode(told, true);
        if (address(told.seat.contractor) == address(0)) {
            try told.seat.morpho.liquidate(params(told.seat), told.seat.borrower, seized, shares, data) {}
            catch (bytes memory why) {
                return why;
            }
        } else {
            try told.seat.contractor.preLiquidate(told.seat.borrower, seized, shares, data) {}
            catch (bytes memory why) {
                return why;
            }
        }
    }

    function liquidate(IsolatedClose memory told, uint256 seized, uint256 shares) private {
        bytes memory data = abi.encode(told, false);
        if (address(told.seat.contractor) == address(0)) {
            told.seat.morpho.liquidate(params(told.seat), told.seat.borrower, seized, shares, data);
        } else {
            told.seat.contractor.preLiquidate(told.seat.borrower, seized, shares, data);
        }
    }

    function params(Seat memory seat) private view returns (IRefereeMorpho.Params memory) {
        return seat.morpho.idToMarketParams(seat.id);
    }

    function buy(IRefereeToken collateral, Way memory way, uint256 amount) private {
        uint256 most = collateral.balanceOf(address(this));
        if (way.pools.length > 0) {
            allow(collateral, address(market.router), most);
            market.router.exactOutput(IRefereeRouter.ExactOutput(way.pools, address(this), amount, most));
        } else if (way.pairs.length > 0) {
            allow(collateral, address(market.pairs), most);
            market.pairs.swapTokensForExactTokens(amount, most, way.pairs, address(this), block.timestamp);
        }
    }

    function sell(IRefereeToken collateral, Way memory way) private {
        uint256 left = collateral.balanceOf(address(this));
        if (left == 0) return;
        if (way.pools.length > 0) {
            allow(collateral, address(market.router), left);
            market.router.exactInput(IRefereeRouter.ExactInput(way.pools, address(this), left, 0));
        } else if (way.pairs.length > 0) {
            allow(collateral, address(market.pairs), left);
            market.pairs.swapExactTokensForTokens(left, 0, way.pairs, address(this), block.timestamp);
        }
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
