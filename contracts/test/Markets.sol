// SPDX-License-Identifier: MIT
pragma solidity 0.8.34;

import {IERC20} from "../src/Erc20.sol";

interface IFlashReceiver {
    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata params)
        external
        returns (bool);
}

/// @notice Everything an executor calls besides tokens, in small. It calls a stranger before and after all it
/// does: whoever is called may hand on control.
contract Market {
    error CallbackSaidNo();
    error NotUnderwater();

    address public stranger;
    uint256 public owed;

    function setStranger(address stranger_) external {
        stranger = stranger_;
    }

    function setOwed(uint256 owed_) external {
        owed = owed_;
    }

    /// @notice What a guard reads: the second word is how much is owed.
    function position() external view returns (uint256, uint256) {
        return (block.timestamp, owed);
    }

    /// @notice Takes `amountIn` of one token from the caller and gives `amountOut` of another.
    function trade(address tokenIn, uint256 amountIn, address tokenOut, uint256 amountOut) external {
        _hook();
        _pull(tokenIn, msg.sender, amountIn);
        _send(tokenOut, msg.sender, amountOut);
        _hook();
    }

    /// @notice Gives `numerator / denominator` of another token for each unit of the first.
    function tradeAt(address tokenIn, uint256 amountIn, address tokenOut, uint256 numerator, uint256 denominator)
        external
    {
        _hook();
        uint256 before = IERC20(tokenIn).balanceOf(address(this));
        _pull(tokenIn, msg.sender, amountIn);
        uint256 received = IERC20(tokenIn).balanceOf(address(this)) - before;
        _send(tokenOut, msg.sender, received * numerator / denominator);
        _hook();
    }

    /// @notice As Aave lends: five hundredths of a percent, rounded up, pulled after the callback.
    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        _hook();
        uint256 premium = (amount * 5 + 9_999) / 10_000;
        _send(asset, receiver, amount);
        _hook();
        if (!IFlashReceiver(receiver).executeOperation(asset, amount, premium, msg.sender, params)) {
            revert CallbackSaidNo();
        }
        _hook();
        _pull(asset, receiver, amount + premium);
        _hook();
    }

    /// @notice As Morpho liquidates: the collateral first, then a callback with nothing to answer, then the debt.
    function liquidateWithCallback(address tokenIn, uint256 amountIn, address tokenOut, uint256 amountOut, bytes calldata data)
        external
    {
        if (owed == 0) revert NotUnderwater();
        _send(tokenOut, msg.sender, amountOut);
        IMorphoReceiver(msg.sender).onMorphoLiquidate(amountIn, data);
        _pull(tokenIn, msg.sender, amountIn);
    }

    /// @notice As a token wants to be paid for in native coin.
    function sellForNative(address tokenOut, uint256 amountOut) external payable {
        _send(tokenOut, msg.sender, amountOut);
    }

    function payNative(uint256 amount) external {
        (bool success,) = msg.sender.call{value: amount}("");
        require(success);
    }

    receive() external payable {}

    function _pull(address token, address from, uint256 amount) private {
        _require(token, abi.encodeWithSignature("transferFrom(address,address,uint256)", from, address(this), amount));
    }

    function _send(address token, address to, uint256 amount) private {
        _require(token, abi.encodeCall(IERC20.transfer, (to, amount)));
    }

    function _require(address token, bytes memory data) private {
        (bool success, bytes memory answer) = token.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function _hook() private {
        (bool success,) = stranger.call("");
        success;
    }
}

interface IMorphoReceiver {
    function onMorphoLiquidate(uint256 repaidAssets, bytes calldata data) external;
}

/// @notice A lender that calls back otherwise than it should.
contract CrookedLender {
    enum Crime {
        None,
        OtherBytes,
        LongerBytes,
        OtherInitiator,
        OtherSelector,
        OtherCaller,
        Twice,
        Never,
        Truncated
    }

    Crime public crime;

    function setCrime(Crime crime_) external {
        crime = crime_;
    }

    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        IERC20(asset).transfer(receiver, amount);
        address initiator = crime == Crime.OtherInitiator ? address(this) : msg.sender;
        bytes memory sent = params;
        if (crime == Crime.OtherBytes) sent[sent.length - 1] ^= 0x01;
        if (crime == Crime.LongerBytes) sent = bytes.concat(params, hex"00");
        bytes memory data =
            abi.encodeCall(IFlashReceiver.executeOperation, (asset, amount, 0, initiator, sent));
        if (crime == Crime.OtherSelector) data[0] ^= 0x01;
        if (crime == Crime.Truncated) data = bytes.concat(bytes4(data), bytes32(uint256(uint160(asset))));
        if (crime == Crime.OtherCaller) {
            new Relay().relay(receiver, data);
        } else if (crime != Crime.Never) {
            _call(receiver, data);
        }
        if (crime == Crime.Twice) _call(receiver, data);
        TransferFrom(asset).transferFrom(receiver, address(this), amount);
    }

    function _call(address target, bytes memory data) private {
        (bool success, bytes memory answer) = target.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}

interface TransferFrom {
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

contract Relay {
    function relay(address target, bytes calldata data) external {
        (bool success, bytes memory answer) = target.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}

/// @notice Uses up all the gas it is given, or fails with an answer of any length.
contract GasBurner {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }

    function shout(uint256 length) external pure {
        assembly {
            revert(0, length)
        }
    }
}

/// @notice Says what anybody has told it that a token is worth.
contract TestOracle {
    mapping(address asset => uint256) public getAssetPrice;

    function setPrice(address asset, uint256 price) external {
        getAssetPrice[asset] = price;
    }
}
