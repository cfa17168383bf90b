// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title Staked Ether in small: shares of a pool of Ether, floored where Lido's floor
/// @notice For the devnet only; it stands for stETH, whose contracts nobody publishes as a package. It mints to
/// anybody, and earns whatever `earn` is told.
contract StakedEther {
    string public constant symbol = "stETH";
    uint8 public constant decimals = 18;

    uint256 public getTotalPooledEther;
    uint256 public getTotalShares;
    mapping(address => uint256) public sharesOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint256 pooled, uint256 shares) {
        getTotalPooledEther = pooled;
        getTotalShares = shares;
        sharesOf[msg.sender] = shares;
    }

    function earn(uint256 amount) external {
        getTotalPooledEther += amount;
    }

    function getPooledEthByShares(uint256 shares) public view returns (uint256) {
        return shares * getTotalPooledEther / getTotalShares;
    }

    function getSharesByPooledEth(uint256 amount) public view returns (uint256) {
        return amount * getTotalShares / getTotalPooledEther;
    }

    function balanceOf(address account) external view returns (uint256) {
        return getPooledEthByShares(sharesOf[account]);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        uint256 shares = getSharesByPooledEth(amount);
        sharesOf[from] -= shares;
        sharesOf[to] += shares;
        emit Transfer(from, to, amount);
        return true;
    }
}

/// @title Wrapped staked Ether in small: one of it is one share
/// @notice For the devnet only; it stands for wstETH.
contract WrappedStakedEther {
    string public constant symbol = "wstETH";
    uint8 public constant decimals = 18;

    StakedEther public immutable stETH;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(StakedEther stETH_) {
        stETH = stETH_;
    }

    function wrap(uint256 amount) external returns (uint256 shares) {
        shares = stETH.getSharesByPooledEth(amount);
        balanceOf[msg.sender] += shares;
        emit Transfer(address(0), msg.sender, shares);
        stETH.transferFrom(msg.sender, address(this), amount);
    }

    function unwrap(uint256 shares) external returns (uint256 amount) {
        amount = stETH.getPooledEthByShares(shares);
        balanceOf[msg.sender] -= shares;
        emit Transfer(msg.sender, address(0), shares);
        stETH.transfer(msg.sender, amount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        emit Transfer(msg.sender, to, amount);
        return true;
    }
}
