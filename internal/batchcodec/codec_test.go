package batchcodec

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/holiman/uint256"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/motet-evm/motet/internal/testkit/fixtures"
)

const testChain = 1337

// signer makes keys from small numbers.
func key(t testing.TB, n uint64) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(common.LeftPadBytes(binary.BigEndian.AppendUint64(nil, n+1), 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(t testing.TB, k *ecdsa.PrivateKey, inner types.TxData) []byte {
	t.Helper()
	tx, err := types.SignNewTx(k, types.LatestSignerForChainID(big.NewInt(testChain)), inner)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// everyKind returns a transaction of each kind, and some odd ones.
func everyKind(t testing.TB) [][]byte {
	t.Helper()
	k := key(t, 1)
	to := common.HexToAddress("0xc0ffee00c0ffee00c0ffee00c0ffee00c0ffee00")
	call := append(common.FromHex("a9059cbb"), bytes.Repeat([]byte{0}, 12)...)
	call = append(call, to[:]...)
	call = append(call, common.LeftPadBytes(big.NewInt(5e17).Bytes(), 32)...)
	access := types.AccessList{{Address: to, StorageKeys: []common.Hash{{1}, {2}}}}
	unprotected, err := types.SignNewTx(k, types.HomesteadSigner{}, &types.LegacyTx{Gas: 21000, To: &to, GasPrice: big.NewInt(1)})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := types.SignNewTx(k, types.LatestSignerForChainID(big.NewInt(1)), &types.DynamicFeeTx{ChainID: big.NewInt(1), To: &to})
	if err != nil {
		t.Fatal(err)
	}
	auth, err := types.SignSetCode(k, types.SetCodeAuthorization{ChainID: *uint256.NewInt(testChain), Address: to, Nonce: 3})
	if err != nil {
		t.Fatal(err)
	}
	id := big.NewInt(testChain)
	max256 := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	return [][]byte{
		sign(t, k, &types.LegacyTx{Nonce: 7, GasPrice: big.NewInt(1e9), Gas: 21000, To: &to, Value: big.NewInt(1e18)}),
		sign(t, k, &types.LegacyTx{GasPrice: new(big.Int), Data: []byte{1, 2, 3}}), // creation
		sign(t, k, &types.AccessListTx{ChainID: id, Nonce: 1 << 40, GasPrice: big.NewInt(7), Gas: 1 << 50, To: &to, AccessList: access}),
		sign(t, k, &types.DynamicFeeTx{ChainID: id, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1e10), Gas: 60000, To: &to, Data: call}),
		sign(t, k, &types.DynamicFeeTx{ChainID: id, GasTipCap: max256, GasFeeCap: max256, Value: max256, Data: append(call, bytes.Repeat([]byte{0xff}, 64)...)}),
		sign(t, k, &types.SetCodeTx{
			ChainID: uint256.NewInt(testChain), GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 100000, To: to,
			AccessList: access, AuthList: []types.SetCodeAuthorization{auth},
		}),
		sign(t, k, &types.BlobTx{ChainID: uint256.NewInt(testChain), To: to, BlobHashes: []common.Hash{{1}}}),
		marshalled(t, unprotected), marshalled(t, foreign),
		{},
		{0x80},
		[]byte("not a transaction"),
	}
}

func marshalled(t testing.TB, tx *types.Transaction) []byte {
	t.Helper()
	raw, err := tx.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func sample(t testing.TB) *Batch {
	t.Helper()
	txs := everyKind(t)
	return &Batch{
		ChainID: testChain, Index: 4, FirstBlock: 10, FirstTx: 3, LastComplete: true,
		Blocks: []Block{
			{Timestamp: 1000, Origin: 5, Txs: txs[:4]},
			{Timestamp: 1001, Origin: 5},
			{Timestamp: 1005, Origin: 9, Forced: 1, Deposits: 2, Txs: txs[4:]},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample(t)
	for _, codec := range []Codec{None, Zlib, Zstd} {
		enc, err := Encode(want, codec)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(append(enc, make([]byte, 100)...), DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("codec %d: %s", codec, d)
		}
	}
}

// equal is cmp.Equal for batches, fast enough for fuzzing.
func equal(a, b *Batch) bool {
	return a.ChainID == b.ChainID && a.Index == b.Index && a.FirstBlock == b.FirstBlock && a.FirstTx == b.FirstTx &&
		a.LastComplete == b.LastComplete && slices.EqualFunc(a.Blocks, b.Blocks, func(x, y Block) bool {
		return x.Timestamp == y.Timestamp && x.Origin == y.Origin && x.Forced == y.Forced && x.Deposits == y.Deposits &&
			slices.EqualFunc(x.Txs, y.Txs, bytes.Equal)
	})
}

// comesBack encodes b and demands that decoding gives it back.
func comesBack(t rapid.TB, b *Batch) {
	t.Helper()
	enc, err := Encode(b, None)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(enc, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if !equal(b, got) {
		t.Fatalf("want %v, got %v", b, got)
	}
}

// TestStandardTypesUseColumns makes sure that only what is odd travels whole.
func TestStandardTypesUseColumns(t *testing.T) {
	const odd = 5 // a blob transaction, one of another chain, three that are none
	whole := 0
	for i, raw := range everyKind(t) {
		if takeApart(raw, testChain) == nil {
			whole++
			if i < 6 || i == 7 {
				t.Errorf("transaction %d travels whole", i)
			}
		}
	}
	if whole != odd {
		t.Errorf("%d travel whole, want %d", whole, odd)
	}
}

func TestRoundTripAny(t *testing.T) {
	kinds := everyKind(t)
	rapid.Check(t, func(t *rapid.T) {
		b := &Batch{
			ChainID: rapid.SampledFrom([]uint64{testChain, 1, 0}).Draw(t, "chain"), Index: rapid.Uint64().Draw(t, "index"),
			FirstBlock: rapid.Uint64Max(1<<60).Draw(t, "first"), FirstTx: rapid.Uint32().Draw(t, "firstTx"), LastComplete: rapid.Bool().Draw(t, "last"),
		}
		var time, origin uint64
		for range rapid.IntRange(1, 6).Draw(t, "blocks") {
			time += rapid.Uint64Max(100).Draw(t, "time")
			origin += rapid.Uint64Max(3).Draw(t, "origin")
			bl := Block{Timestamp: time, Origin: origin}
			for range rapid.IntRange(0, 10).Draw(t, "txs") {
				raw := bytes.Clone(rapid.SampledFrom(kinds).Draw(t, "tx"))
				if len(raw) > 0 && rapid.Bool().Draw(t, "twist") {
					raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
				}
				bl.Txs = append(bl.Txs, raw)
			}
			b.Blocks = append(b.Blocks, bl)
		}
		comesBack(t, b)
	})
}

func TestEncodeRefuses(t *testing.T) {
	for name, b := range map[string]*Batch{
		"no blocks":        {},
		"time goes back":   {Blocks: []Block{{Timestamp: 2}, {Timestamp: 1}}},
		"origin goes back": {Blocks: []Block{{Origin: 2}, {Origin: 1}}},
		"number overflows": {FirstBlock: ^uint64(0), Blocks: []Block{{}}},
		"too many":         {Blocks: []Block{{Txs: make([][]byte, DefaultLimits().Txs+1)}}},
	} {
		if _, err := Encode(b, None); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := Encode(sample(t), Zstd)
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if _, err := Decode(good[:n], DefaultLimits()); !errors.Is(err, ErrInvalid) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if _, err := Decode(bad, DefaultLimits()); !errors.Is(err, ErrInvalid) {
			t.Fatalf("flip in byte %d: %v", i, err)
		}
	}
	if _, err := Decode(append(good, 0, 1), DefaultLimits()); !errors.Is(err, errTrailing) {
		t.Fatal(err)
	}
	for name, limits := range map[string]Limits{
		"raw":    {Raw: 10, Output: 1 << 20, Txs: 100, Blocks: 100},
		"output": {Raw: 1 << 20, Output: 10, Txs: 100, Blocks: 100},
		"txs":    {Raw: 1 << 20, Output: 1 << 20, Txs: 3, Blocks: 100},
		"blocks": {Raw: 1 << 20, Output: 1 << 20, Txs: 100, Blocks: 2},
	} {
		if _, err := Decode(good, limits); !errors.Is(err, errLimit) {
			t.Errorf("limit of %s: %v", name, err)
		}
	}
}

// TestBombs shows that small envelopes cannot make a decoder work or allocate
// much.
func TestBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	huge := enc.EncodeAll(zeros, nil)
	window := common.FromHex("28b52ffd00f80100000000000000") // a frame that claims a window of gigabytes
	zl, err := compress(Zlib, zeros)
	if err != nil {
		t.Fatal(err)
	}
	claims := []uint32{100, 16 << 20, 1<<32 - 1}
	for _, claim := range claims {
		for codec, body := range map[Codec][]byte{Zstd: huge, Zlib: zl, None: window} {
			if codec == None {
				codec = Zstd
			}
			env := envelope{codec: codec, blocks: 1, rawLen: claim, body: body}
			data := env.encode()
			before := allocated()
			if _, err := Decode(data, DefaultLimits()); !errors.Is(err, ErrInvalid) {
				t.Errorf("codec %d, claim %d: %v", codec, claim, err)
			}
			if used := allocated() - before; used > 128<<20 {
				t.Errorf("codec %d, claim %d: %d MiB allocated", codec, claim, used>>20)
			}
		}
	}
	// Words that expand: a byte each in the batch, 32 in the transaction.
	var cols columns
	const words = 15 << 20
	cols.uvarint(colBlocks, 0)
	for _, v := range []uint64{0, 0, 0, 1} {
		cols.uvarint(colBlocks, v)
	}
	cols[colKinds] = []byte{kindCreation | kindWords}
	cols[colTags] = make([]byte, words)
	cols.uvarint(colNonces, 0)
	cols.uvarint(colGas, 0)
	cols.uvarint(colGasNew, 0)
	cols.uvarint(colFees, 0)
	cols.number(colFeesNew, new(uint256.Int))
	cols.uvarint(colDataLens, words*32+4)
	cols.uvarint(colSelects, 0)
	cols[colSelectsNew] = make([]byte, 4)
	raw := cols.join()
	body, err := compress(Zstd, raw)
	if err != nil {
		t.Fatal(err)
	}
	env := envelope{codec: Zstd, blocks: 1, rawLen: uint32(len(raw)), sigs: make([]byte, 65), body: body}
	if _, err := Decode(env.encode(), DefaultLimits()); !errors.Is(err, errLimit) {
		t.Errorf("expanding words: %v", err)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// erc20 makes n transfers of one token by as many senders to as many receivers.
func erc20(t testing.TB, n int, fresh bool) [][]byte {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // test data
	token := common.HexToAddress("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")
	keys := make([]*ecdsa.PrivateKey, 64)
	for i := range keys {
		keys[i] = key(t, uint64(i)) //nolint:gosec // small
	}
	txs := make([][]byte, n)
	for i := range txs {
		var to common.Address
		seed := rng.Uint64N(1000)
		if fresh {
			seed = rng.Uint64()
		}
		copy(to[:], crypto.Keccak256(binary.BigEndian.AppendUint64(nil, seed)))
		amount := new(big.Int).Mul(big.NewInt(rng.Int64N(1_000_000)), big.NewInt(10_000))
		data := append(common.FromHex("a9059cbb"), common.LeftPadBytes(to[:], 32)...)
		data = append(data, common.LeftPadBytes(amount.Bytes(), 32)...)
		txs[i] = sign(t, keys[i%len(keys)], &types.DynamicFeeTx{
			ChainID: big.NewInt(testChain), Nonce: uint64(i / len(keys)), GasTipCap: big.NewInt(rng.Int64N(20) * 1e8), //nolint:gosec // small
			GasFeeCap: big.NewInt(30e9), Gas: 65000, To: &token, Data: data,
		})
	}
	return txs
}

// TestBytesPerTransfer keeps the cost of the commonest transaction.
func TestBytesPerTransfer(t *testing.T) {
	for name, c := range map[string]struct {
		fresh bool
		limit float64
	}{
		"receivers seen before": {limit: 74},
		"receivers all new":     {fresh: true, limit: 91},
	} {
		const n = 5000
		enc, err := Encode(&Batch{ChainID: testChain, Blocks: []Block{{Txs: erc20(t, n, c.fresh)}}}, Zstd)
		if err != nil {
			t.Fatal(err)
		}
		each := float64(len(enc)) / n
		t.Logf("%s: %.2f bytes each", name, each)
		if each > c.limit {
			t.Errorf("%s: more than %.0f bytes", name, c.limit)
		}
	}
}

// mainnet returns the transactions of real blocks, by type.
func mainnet(t testing.TB) [][]byte {
	t.Helper()
	dir := fixtures.Dir(t, "mainnet")
	files, err := filepath.Glob(filepath.Join(dir, "blocks", "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no blocks in %s", dir)
	}
	var raws [][]byte
	for _, name := range files {
		raws = append(raws, blockTxs(t, name)...)
	}
	return raws
}

func blockTxs(t testing.TB, name string) (raws [][]byte) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var block struct {
		Transactions []json.RawMessage `json:"transactions"`
	}
	if err := json.NewDecoder(z).Decode(&block); err != nil {
		t.Fatal(err)
	}
	for _, j := range block.Transactions {
		tx := new(types.Transaction)
		if err := tx.UnmarshalJSON(j); err != nil {
			t.Fatal(name, err)
		}
		raws = append(raws, marshalled(t, tx))
	}
	return raws
}

// TestMainnet carries every transaction of real blocks, byte for byte.
func TestMainnet(t *testing.T) {
	raws := mainnet(t)
	var recent [][]byte
	plain := 0
	for _, raw := range raws {
		if raw[0] != types.BlobTxType {
			recent = append(recent, raw)
			plain += len(raw)
		}
	}
	want := &Batch{ChainID: 1, Blocks: []Block{{Txs: recent}}}
	enc, err := Encode(want, Zstd)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(enc, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	if !equal(want, got) {
		t.Fatal("transactions differ")
	}
	whole := 0
	for _, raw := range recent {
		if takeApart(raw, 1) == nil {
			whole++
		}
	}
	n := float64(len(recent))
	t.Logf("%d transactions, %.1f bytes each, %.1f in the batch, %d travel whole", len(recent), float64(plain)/n, float64(len(enc))/n, whole)
}

func BenchmarkEncode(b *testing.B) {
	batch := &Batch{ChainID: testChain, Blocks: []Block{{Txs: erc20(b, 5000, true)}}}
	for b.Loop() {
		if _, err := Encode(batch, Zstd); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(5000*float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

func BenchmarkDecode(b *testing.B) {
	enc, err := Encode(&Batch{ChainID: testChain, Blocks: []Block{{Txs: erc20(b, 5000, true)}}}, Zstd)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Decode(enc, DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(5000*float64(b.N)/b.Elapsed().Seconds(), "tx/s")
}

// FuzzDecode feeds hostile bytes to the decoder, with the checksum repaired and
// without a compressor in between, so that the fuzzer gets at the columns. What
// it accepts must survive another round.
func FuzzDecode(f *testing.F) {
	for _, codec := range []Codec{None, Zlib, Zstd} {
		enc, err := Encode(sample(f), codec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(enc)
	}
	f.Add([]byte(strings.Repeat("MOTB", 20)))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(repaired(data), Limits{Raw: 1 << 20, Output: 1 << 20, Txs: 1000, Blocks: 1000})
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		comesBack(t, b)
	})
}

// repaired gives data the checksum and the lengths that it should have.
func repaired(data []byte) []byte {
	if len(data) < headSize {
		return data
	}
	data = bytes.Clone(data)
	sigLen := min(binary.BigEndian.Uint32(data[43:]), uint32(len(data)-headSize)) //nolint:gosec // small
	body := data[headSize+int(sigLen):]
	binary.BigEndian.PutUint32(data[43:], sigLen)
	binary.BigEndian.PutUint32(data[47:], uint32(len(body))) //nolint:gosec // small
	if Codec(data[5]) == None {
		binary.BigEndian.PutUint32(data[39:], uint32(len(body))) //nolint:gosec // small
	}
	binary.BigEndian.PutUint32(data[crcOffset:], checksum(data[:crcOffset], data[headSize:headSize+int(sigLen)], body))
	return data
}

// FuzzTx carries any bytes as a transaction.
func FuzzTx(f *testing.F) {
	for _, raw := range everyKind(f) {
		f.Add(raw, raw)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		want := &Batch{ChainID: testChain, Blocks: []Block{{Txs: [][]byte{one, two, one}}}}
		enc, err := Encode(want, None)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(enc, DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		if !equal(want, got) {
			t.Fatalf("want %v, got %v", want, got)
		}
	})
}
