// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title What a rollup of the OP stack says of the fees that its transactions pay beside gas
/// @notice For the devnet only; it stands for the predeploy GasPriceOracle. Real ones compress; this one counts:
/// 16 gas for a byte that is not zero, 4 for one that is, and 68 bytes for the signature.
contract RollupFees {
    uint256 private constant SIGNATURE = 68;

    uint256 public l1BaseFee;
    uint256 public operatorFeeScalar;
    uint256 public operatorFeeConstant;

    function set(uint256 l1BaseFee_, uint256 operatorFeeScalar_, uint256 operatorFeeConstant_) external {
        (l1BaseFee, operatorFeeScalar, operatorFeeConstant) = (l1BaseFee_, operatorFeeScalar_, operatorFeeConstant_);
    }

    function getL1Fee(bytes calldata data) external view returns (uint256) {
        uint256 gas = SIGNATURE * 16;
        for (uint256 i = 0; i < data.length; i++) {
            gas += data[i] == 0 ? 4 : 16;
        }
        return gas * l1BaseFee;
    }

    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256) {
        return (unsignedTxSize + SIGNATURE) * 16 * l1BaseFee;
    }

    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        return gasUsed * operatorFeeScalar * 100 + operatorFeeConstant;
    }
}
