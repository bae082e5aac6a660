// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface IToken {
    function balanceOf(address) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A constant-product pool of two tokens with a fee of 0.3 % and a price
/// accumulator: the shape of a swap on a public exchange, on code of our own.
contract Pool {
    event Swap(address indexed by, bool zeroForOne, uint256 amountIn, uint256 amountOut);

    uint112 private reserve0; // slot 0, packed
    uint112 private reserve1;
    uint32 private updated;
    IToken public token0; // slot 1
    IToken public token1; // slot 2
    uint256 public price0; // slot 3
    uint256 public price1; // slot 4
    uint256 private locked; // slot 5

    function reserves() external view returns (uint112, uint112) {
        return (reserve0, reserve1);
    }

    function swap(bool zeroForOne, uint256 amountIn, uint256 minOut) external returns (uint256 amountOut) {
        require(locked == 0, "locked");
        locked = 1;
        (uint256 r0, uint256 r1) = (reserve0, reserve1);
        accrue(r0, r1);
        (uint256 rIn, uint256 rOut) = zeroForOne ? (r0, r1) : (r1, r0);
        uint256 afterFee = amountIn * 997;
        amountOut = (afterFee * rOut) / (rIn * 1000 + afterFee);
        require(amountOut >= minOut, "slippage");
        (IToken tIn, IToken tOut) = zeroForOne ? (token0, token1) : (token1, token0);
        require(tIn.transferFrom(msg.sender, address(this), amountIn), "pull");
        require(tOut.transfer(msg.sender, amountOut), "push");
        uint256 b0 = token0.balanceOf(address(this));
        uint256 b1 = token1.balanceOf(address(this));
        require(b0 * b1 >= r0 * r1, "k");
        reserve0 = uint112(b0);
        reserve1 = uint112(b1);
        updated = uint32(block.timestamp);
        emit Swap(msg.sender, zeroForOne, amountIn, amountOut);
        locked = 0;
    }

    function accrue(uint256 r0, uint256 r1) private {
        unchecked {
            uint256 elapsed = uint32(block.timestamp) - updated;
            if (elapsed == 0 || r0 == 0 || r1 == 0) return;
            price0 += ((r1 << 112) / r0) * elapsed;
            price1 += ((r0 << 112) / r1) * elapsed;
        }
    }
}
