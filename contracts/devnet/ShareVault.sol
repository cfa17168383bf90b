// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ERC20, IERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// @title OpenZeppelin's ERC-4626 vault, as it is, but for a limit that real vaults have when their cash runs out
/// @notice For the devnet only. It earns whatever is sent to it. Anybody may set its limit.
contract ShareVault is ERC4626 {
    uint8 private immutable offset;
    uint256 public limit = type(uint256).max;

    constructor(IERC20 asset_, uint8 offset_) ERC20("Vault share", "SHARE") ERC4626(asset_) {
        offset = offset_;
    }

    function setLimit(uint256 limit_) external {
        limit = limit_;
    }

    function maxRedeem(address owner) public view override returns (uint256) {
        uint256 held = super.maxRedeem(owner);
        return held < limit ? held : limit;
    }

    function _decimalsOffset() internal view override returns (uint8) {
        return offset;
    }
}
