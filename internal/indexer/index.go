package indexer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/motet-evm/motet"
)

// ErrNotFound says that the index does not hold what was asked for; it may lie
// above the cursor.
var ErrNotFound = errors.New("not in the index")

// readTimeout bounds a query.
const readTimeout = 5 * time.Second

// Index answers from Postgres. It is safe for concurrent use.
type Index struct{ pool *pgxpool.Pool }

// OpenIndex returns an index over the database. Connections are made as needed,
// so Postgres may be away; queries then fail.
func OpenIndex(ctx context.Context, url string) (*Index, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("index URL is not a Postgres connection string")
	}
	config.ConnConfig.RuntimeParams["statement_timeout"] = strconv.FormatInt(readTimeout.Milliseconds(), 10)
	config.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	config.ConnConfig.RuntimeParams["application_name"] = "motet-api"
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = readTimeout
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open index: %w", err)
	}
	return &Index{pool: pool}, nil
}

// Close closes the connections.
func (x *Index) Close() { x.pool.Close() }

// Cursor returns the newest block of the index; ok is false while it is empty.
func (x *Index) Cursor(ctx context.Context) (cursor motet.BlockRef, ok bool, err error) {
	return readCursor(ctx, x.pool)
}

// Transaction is a transaction in its block.
type Transaction struct {
	motet.Tx

	Block     motet.BlockRef
	Timestamp uint64
	Index     uint64

	baseFee  *big.Int
	gasUsed  uint64
	receipt  []byte
	contract common.Address
}

const txColumns = `SELECT t.raw, t.sender, t.tx_index, t.gas_used, t.created, t.receipt, b.number, b.hash, b.timestamp, b.base_fee
	FROM txs t JOIN blocks b ON b.number = t.block_number `

// Transaction returns a transaction by its hash.
func (x *Index) Transaction(ctx context.Context, hash common.Hash) (*Transaction, error) {
	return scanTx(x.pool.QueryRow(ctx, txColumns+"WHERE t.hash = $1 LIMIT 1", hash[:]))
}

// TransactionOf returns the transaction that consumed a sender's nonce.
func (x *Index) TransactionOf(ctx context.Context, sender common.Address, nonce uint64) (*Transaction, error) {
	return scanTx(x.pool.QueryRow(ctx, txColumns+"WHERE t.sender = $1 AND t.nonce = $2 LIMIT 1",
		sender[:], numeric(new(big.Int).SetUint64(nonce))))
}

func scanTx(row pgx.Row) (*Transaction, error) {
	var (
		raw, sender, created, receipt, hash []byte
		index, gasUsed, number, timestamp   int64
		baseFee                             pgtype.Numeric
	)
	err := row.Scan(&raw, &sender, &index, &gasUsed, &created, &receipt, &number, &hash, &timestamp, &baseFee)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read transaction from index: %w", err)
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return nil, fmt.Errorf("decode transaction of the index: %w", err)
	}
	return &Transaction{
		Tx:        motet.Tx{Transaction: tx, From: common.BytesToAddress(sender)},
		Block:     motet.BlockRef{Number: uint64(number), Hash: common.BytesToHash(hash)},
		Timestamp: uint64(timestamp),
		Index:     uint64(index),
		baseFee:   integer(baseFee),
		gasUsed:   uint64(gasUsed),
		receipt:   receipt,
		contract:  common.BytesToAddress(created),
	}, nil
}

// integer undoes the decimal exponent that Postgres factors out.
func integer(n pgtype.Numeric) *big.Int {
	if n.Int == nil {
		return new(big.Int)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.Exp)), nil)
	return new(big.Int).Mul(n.Int, scale)
}

// Receipt returns the receipt of a transaction with every field that
// go-ethereum derives.
func (x *Index) Receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	tx, err := x.Transaction(ctx, hash)
	if err != nil {
		return nil, err
	}
	var stored types.ReceiptForStorage
	if err := rlp.DecodeBytes(tx.receipt, &stored); err != nil {
		return nil, fmt.Errorf("decode receipt of the index: %w", err)
	}
	r := (*types.Receipt)(&stored)
	r.Type = tx.Type()
	r.TxHash = hash
	r.GasUsed = tx.gasUsed
	r.ContractAddress = tx.contract
	r.BlockHash, r.BlockNumber = tx.Block.Hash, new(big.Int).SetUint64(tx.Block.Number)
	r.TransactionIndex = uint(tx.Index)
	r.EffectiveGasPrice = tx.GasPrice()
	if tip, err := tx.EffectiveGasTip(tx.baseFee); err == nil {
		r.EffectiveGasPrice = tip.Add(tip, tx.baseFee)
	}
	if len(r.Logs) == 0 {
		r.Bloom = types.CreateBloom(r)
		return r, nil
	}
	var first int64
	err = x.pool.QueryRow(ctx, "SELECT min(log_index) FROM logs WHERE block_number = $1 AND tx_index = $2",
		int64(tx.Block.Number), int32(tx.Index)).Scan(&first)
	if err != nil {
		return nil, fmt.Errorf("read logs from index: %w", err)
	}
	for i, l := range r.Logs {
		l.BlockNumber, l.BlockHash, l.BlockTimestamp = tx.Block.Number, tx.Block.Hash, tx.Timestamp
		l.TxHash, l.TxIndex, l.Index = hash, uint(tx.Index), uint(first)+uint(i)
	}
	r.Bloom = types.CreateBloom(r)
	return r, nil
}

// LogFilter selects logs as eth_getLogs does: any of the addresses, and at each
// position any of the topics; an empty list matches all.
type LogFilter struct {
	From, To  uint64 // blocks, both included
	Addresses []common.Address
	Topics    [][]common.Hash
	// Limit bounds the answer.
	Limit int
}

// Logs returns matching logs in the order of the chain, and whether there are
// more than the limit. It knows nothing above the cursor.
func (x *Index) Logs(ctx context.Context, f LogFilter) (logs []*types.Log, more bool, err error) {
	if len(f.Topics) > 4 || f.From > f.To {
		return nil, false, nil
	}
	sql, args := f.query()
	rows, err := x.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, false, fmt.Errorf("read logs from index: %w", err)
	}
	logs, err = pgx.CollectRows(rows, scanLog)
	if err != nil {
		return nil, false, fmt.Errorf("read logs from index: %w", err)
	}
	if len(logs) > f.Limit {
		return logs[:f.Limit], true, nil
	}
	return logs, false, nil
}

func (f LogFilter) query() (string, []any) {
	var sql strings.Builder
	sql.WriteString(`SELECT l.block_number, l.log_index, l.tx_index, l.address, l.topic0, l.topic1, l.topic2, l.topic3, l.data, b.hash, b.timestamp, t.hash
	FROM logs l JOIN blocks b ON b.number = l.block_number JOIN txs t ON t.block_number = l.block_number AND t.tx_index = l.tx_index
	WHERE l.block_number BETWEEN $1 AND $2`)
	args := []any{int64(min(f.From, math.MaxInt64)), int64(min(f.To, math.MaxInt64))}
	anyOf := func(column string, values [][]byte) {
		args = append(args, values)
		fmt.Fprintf(&sql, " AND l.%s = ANY($%d)", column, len(args))
	}
	if len(f.Addresses) > 0 {
		values := make([][]byte, len(f.Addresses))
		for i, a := range f.Addresses {
			values[i] = a.Bytes()
		}
		anyOf("address", values)
	}
	for i, topics := range f.Topics {
		column := fmt.Sprintf("topic%d", i)
		if len(topics) == 0 {
			fmt.Fprintf(&sql, " AND l.%s IS NOT NULL", column)
			continue
		}
		values := make([][]byte, len(topics))
		for j, t := range topics {
			values[j] = t.Bytes()
		}
		anyOf(column, values)
	}
	args = append(args, f.Limit+1)
	fmt.Fprintf(&sql, " ORDER BY l.block_number, l.log_index LIMIT $%d", len(args))
	return sql.String(), args
}

func scanLog(row pgx.CollectableRow) (*types.Log, error) {
	var (
		number, logIndex, txIndex, timestamp int64
		address, data, blockHash, txHash     []byte
		topics                               [4][]byte
	)
	err := row.Scan(&number, &logIndex, &txIndex, &address, &topics[0], &topics[1], &topics[2], &topics[3], &data, &blockHash, &timestamp, &txHash)
	if err != nil {
		return nil, err
	}
	l := &types.Log{
		Address: common.BytesToAddress(address), Topics: []common.Hash{}, Data: data, BlockNumber: uint64(number), BlockTimestamp: uint64(timestamp),
		TxHash: common.BytesToHash(txHash), TxIndex: uint(txIndex), BlockHash: common.BytesToHash(blockHash), Index: uint(logIndex),
	}
	for _, t := range topics {
		if t == nil {
			break
		}
		l.Topics = append(l.Topics, common.BytesToHash(t))
	}
	return l, nil
}
