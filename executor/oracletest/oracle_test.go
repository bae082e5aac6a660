package oracletest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/types/bal"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/executor"
)

// blocksPerWorld is how many blocks follow one another in a world.
const blocksPerWorld = 3

// coverage counts what blocks were made of.
type coverage struct {
	blocks, txs, included, failed, skipped, cut, logs int
	errs                                              map[string]int
}

func (v *coverage) add(b *blockCase) {
	v.blocks++
	v.txs += len(b.txs)
	v.included += len(b.included)
	v.skipped += len(b.skipped)
	if b.cut < len(b.txs) {
		v.cut++
	}
	for _, r := range b.receipts {
		v.logs += len(r.Logs)
		if r.Status == types.ReceiptStatusFailed {
			v.failed++
		}
	}
	for _, s := range b.skipped {
		v.errs[innermost(s.Err)]++
	}
}

func innermost(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}

// engine is an executor under a name.
type engine struct {
	name string
	exec executor.Executor
}

// checkWorld grows a world from data and checks every engine on each block.
func checkWorld(t *testing.T, f fork, data []byte, engines []engine, seen *coverage) {
	t.Helper()
	w, err := newWorld(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range blocksPerWorld {
		share := data[i*len(data)/blocksPerWorld : (i+1)*len(data)/blocksPerWorld]
		root := w.root
		b, err := grow(w, &choices{rest: share})
		if err != nil {
			t.Fatalf("%s, block %d: geth: %v", f.name, i, err)
		}
		if seen != nil {
			seen.add(b)
		}
		for _, e := range engines {
			if err := checkBlock(t.Context(), checker{db: w.db, root: root, exec: e.exec}, b, share); err != nil {
				t.Fatalf("%s, %s, block %d of %d transactions: %v", e.name, f.name, i, len(b.txs), err)
			}
		}
	}
}

func checkBlock(ctx context.Context, k checker, b *blockCase, share []byte) error {
	if err := k.building(ctx, b, &choices{rest: share}); err != nil {
		return fmt.Errorf("building: %w", err)
	}
	if err := k.verifying(ctx, b); err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	if err := k.along(ctx, b, b.accesses); err != nil {
		return fmt.Errorf("along the list: %w", err)
	}
	list, err := wrong(b.accesses, &choices{rest: share})
	if err != nil {
		return err
	}
	if err := k.along(ctx, b, list); err != nil {
		return fmt.Errorf("along a wrong list: %w", err)
	}
	if err := k.refusing(ctx, b); err != nil {
		return fmt.Errorf("refusing: %w", err)
	}
	return nil
}

// TestChecks shows that the checks accept geth itself, that they see it err,
// and that the generator makes up what it promises.
func TestChecks(t *testing.T) {
	seen := &coverage{errs: make(map[string]int)}
	for seed := range uint64(40) {
		checkWorld(t, forks()[0], seeded(seed, 1500), []engine{{"geth", geth{}}}, seen)
	}
	t.Logf("%d blocks, %d transactions: %d included, %d of them failed, %d logs, %d skipped, %d blocks cut",
		seen.blocks, seen.txs, seen.included, seen.failed, seen.logs, seen.skipped, seen.cut)
	t.Log(seen.errs)
	if seen.failed == 0 || seen.logs == 0 || seen.cut == 0 || len(seen.errs) < 10 {
		t.Error("the generator leaves something out")
	}
}

// TestChecksSeeErrors shows that the checks fail on an executor that is nearly
// right.
func TestChecksSeeErrors(t *testing.T) {
	for name, spoil := range map[string]func(*motet.Outcome){
		"balance": func(o *motet.Outcome) { a := living(o); a.Balance.AddUint64(&a.Balance, 1) },
		"nonce":   func(o *motet.Outcome) { living(o).Nonce++ },
		"slot":    func(o *motet.Outcome) { stored(o).Storage[0].Value[0]++ },
		"lost":    func(o *motet.Outcome) { a := stored(o); a.Storage = a.Storage[1:] },
		"gas":     func(o *motet.Outcome) { o.GasUsed-- },
		"log":     func(o *motet.Outcome) { spoilLog(o.Receipts) },
		"access":  spoilAccesses,
	} {
		t.Run(name, func(t *testing.T) {
			w, err := newWorld(forks()[0])
			if err != nil {
				t.Fatal(err)
			}
			root, data := w.root, seeded(3, 1500)
			b, err := grow(w, &choices{rest: data})
			if err != nil {
				t.Fatal(err)
			}
			k := checker{db: w.db, root: root, exec: spoiled{spoil: spoil}}
			if err := k.verifying(t.Context(), b); err == nil {
				t.Error("the error was not seen")
			}
		})
	}
}

// living returns a changed account that exists.
func living(o *motet.Outcome) *motet.AccountChange {
	for i := range o.Changes.Accounts {
		if a := &o.Changes.Accounts[i]; !a.Deleted && a.Nonce > 0 {
			return a
		}
	}
	panic("no account changed")
}

// stored returns a changed account with a changed slot.
func stored(o *motet.Outcome) *motet.AccountChange {
	for i := range o.Changes.Accounts {
		if a := &o.Changes.Accounts[i]; !a.Deleted && len(a.Storage) > 0 {
			return a
		}
	}
	panic("no slot changed")
}

func spoilLog(receipts types.Receipts) {
	for _, r := range receipts {
		if len(r.Logs) > 0 {
			r.Logs[0].Index++
			return
		}
	}
}

// spoilAccesses forgets the last account that the block touched.
func spoilAccesses(o *motet.Outcome) {
	list := *o.AccessList()
	list = list[:len(list)-1]
	o.AccessList = func() *bal.BlockAccessList { return &list }
}

// spoiled is geth with a fault.
type spoiled struct {
	geth
	spoil func(*motet.Outcome)
}

func (s spoiled) Open(ctx context.Context, env executor.Env) (executor.Block, error) {
	b, err := s.geth.Open(ctx, env)
	return spoiledBlock{Block: b, spoil: s.spoil}, err
}

type spoiledBlock struct {
	executor.Block
	spoil func(*motet.Outcome)
}

func (b spoiledBlock) Finish(ctx context.Context, w types.Withdrawals) (*motet.Outcome, error) {
	o, err := b.Block.Finish(ctx, w)
	if err == nil {
		b.spoil(o)
	}
	return o, err
}
