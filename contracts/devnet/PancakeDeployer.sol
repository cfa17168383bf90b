// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title Deploys PancakeSwap's V3 pools from the bytecode that is published of them
/// @notice For the devnet only: of the deployer itself no bytecode is published. A pool reads `parameters` in its
/// constructor.
contract PancakeDeployer {
    struct Parameters {
        address factory;
        address token0;
        address token1;
        uint24 fee;
        int24 tickSpacing;
    }

    Parameters public parameters;
    address private immutable store;

    /// @dev The code lies in another contract, as its code: in storage it would not fit a transaction's gas.
    constructor(bytes memory code) {
        bytes memory storing = abi.encodePacked(hex"61", uint16(code.length), hex"80600a5f395ff3", code);
        address stored;
        assembly ("memory-safe") {
            stored := create(0, add(storing, 32), mload(storing))
        }
        require(stored != address(0));
        store = stored;
    }

    function deploy(address factory, address token0, address token1, uint24 fee, int24 tickSpacing)
        external
        returns (address pool)
    {
        parameters = Parameters(factory, token0, token1, fee, tickSpacing);
        bytes memory creation = store.code;
        bytes32 salt = keccak256(abi.encode(token0, token1, fee));
        assembly ("memory-safe") {
            pool := create2(0, add(creation, 32), mload(creation), salt)
        }
        require(pool != address(0));
        delete parameters;
    }
}

interface IPool {
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data)
        external
        returns (uint256, uint256);
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
    function token0() external view returns (address);
    function token1() external view returns (address);
}

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
}

/// @title Trades with one pool, whatever its callbacks are called, and pays it out of what it has
/// @notice For the devnet only.
contract PoolTrader {
    function mint(IPool pool, int24 lower, int24 upper, uint128 amount) external {
        pool.mint(address(this), lower, upper, amount, "");
    }

    function swap(IPool pool, bool zeroForOne, int256 amount, uint160 limit) external returns (int256, int256) {
        return pool.swap(address(this), zeroForOne, amount, limit, "");
    }

    /// @dev Every callback of a pool begins with two amounts: what it is owed, below zero what it has paid.
    fallback() external {
        (int256 amount0, int256 amount1) = abi.decode(msg.data[4:68], (int256, int256));
        if (amount0 > 0) IToken(IPool(msg.sender).token0()).transfer(msg.sender, uint256(amount0));
        if (amount1 > 0) IToken(IPool(msg.sender).token1()).transfer(msg.sender, uint256(amount1));
    }
}
