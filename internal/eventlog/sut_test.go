package eventlog

import (
	"context"
	"log/slog"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/params"
	"go.uber.org/goleak"

	"github.com/motet-evm/motet"
	"github.com/motet-evm/motet/internal/testkit/natstest"
)

func TestMain(m *testing.M) {
	natstest.ServeIfChild()
	goleak.VerifyTestMain(m)
}

var testID = Identity{ChainID: 7, Genesis: common.HexToHash("0x6e")}

func newServer(t testing.TB, cfg ServerConfig) *Server {
	t.Helper()
	if cfg.StoreDir == "" {
		cfg.StoreDir = t.TempDir()
	}
	s, err := StartServer(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func newConn(t testing.TB, cfg Config, s *Server) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), cfg, Deps{Server: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newLog(t testing.TB, c *Conn) *Log {
	t.Helper()
	l, err := c.OpenLog(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newIntake(t testing.TB, c *Conn) *Intake {
	t.Helper()
	in, err := c.OpenIntake(t.Context(), testID)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func epochBody(n uint64) Body {
	return Body{Epoch: &Epoch{Epoch: n, Parent: motet.BlockRef{Number: n, Hash: common.Hash{1}}}}
}

func openBody(n uint64) Body {
	return Body{Open: &motet.Open{
		Number: n, Timestamp: 1000 + n, GasLimit: 30_000_000, BaseFee: big.NewInt(7),
		Origin: motet.Origin{Number: 3, Hash: common.Hash{3}, Time: 900, PrevRandao: common.Hash{4}},
		Extra:  motet.ExtraData(3), Forced: []common.Hash{{5}}, Deposits: motet.DepositRange{First: 1, Count: 2},
	}}
}

func sliceBody(n, index uint64, size int) Body {
	return Body{Slice: &Slice{
		Number: n, Index: index,
		Txs:     []hexutil.Bytes{make([]byte, size)},
		Digests: []Digest{{Status: 1, GasUsed: 21000, ReceiptHash: common.Hash{9}}},
	}}
}

func sealBody(n uint64) Body {
	open := openBody(n).Open
	return Body{Seal: &Seal{Number: n, Header: open.Header(common.Hash{byte(n)}, params.TestChainConfig)}}
}

func reorgBody(n uint64) Body {
	return Body{Reorg: &Reorg{Fork: motet.BlockRef{Number: n, Hash: common.Hash{2}}, Reason: "l1", L1Block: 9}}
}

func mustAppend(t testing.TB, l *Log, bodies ...Body) Cursor {
	t.Helper()
	c, err := l.Append(t.Context(), bodies...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newFeed(t testing.TB, l *Log, from Cursor) *Feed {
	t.Helper()
	f, err := l.Read(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func next(t testing.TB, f *Feed) Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testWait)
	defer cancel()
	r, err := f.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
