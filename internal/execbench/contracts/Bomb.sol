// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The worst case for optimistic execution: long work whose last step reads and
/// writes what every other transaction writes.
contract Bomb {
    uint256 public last; // slot 0

    function run(uint256 rounds) external {
        bytes32 h = bytes32(uint256(uint160(msg.sender)));
        for (uint256 i = 0; i < rounds; i++) {
            h = keccak256(abi.encode(h));
        }
        unchecked {
            last += (uint256(h) & 0xff) + 1;
        }
    }
}
