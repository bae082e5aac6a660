package replay

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/oracle"
)

// storedEnv is the part of a header that execution depends on.
type storedEnv struct {
	Number        uint64                 `json:"number"`
	Coinbase      common.Address         `json:"coinbase"`
	Timestamp     uint64                 `json:"timestamp"`
	GasLimit      uint64                 `json:"gas_limit"`
	BaseFee       uint64                 `json:"basefee"`
	PrevRandao    common.Hash            `json:"prevrandao"`
	ExcessBlobGas uint64                 `json:"excess_blob_gas"`
	BlockHashes   map[uint64]common.Hash `json:"block_hashes"`
}

// storedTx is a transaction whose sender was recorded in place of its signature.
type storedTx struct {
	Type       uint8           `json:"tx_type"`
	Caller     common.Address  `json:"caller"`
	To         *common.Address `json:"to"`
	Nonce      uint64          `json:"nonce"`
	Value      *hexutil.Big    `json:"value"`
	Data       hexutil.Bytes   `json:"data"`
	Gas        uint64          `json:"gas_limit"`
	GasPrice   uint64          `json:"gas_price"` // the fee cap from type 2 on
	Tip        uint64          `json:"gas_priority_fee"`
	AccessList []struct {
		Address common.Address `json:"address"`
		Keys    []common.Hash  `json:"storage_keys"`
	} `json:"access_list"`
	Authorizations []struct {
		ChainID hexutil.Big    `json:"chain_id"`
		Address common.Address `json:"address"`
		Nonce   uint64         `json:"nonce"`
		V       uint8          `json:"y_parity"`
		R       hexutil.Big    `json:"r"`
		S       hexutil.Big    `json:"s"`
	} `json:"authorization_list"`
}

// takeUnsigned fills a block whose signatures and header were not recorded.
// Nothing can be checked against a header then.
func (b *recordedBlock) takeUnsigned(stored *storedBlock) error {
	env := stored.Env
	var blobGas uint64
	b.hashes = env.BlockHashes
	b.header = &types.Header{
		ParentHash:       b.hashes[env.Number-1],
		Coinbase:         env.Coinbase,
		Difficulty:       new(big.Int),
		Number:           new(big.Int).SetUint64(env.Number),
		GasLimit:         env.GasLimit,
		Time:             env.Timestamp,
		MixDigest:        env.PrevRandao,
		BaseFee:          new(big.Int).SetUint64(env.BaseFee),
		BlobGasUsed:      &blobGas,
		ExcessBlobGas:    &env.ExcessBlobGas,
		ParentBeaconRoot: new(common.Hash),
	}
	for i := range stored.Unsigned {
		data, err := stored.Unsigned[i].data(b.config.ChainID)
		if err != nil {
			return fmt.Errorf("transaction %d: %w", i, err)
		}
		b.txs = append(b.txs, motet.NewTx(types.NewTx(data), stored.Unsigned[i].Caller))
	}
	b.addRequestContracts()
	return nil
}

// addRequestContracts puts a contract that does nothing where the recording
// lacks those of EIP-7002 and EIP-7251, without which no Prague block can end.
func (b *recordedBlock) addRequestContracts() {
	stop := []byte{0}
	hash := crypto.Keccak256Hash(stop)
	for _, addr := range []common.Address{params.WithdrawalQueueAddress, params.ConsolidationQueueAddress} {
		if _, ok := b.state.Accounts[addr]; ok {
			continue
		}
		b.state.Codes[hash] = stop
		b.state.Accounts[addr] = &oracle.MemoryAccount{Nonce: 1, CodeHash: hash}
	}
}

// data returns the transaction with its sender in the place of the signature,
// so that equal transactions of two senders have different hashes.
func (t *storedTx) data(chainID *big.Int) (types.TxData, error) {
	var (
		id    = uint256.MustFromBig(chainID)
		price = new(big.Int).SetUint64(t.GasPrice)
		tip   = new(big.Int).SetUint64(t.Tip)
		value = t.Value.ToInt()
		mark  = new(big.Int).SetBytes(t.Caller.Bytes())
		list  = make(types.AccessList, len(t.AccessList))
	)
	for i, entry := range t.AccessList {
		list[i] = types.AccessTuple{Address: entry.Address, StorageKeys: entry.Keys}
	}
	switch t.Type {
	case types.LegacyTxType:
		return &types.LegacyTx{Nonce: t.Nonce, GasPrice: price, Gas: t.Gas, To: t.To, Value: value, Data: t.Data, V: big.NewInt(27), R: mark, S: common.Big1}, nil
	case types.AccessListTxType:
		return &types.AccessListTx{ChainID: chainID, Nonce: t.Nonce, GasPrice: price, Gas: t.Gas, To: t.To, Value: value, Data: t.Data, AccessList: list, V: common.Big0, R: mark, S: common.Big1}, nil
	case types.DynamicFeeTxType:
		return &types.DynamicFeeTx{ChainID: chainID, Nonce: t.Nonce, GasTipCap: tip, GasFeeCap: price, Gas: t.Gas, To: t.To, Value: value, Data: t.Data, AccessList: list, V: common.Big0, R: mark, S: common.Big1}, nil
	case types.SetCodeTxType:
		if t.To == nil {
			return nil, fmt.Errorf("type %d without a recipient", t.Type)
		}
		return &types.SetCodeTx{ChainID: id, Nonce: t.Nonce, GasTipCap: uint256.NewInt(t.Tip), GasFeeCap: uint256.NewInt(t.GasPrice), Gas: t.Gas, To: *t.To, Value: uint256.MustFromBig(value), Data: t.Data, AccessList: list, AuthList: t.authorizations(), V: new(uint256.Int), R: uint256.MustFromBig(mark), S: uint256.NewInt(1)}, nil
	default:
		return nil, fmt.Errorf("type %d is not known without its signature", t.Type)
	}
}

func (t *storedTx) authorizations() []types.SetCodeAuthorization {
	auths := make([]types.SetCodeAuthorization, len(t.Authorizations))
	for i := range t.Authorizations {
		a := &t.Authorizations[i]
		auths[i] = types.SetCodeAuthorization{
			ChainID: *uint256.MustFromBig(a.ChainID.ToInt()),
			Address: a.Address,
			Nonce:   a.Nonce,
			V:       a.V,
			R:       *uint256.MustFromBig(a.R.ToInt()),
			S:       *uint256.MustFromBig(a.S.ToInt()),
		}
	}
	return auths
}
