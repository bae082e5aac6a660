// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface IToken {
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function mint(address to, int24 lower, int24 upper, uint128 liquidity, bytes calldata data) external returns (uint256, uint256);
    function swap(address to, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data) external returns (int256, int256);
}

/// Trades on pools of Uniswap v3 for its callers, who pay by their allowances.
/// It trusts whoever calls it back: it is for benchmarks.
contract Router {
    uint160 private constant LOWEST = 4295128740;
    uint160 private constant HIGHEST = 1461446703485210103287273052203988822378723970341;

    function mint(IPool pool, int24 lower, int24 upper, uint128 liquidity) external {
        pool.mint(msg.sender, lower, upper, liquidity, abi.encode(msg.sender));
    }

    function swap(IPool pool, bool zeroForOne, uint256 amountIn, uint256 minOut) external returns (uint256 amountOut) {
        (int256 d0, int256 d1) = pool.swap(msg.sender, zeroForOne, int256(amountIn), zeroForOne ? LOWEST : HIGHEST, abi.encode(msg.sender));
        amountOut = uint256(-(zeroForOne ? d1 : d0));
        require(amountOut >= minOut, "slippage");
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata data) external {
        pay(owed0, owed1, abi.decode(data, (address)));
    }

    function uniswapV3SwapCallback(int256 d0, int256 d1, bytes calldata data) external {
        pay(d0 > 0 ? uint256(d0) : 0, d1 > 0 ? uint256(d1) : 0, abi.decode(data, (address)));
    }

    function pay(uint256 owed0, uint256 owed1, address payer) private {
        if (owed0 > 0) require(IToken(IPool(msg.sender).token0()).transferFrom(payer, msg.sender, owed0), "pay 0");
        if (owed1 > 0) require(IToken(IPool(msg.sender).token1()).transferFrom(payer, msg.sender, owed1), "pay 1");
    }
}
