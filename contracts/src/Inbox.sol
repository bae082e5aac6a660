// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// The part of a batch that L1 checks and commits to. The payload itself, in
/// blobs or calldata, is never read on chain.
struct BatchHeader {
    /// First L2 block of the range, and the index of the batch's first
    /// transaction within it.
    uint64 firstBlock;
    uint32 firstTx;
    /// Last L2 block of the range, and whether the batch holds its end.
    uint64 lastBlock;
    bool lastComplete;
    /// Hash of the last block that the batch completes, zero if none.
    bytes32 lastHash;
    /// Forced transactions and deposits consumed up to the last complete block.
    uint64 forcedCursor;
    uint64 depositCursor;
    /// A recent L1 block: on an L1 chain without it the batch reverts.
    uint64 guardNumber;
    bytes32 guardHash;
}

/// What the next batch must build on, in one call.
struct Tip {
    uint64 nextIndex;
    bytes32 acc;
    /// Where the last batch ended, and the L1 block that holds it. Zero while
    /// there is none.
    uint64 lastBlock;
    bool lastComplete;
    uint64 l1Block;
}

/// The order of batches. A batch is accepted only as the direct successor of
/// the one that its sender saw last, so a duplicate and a batcher that lost its
/// role revert instead of forking the chain.
///
/// Whether a batch is valid is decided by derivation, off chain, and an invalid
/// one still takes an index. Nothing here therefore compares a header with an
/// earlier one: a bad batch must never keep its correction out.
contract Inbox is Ownable2Step {
    /// How far back the guard block may lie. Within the 8,191 of EIP-2935.
    uint64 public constant GUARD_WINDOW = 8000;

    /// EIP-2935's contract, which serves the hashes that BLOCKHASH no longer does.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    /// SHA-256 of the canonical rollup config.
    bytes32 public immutable configHash;

    address public batcher;

    /// Commits to every batch so far, in order.
    bytes32 public acc;

    uint64 public nextIndex;
    uint64 private lastBlock;
    bool private lastComplete;
    uint64 private l1Block;

    event BatchPosted(uint64 indexed index, bytes32 acc, BatchHeader header, bytes32[] blobHashes);
    event BatcherChanged(address indexed previous, address indexed current);

    error NotBatcher(address sender);
    error NotDirectCall();
    error WrongIndex(uint64 index, uint64 next);
    error WrongAcc(bytes32 prevAcc, bytes32 acc);
    error BadRange();
    error NoPayload();
    error TwoPayloads();
    error GuardOutOfWindow(uint64 guardNumber, uint256 blockNumber);
    error GuardMismatch(uint64 guardNumber, bytes32 guardHash, bytes32 canonical);

    constructor(bytes32 configHash_, address batcher_, address owner_) Ownable(owner_) {
        configHash = configHash_;
        batcher = batcher_;
        emit BatcherChanged(address(0), batcher_);
    }

    function setBatcher(address next) external onlyOwner {
        emit BatcherChanged(batcher, next);
        batcher = next;
    }

    /// Appends a batch. Its payload is in the blobs of the transaction, in
    /// order, or, if there are none, in `payload`.
    function postBatch(uint64 index, bytes32 prevAcc, BatchHeader calldata header, bytes calldata payload) external {
        if (msg.sender != batcher) revert NotBatcher(msg.sender);
        // The transaction's own input must be the call, since readers take
        // calldata payloads from there: no contract, no delegated account.
        if (msg.sender != tx.origin || msg.sender.code.length != 0) revert NotDirectCall();
        if (index != nextIndex) revert WrongIndex(index, nextIndex);
        if (prevAcc != acc) revert WrongAcc(prevAcc, acc);
        _checkRange(header);
        _checkGuard(header.guardNumber, header.guardHash);

        bytes32[] memory blobHashes = _blobHashes();
        bytes32 content;
        if (blobHashes.length == 0) {
            if (payload.length == 0) revert NoPayload();
            content = keccak256(payload);
        } else {
            if (payload.length != 0) revert TwoPayloads();
            content = keccak256(abi.encodePacked(blobHashes));
        }

        bytes32 next = keccak256(abi.encode(prevAcc, index, header, blobHashes.length, content));
        acc = next;
        nextIndex = index + 1;
        lastBlock = header.lastBlock;
        lastComplete = header.lastComplete;
        l1Block = uint64(block.number);
        emit BatchPosted(index, next, header, blobHashes);
    }

    function tip() external view returns (Tip memory) {
        return Tip(nextIndex, acc, lastBlock, lastComplete, l1Block);
    }

    /// The rules that a header alone can break.
    function _checkRange(BatchHeader calldata header) private pure {
        bool completes = header.lastComplete || header.lastBlock > header.firstBlock;
        if (
            header.firstBlock == 0 || header.lastBlock < header.firstBlock || header.lastBlock == type(uint64).max
                || completes != (header.lastHash != 0)
        ) {
            revert BadRange();
        }
    }

    function _checkGuard(uint64 number, bytes32 hash) private view {
        if (number >= block.number || block.number - number > GUARD_WINDOW) {
            revert GuardOutOfWindow(number, block.number);
        }
        bytes32 canonical = blockhash(number);
        if (canonical == 0) {
            (bool ok, bytes memory out) = HISTORY.staticcall(abi.encode(number));
            if (ok && out.length == 32) canonical = abi.decode(out, (bytes32));
        }
        if (canonical == 0 || canonical != hash) revert GuardMismatch(number, hash, canonical);
    }

    function _blobHashes() private view returns (bytes32[] memory hashes) {
        uint256 count;
        while (blobhash(count) != 0) ++count;
        hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) hashes[i] = blobhash(i);
    }
}
