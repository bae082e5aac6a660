package oracle

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/core/types"
)

// CompareReceipts returns an error that names the first difference between two
// lists of receipts: in their consensus encoding, or in what clients are told
// beside it (gas, log positions, contract address).
func CompareReceipts(want, got types.Receipts) error {
	if len(want) != len(got) {
		return fmt.Errorf("want %d receipts, got %d", len(want), len(got))
	}
	for i := range want {
		if err := compareReceipt(want[i], got[i]); err != nil {
			return fmt.Errorf("receipt %d: %w", i, err)
		}
	}
	return nil
}

func compareReceipt(want, got *types.Receipt) error {
	switch {
	case want.TxHash != got.TxHash:
		return fmt.Errorf("transaction: want %v, got %v", want.TxHash, got.TxHash)
	case want.Status != got.Status:
		return fmt.Errorf("status: want %d, got %d", want.Status, got.Status)
	case want.GasUsed != got.GasUsed:
		return fmt.Errorf("gas used: want %d, got %d", want.GasUsed, got.GasUsed)
	case want.CumulativeGasUsed != got.CumulativeGasUsed:
		return fmt.Errorf("cumulative gas: want %d, got %d", want.CumulativeGasUsed, got.CumulativeGasUsed)
	case want.ContractAddress != got.ContractAddress:
		return fmt.Errorf("contract address: want %v, got %v", want.ContractAddress, got.ContractAddress)
	case want.TransactionIndex != got.TransactionIndex:
		return fmt.Errorf("transaction index: want %d, got %d", want.TransactionIndex, got.TransactionIndex)
	case want.Bloom != got.Bloom:
		return errors.New("bloom differs")
	case len(want.Logs) != len(got.Logs):
		return fmt.Errorf("want %d logs, got %d", len(want.Logs), len(got.Logs))
	}
	for i, w := range want.Logs {
		g := got.Logs[i]
		if w.Address != g.Address || !bytes.Equal(w.Data, g.Data) || fmt.Sprint(w.Topics) != fmt.Sprint(g.Topics) {
			return fmt.Errorf("log %d: want %+v, got %+v", i, w, g)
		}
		if w.Index != g.Index || w.TxIndex != g.TxIndex || w.TxHash != g.TxHash || w.BlockNumber != g.BlockNumber || w.BlockTimestamp != g.BlockTimestamp {
			return fmt.Errorf("log %d: position differs: want %+v, got %+v", i, w, g)
		}
	}
	return compareEncoding(want, got)
}

func compareEncoding(want, got *types.Receipt) error {
	w, err := want.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	g, err := got.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if !bytes.Equal(w, g) {
		return fmt.Errorf("encoding: want %x, got %x", w, g)
	}
	return nil
}
