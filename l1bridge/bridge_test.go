package l1bridge_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/l1test"
	"github.com/motet-evm/motet/l1bridge"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		runCrashChild(dir)
		return
	}
	// Started once per process by go-ethereum, or outliving its Close by seconds.
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/ethereum/go-ethereum/core.(*txSenderCacher).cache"),
		goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

type sut struct {
	l1     *l1test.L1
	client *l1bridge.Client
	key    *ecdsa.PrivateKey
	rollup *motet.Rollup
	reader *l1bridge.Reader
}

func newSUT(t *testing.T, l1 *l1test.L1) *sut {
	t.Helper()
	s := &sut{l1: l1, client: l1.Dial(t), key: newKey(t)}
	begin, err := s.client.Origin(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	s.rollup = &motet.Rollup{
		ChainID: 7, L1ChainID: s.client.ChainID(), GenesisHash: common.Hash{7},
		L1Genesis: motet.BlockRef{Number: begin.Number, Hash: begin.Hash},
		Batcher:   crypto.PubkeyToAddress(s.key.PublicKey), BlockTime: 1,
	}
	addrs, err := l1bridge.Deploy(t.Context(), s.client, s.key, s.rollup)
	if err != nil {
		t.Fatalf("deploy: %v", err)
	}
	s.rollup.Inbox = addrs.Inbox
	s.reader = l1bridge.NewReader(s.client, l1bridge.ReaderConfig{Inbox: addrs.Inbox, PollInterval: 20 * time.Millisecond})
	return s
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *sut) inbox(t *testing.T, da l1bridge.DA) *l1bridge.Inbox { return s.inboxOf(t, s.key, da) }

func (s *sut) inboxOf(t *testing.T, key *ecdsa.PrivateKey, da l1bridge.DA) *l1bridge.Inbox {
	t.Helper()
	inbox, err := l1bridge.NewInbox(s.client, l1bridge.InboxConfig{
		Address: s.rollup.Inbox, Key: key, DA: da, PollInterval: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return inbox
}

// next returns a batch that the Inbox accepts.
func (s *sut) next(t *testing.T, payload []byte) l1bridge.Batch {
	t.Helper()
	tip, err := s.inbox(t, l1bridge.DAAuto).Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l1bridge.Batch{
		Index: tip.Index, PrevAcc: tip.Acc, Payload: payload,
		Header: motet.BatchHeader{
			FirstBlock: tip.LastBlock + 1, FirstTx: 3, LastBlock: tip.LastBlock + 2, LastHash: common.Hash{1},
			ForcedCursor: 4, DepositCursor: 5,
		},
	}
}

// post posts a batch and checks that everybody reads what was posted.
func (s *sut) post(t *testing.T, da l1bridge.DA, payload []byte) *l1bridge.Signed {
	t.Helper()
	inbox, batch := s.inbox(t, da), s.next(t, payload)
	signed, receipt, err := inbox.Post(t.Context(), batch)
	if err != nil {
		t.Fatalf("post: %v", err)
	}
	tip, err := inbox.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := l1bridge.Tip{
		Index: batch.Index + 1, Acc: signed.Acc, LastBlock: batch.Header.LastBlock, L1Block: receipt.BlockNumber.Uint64(),
	}
	if diff := cmp.Diff(want, tip); diff != "" {
		t.Fatalf("tip (-want +got):\n%s", diff)
	}
	block, err := s.reader.Block(t.Context(), receipt.BlockNumber.Uint64())
	if err != nil {
		t.Fatalf("read back: %v", err)
	}
	if block.Origin.Hash != receipt.BlockHash || len(block.Batches) != 1 {
		t.Fatalf("read %d batches in block %s, posted one in %s", len(block.Batches), block.Origin.Hash, receipt.BlockHash)
	}
	got := block.Batches[0]
	if !bytes.Equal(got.Payload, payload) {
		t.Fatalf("payload of %d bytes came back as other %d bytes", len(payload), len(got.Payload))
	}
	got.Payload = nil
	wantBatch := motet.PostedBatch{Index: batch.Index, Acc: signed.Acc, Header: signed.Header, TxHash: signed.Hash}
	if diff := cmp.Diff(wantBatch, got); diff != "" {
		t.Fatalf("batch (-want +got):\n%s", diff)
	}
	return signed
}

func randomBytes(n int) []byte {
	rng := rand.NewChaCha8([32]byte{byte(n)})
	out := make([]byte, n)
	_, _ = rng.Read(out)
	return out
}

func TestPostAndRead(t *testing.T) {
	l1test.Each(t, func(t *testing.T, l1 *l1test.L1) {
		s := newSUT(t, l1)
		if err := s.client.CheckRollup(t.Context(), s.rollup); err != nil {
			t.Fatal(err)
		}
		if signed := s.post(t, l1bridge.DACalldata, randomBytes(1)); signed.Blobs != 0 {
			t.Errorf("calldata went into %d blobs", signed.Blobs)
		}
		s.post(t, l1bridge.DACalldata, randomBytes(l1bridge.MaxCalldata))
		if signed := s.post(t, l1bridge.DABlobs, []byte("a batch")); signed.Blobs != 1 {
			t.Errorf("a small payload took %d blobs", signed.Blobs)
		}
		if signed := s.post(t, l1bridge.DAAuto, randomBytes(l1bridge.MaxPayload)); signed.Blobs != l1bridge.MaxBlobs {
			t.Errorf("the largest payload took %d blobs", signed.Blobs)
		}
		if signed := s.post(t, l1bridge.DAAuto, randomBytes(60_000)); signed.Blobs != 1 {
			t.Errorf("60 kB took %d blobs, though blobs cost next to nothing", signed.Blobs)
		}
	})
}

func TestRefusals(t *testing.T) {
	l1test.Each(t, func(t *testing.T, l1 *l1test.L1) {
		s := newSUT(t, l1)
		inbox := s.inbox(t, l1bridge.DACalldata)
		first := s.next(t, []byte("one"))
		s.post(t, l1bridge.DACalldata, []byte("one"))

		refused := func(inbox *l1bridge.Inbox, change func(*l1bridge.Batch), name string, superseded bool) {
			t.Helper()
			b := s.next(t, []byte("two"))
			change(&b)
			_, _, err := inbox.Post(t.Context(), b)
			var revert *l1bridge.RevertError
			if !errors.As(err, &revert) || revert.Name != name {
				t.Fatalf("got %v, want a revert with %s", err, name)
			}
			if errors.Is(err, l1bridge.ErrSuperseded) != superseded || !errors.Is(err, l1bridge.ErrReverted) {
				t.Errorf("%v: superseded is not %v", err, superseded)
			}
		}
		refused(inbox, func(b *l1bridge.Batch) { *b = first }, "WrongIndex", true)
		refused(inbox, func(b *l1bridge.Batch) { b.Index++ }, "WrongIndex", true)
		refused(inbox, func(b *l1bridge.Batch) { b.PrevAcc[0]++ }, "WrongAcc", true)
		refused(inbox, func(b *l1bridge.Batch) { b.Header.GuardNumber, b.Header.GuardHash = 1, common.Hash{1} }, "GuardMismatch", false)
		refused(inbox, func(b *l1bridge.Batch) { b.Header.GuardNumber, b.Header.GuardHash = 1000, common.Hash{1} }, "GuardOutOfWindow", false)
		refused(inbox, func(b *l1bridge.Batch) { b.Header.FirstBlock = 0 }, "BadRange", false)
		refused(inbox, func(b *l1bridge.Batch) { b.Header.LastBlock = b.Header.FirstBlock - 1 }, "BadRange", false)
		refused(inbox, func(b *l1bridge.Batch) { b.Header.LastHash = common.Hash{} }, "BadRange", false)

		stranger := newKey(t)
		if err := s.client.Fund(t.Context(), crypto.PubkeyToAddress(stranger.PublicKey)); err != nil {
			t.Fatal(err)
		}
		refused(s.inboxOf(t, stranger, l1bridge.DACalldata), func(*l1bridge.Batch) {}, "NotBatcher", false)
		refused(s.inboxOf(t, stranger, l1bridge.DABlobs), func(*l1bridge.Batch) {}, "NotBatcher", false)
		s.post(t, l1bridge.DACalldata, []byte("two"))
	})
}

// TestMinedRevert has two batchers with one key's view of the tip: both sign
// batch 0, and the second one to be mined must fail on chain.
func TestMinedRevert(t *testing.T) {
	l1test.Each(t, func(t *testing.T, l1 *l1test.L1) {
		s := newSUT(t, l1)
		inbox := s.inbox(t, l1bridge.DABlobs)
		a, err := inbox.Prepare(t.Context(), s.next(t, []byte("a")))
		if err != nil {
			t.Fatal(err)
		}
		displaced, err := inbox.Prepare(t.Context(), s.next(t, []byte("b")))
		if err != nil {
			t.Fatal(err)
		}
		if err := inbox.Send(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if _, err := inbox.Wait(t.Context(), a.Hash); err != nil {
			t.Fatal(err)
		}
		if err := inbox.Send(t.Context(), a); err != nil {
			t.Errorf("sending a mined batch again: %v", err)
		}
		if err := inbox.Send(t.Context(), displaced); !errors.Is(err, l1bridge.ErrDisplaced) {
			t.Errorf("sending a batch whose nonce is used: %v", err)
		}
		late := s.lateTx(t, a)
		_, err = inbox.Wait(t.Context(), late)
		var revert *l1bridge.RevertError
		if !errors.Is(err, l1bridge.ErrSuperseded) || !errors.As(err, &revert) || revert.Tx != late {
			t.Errorf("a duplicate that was mined: %v", err)
		}
	})
}

func TestGuardBeyondBlockhash(t *testing.T) {
	l1test.Each(t, func(t *testing.T, l1 *l1test.L1) {
		s := newSUT(t, l1)
		old, err := s.reader.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l1.Mine(t, 300)
		b := s.next(t, []byte("late"))
		b.Header.GuardNumber, b.Header.GuardHash = old.Number, old.Hash
		if _, _, err := s.inbox(t, l1bridge.DACalldata).Post(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	})
}

func TestHeadsAndOrigins(t *testing.T) {
	l1test.Each(t, func(t *testing.T, l1 *l1test.L1) {
		s := newSUT(t, l1)
		reader := l1bridge.NewReader(s.client, l1bridge.ReaderConfig{ConfirmationDepth: 3, PollInterval: 10 * time.Millisecond})
		zero := motet.Origin{Number: 1}
		if got, err := reader.NextOrigin(t.Context(), zero); err != nil || got != zero {
			t.Fatalf("before Run: %v %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- reader.Run(ctx) }()
		l1.Mine(t, 10)
		head, err := reader.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want, err := s.client.Origin(t.Context(), head.Number-3)
		if err != nil {
			t.Fatal(err)
		}
		waitFor(t, func() bool {
			got, err := reader.NextOrigin(t.Context(), zero)
			return err == nil && got == want
		})
		if got, err := reader.NextOrigin(t.Context(), head); err != nil || got != head {
			t.Errorf("the origin goes back from %d to %d (%v)", head.Number, got.Number, err)
		}
		final, err := reader.Finalized(t.Context())
		if err != nil || final.Number+5 < head.Number || final.Number >= head.Number {
			t.Errorf("finalized %d, head %d: %v", final.Number, head.Number, err)
		}
		if _, err := reader.Block(t.Context(), head.Number+100); !errors.Is(err, ethereum.NotFound) {
			t.Errorf("a block that is not there: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("waited a minute in vain")
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
