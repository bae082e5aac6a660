package indexer

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"github.com/motet-evm/motet"
)

// errMoved says that somebody else moved the index meanwhile.
var errMoved = errors.New("another indexer moved the cursor")

// writer applies blocks over one connection.
type writer struct {
	conn    *pgx.Conn
	signer  types.Signer
	timeout time.Duration
	// cursor is the newest block in the index, once begun.
	cursor motet.BlockRef
	begun  bool
}

func (w *writer) loadCursor(ctx context.Context) error {
	cursor, ok, err := readCursor(ctx, w.conn)
	if err != nil {
		return err
	}
	w.cursor, w.begun = cursor, ok
	return nil
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readCursor(ctx context.Context, q querier) (motet.BlockRef, bool, error) {
	var number int64
	var hash []byte
	err := q.QueryRow(ctx, "SELECT block_number, block_hash FROM cursors WHERE name = $1", cursorName).Scan(&number, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return motet.BlockRef{}, false, nil
	}
	if err != nil {
		return motet.BlockRef{}, false, fmt.Errorf("read index cursor: %w", err)
	}
	return motet.BlockRef{Number: uint64(number), Hash: common.BytesToHash(hash)}, true, nil
}

func (w *writer) hashOf(ctx context.Context, number uint64) (common.Hash, error) {
	var hash []byte
	if err := w.conn.QueryRow(ctx, "SELECT hash FROM blocks WHERE number = $1", int64(number)).Scan(&hash); err != nil {
		return common.Hash{}, fmt.Errorf("read hash of indexed block %d: %w", number, err)
	}
	return common.BytesToHash(hash), nil
}

// transact runs f and moves the cursor from where the writer knows it to to, in
// one SQL transaction. When the connection breaks in the commit, what became of
// it is read from the cursor by the next session.
func (w *writer) transact(ctx context.Context, to motet.BlockRef, f func(ctx context.Context, tx pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		if err := w.moveCursor(ctx, tx, to); err != nil {
			return err
		}
		return f(ctx, tx)
	})
	if err != nil {
		return err
	}
	w.cursor, w.begun = to, true
	return nil
}

// moveCursor locks and moves the row. A second indexer waits here, finds the
// cursor moved and starts over.
func (w *writer) moveCursor(ctx context.Context, tx pgx.Tx, to motet.BlockRef) error {
	sql := "INSERT INTO cursors (name, block_number, block_hash) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING"
	args := []any{cursorName, int64(to.Number), to.Hash[:]}
	if w.begun {
		sql = "UPDATE cursors SET block_number = $2, block_hash = $3 WHERE name = $1 AND block_number = $4 AND block_hash = $5"
		args = append(args, int64(w.cursor.Number), w.cursor.Hash[:])
	}
	tag, err := tx.Exec(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("move index cursor: %w", err)
	}
	if tag.RowsAffected() != 1 {
		return errMoved
	}
	return nil
}

// apply adds a block.
func (w *writer) apply(ctx context.Context, block *types.Block, receipts types.Receipts) error {
	rows, err := w.rowsOf(block, receipts)
	if err != nil {
		return err
	}
	return w.transact(ctx, motet.RefOf(block.Header()), func(ctx context.Context, tx pgx.Tx) error {
		for _, t := range rows {
			if len(t.rows) == 0 {
				continue
			}
			n, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, t.columns, pgx.CopyFromRows(t.rows))
			if err != nil {
				return fmt.Errorf("copy into %s: %w", t.name, err)
			}
			if n != int64(len(t.rows)) {
				return fmt.Errorf("copy into %s: %d of %d rows", t.name, n, len(t.rows))
			}
		}
		return nil
	})
}

// unwind removes all blocks above fork.
func (w *writer) unwind(ctx context.Context, fork motet.BlockRef) error {
	old := w.cursor
	return w.transact(ctx, fork, func(ctx context.Context, tx pgx.Tx) error {
		for _, sql := range []string{
			"DELETE FROM logs WHERE block_number > $1", "DELETE FROM txs WHERE block_number > $1", "DELETE FROM blocks WHERE number > $1",
		} {
			if _, err := tx.Exec(ctx, sql, int64(fork.Number)); err != nil {
				return fmt.Errorf("delete: %w", err)
			}
		}
		_, err := tx.Exec(ctx, "INSERT INTO reorgs (fork_number, fork_hash, old_number, old_hash) VALUES ($1, $2, $3, $4)",
			int64(fork.Number), fork.Hash[:], int64(old.Number), old.Hash[:])
		if err != nil {
			return fmt.Errorf("note rollback: %w", err)
		}
		return nil
	})
}

// table is what one COPY writes.
type table struct {
	name    string
	columns []string
	rows    [][]any
}

// rowsOf returns the rows of a block in the order of the tables.
func (w *writer) rowsOf(block *types.Block, receipts types.Receipts) ([]table, error) {
	header := block.Header()
	encoded, err := rlp.EncodeToBytes(header)
	if err != nil {
		return nil, fmt.Errorf("encode header: %w", err)
	}
	hash := block.Hash()
	var originNumber, originHash any
	if n, err := motet.ParseExtraData(header.Extra); err == nil && header.ParentBeaconRoot != nil {
		originNumber, originHash = int64(n), header.ParentBeaconRoot[:]
	}
	number := int64(block.NumberU64())
	blocks := table{name: "blocks", columns: []string{
		"number", "hash", "parent_hash", "timestamp", "gas_limit", "gas_used", "base_fee", "tx_count", "size", "origin_number", "origin_hash", "header",
	}, rows: [][]any{{
		number, hash[:], header.ParentHash[:], int64(header.Time), int64(header.GasLimit), int64(header.GasUsed), numeric(header.BaseFee),
		int32(len(receipts)), int64(block.Size()), originNumber, originHash, encoded,
	}}}
	txs, err := w.txRows(block, receipts)
	if err != nil {
		return nil, err
	}
	return []table{blocks, txs, logRows(number, receipts)}, nil
}

func (w *writer) txRows(block *types.Block, receipts types.Receipts) (table, error) {
	t := table{name: "txs", columns: []string{
		"block_number", "tx_index", "hash", "sender", "recipient", "created", "nonce", "type", "value", "selector", "status", "gas_used", "gas_price", "raw", "receipt",
	}, rows: make([][]any, len(receipts))}
	txs := block.Transactions()
	workers := runtime.GOMAXPROCS(0)
	var g errgroup.Group
	for part := range workers {
		g.Go(func() error {
			for i := part; i < len(txs); i += workers {
				row, err := w.txRow(block, i, receipts[i])
				if err != nil {
					return fmt.Errorf("transaction %s: %w", txs[i].Hash(), err)
				}
				t.rows[i] = row
			}
			return nil
		})
	}
	return t, g.Wait()
}

func (w *writer) txRow(block *types.Block, index int, receipt *types.Receipt) ([]any, error) {
	tx := block.Transactions()[index]
	sender, err := types.Sender(w.signer, tx)
	if err != nil {
		return nil, fmt.Errorf("recover sender: %w", err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	stored, err := rlp.EncodeToBytes((*types.ReceiptForStorage)(receipt))
	if err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	hash := tx.Hash()
	var recipient, created, selector []byte
	if to := tx.To(); to != nil {
		recipient = to[:]
		if len(tx.Data()) >= 4 {
			selector = tx.Data()[:4]
		}
	} else if receipt.Status == types.ReceiptStatusSuccessful {
		created = receipt.ContractAddress[:]
	}
	price := tx.GasPrice()
	if fee := block.BaseFee(); fee != nil {
		if tip, err := tx.EffectiveGasTip(fee); err == nil {
			price = new(big.Int).Add(tip, fee)
		}
	}
	return []any{
		int64(block.NumberU64()), int32(index), hash[:], sender[:], recipient, created, numeric(new(big.Int).SetUint64(tx.Nonce())), int16(tx.Type()),
		numeric(tx.Value()), selector, int16(receipt.Status), int64(receipt.GasUsed), numeric(price), raw, stored,
	}, nil
}

func logRows(number int64, receipts types.Receipts) table {
	t := table{name: "logs", columns: []string{
		"block_number", "log_index", "tx_index", "address", "topic0", "topic1", "topic2", "topic3", "data",
	}}
	for i, receipt := range receipts {
		for _, l := range receipt.Logs {
			row := []any{number, int32(len(t.rows)), int32(i), l.Address[:], nil, nil, nil, nil, l.Data}
			for j, topic := range l.Topics {
				row[4+j] = topic[:]
			}
			if l.Data == nil {
				row[8] = []byte{}
			}
			t.rows = append(t.rows, row)
		}
	}
	return t
}

// numeric turns an amount into SQL; a missing one is zero.
func numeric(x *big.Int) pgtype.Numeric {
	if x == nil {
		x = new(big.Int)
	}
	return pgtype.Numeric{Int: x, Valid: true}
}
