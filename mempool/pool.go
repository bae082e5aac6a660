package mempool

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/motet-evm/motet"
)

// Intake is the pool's write-ahead log. It must be safe for concurrent use, and
// is expected to commit concurrent calls as a group.
type Intake interface {
	// AppendTxs makes the encoded transactions durable. They get dense, rising
	// sequences, first being that of raw[0]. An error that wraps
	// motet.ErrUnavailable says that they are not accepted; should they have
	// become durable nonetheless, a restart accepts them.
	AppendTxs(ctx context.Context, raw [][]byte) (first uint64, err error)
	// AppendFates makes final fates durable.
	AppendFates(ctx context.Context, fates []motet.Fate) error
	// Release says that everything below lowest may be forgotten.
	Release(ctx context.Context, lowest uint64) error
}

// Deps are what a pool works with.
type Deps struct {
	ChainConfig *params.ChainConfig
	Intake      Intake
	// Included tells where a transaction was included, for those that the pool
	// finds overtaken by the chain without having been told (at a restart). Nil
	// knows of none.
	Included   func(hash common.Hash) (block, index uint64, ok bool)
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil is time.Now
}

// Pool holds the transactions that wait for inclusion. It is safe for concurrent
// use.
type Pool struct {
	config  Config
	deps    Deps
	signer  types.Signer
	metrics *metrics
	minTip  atomic.Pointer[big.Int]
	head    atomic.Pointer[types.Header] // what static checks need of the open block
	wake    chan struct{}
	dirty   chan struct{} // wakes Run: fates wait

	mu       sync.RWMutex
	view     state.Reader
	block    uint64
	baseFee  uint64
	gasLimit uint64
	// floors are the nonces consumed since the view was taken.
	floors   map[common.Address]uint64
	accounts map[common.Address]*account
	all      map[common.Hash]*item
	auths    map[common.Address]int // pooled authorisations by authority
	count    int                    // transactions in accounts, replacements included
	bytes    int
	gapped   int
	arrivals int64
	earliest int64 // arrivals given to readded transactions, going down
	ready    heap[candidate]
	parked   []*item
	gaps     []gap // by time
	dying    []*item
	ledger   ledger
	tails    *victims
	queued   *victims
	included memory[place]
	fates    memory[motet.Fate]
	refusals memory[string]
	restored *restoration // until the first Reset
	subs     map[*Subscription]struct{}
}

// New returns an empty pool. It admits nothing before the first Reset.
func New(config Config, deps Deps) (*Pool, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Log == nil {
		deps.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pool{
		config:   config,
		deps:     deps,
		signer:   types.LatestSigner(deps.ChainConfig),
		wake:     make(chan struct{}, 1),
		dirty:    make(chan struct{}, 1),
		floors:   make(map[common.Address]uint64),
		accounts: make(map[common.Address]*account),
		all:      make(map[common.Hash]*item),
		auths:    make(map[common.Address]int),
		included: newMemory[place](config.FateMemory),
		fates:    newMemory[motet.Fate](config.FateMemory),
		refusals: newMemory[string](min(config.FateMemory, maxRefusals)),
		restored: newRestoration(),
		subs:     make(map[*Subscription]struct{}),
	}
	p.ledger.open = make(map[*batch]uint64)
	p.minTip.Store(new(big.Int).SetUint64(config.MinTip))
	var err error
	if p.metrics, err = newMetrics(deps.Registerer, p); err != nil {
		return nil, fmt.Errorf("register mempool metrics: %w", err)
	}
	return p, nil
}

// SetMinTip changes the least tip cap that is admitted from now on.
func (p *Pool) SetMinTip(wei *big.Int) { p.minTip.Store(new(big.Int).Set(wei)) }

// MinTip returns the least tip cap that is admitted.
func (p *Pool) MinTip() *big.Int { return new(big.Int).Set(p.minTip.Load()) }

// Wait returns a channel that receives when a transaction that can run has
// arrived since the last receive. It has one reader.
func (p *Pool) Wait() <-chan struct{} { return p.wake }

// Reset tells the pool which block is being built, or would be next, and the
// state to judge by. The pool reads the view, under its lock, until the next
// Reset or Settle brings another one. The first Reset also admits what Restore
// collected. A block number below the last one is a rollback: every sender is
// judged anew.
func (p *Pool) Reset(open *motet.Open, view state.Reader) {
	p.head.Store(&types.Header{
		Number:     new(big.Int).SetUint64(open.Number),
		Time:       open.Timestamp,
		GasLimit:   open.GasLimit,
		BaseFee:    open.BaseFee,
		Difficulty: new(big.Int),
	})
	p.mu.Lock()
	defer p.mu.Unlock()

	rollback := open.Number < p.block
	fee := saturate(open.BaseFee)
	reorder := fee != p.baseFee || open.GasLimit != p.gasLimit
	p.block, p.baseFee, p.gasLimit = open.Number, fee, open.GasLimit
	p.adopt(view)
	p.tails, p.queued = nil, nil
	if r := p.restored; r != nil {
		p.restored = nil
		p.admitRestored(r)
	}
	p.unpark()
	if rollback {
		p.refreshAll()
	}
	if reorder {
		p.reorder()
	}
	if len(p.ready) > 0 {
		signal(p.wake)
	}
}

// adopt judges by view from now on, and at once those senders of whom the former
// view did not know what they spent.
func (p *Pool) adopt(view state.Reader) {
	p.view = view
	unseen := slices.Collect(maps.Keys(p.floors))
	clear(p.floors)
	for _, addr := range unseen {
		if acc := p.accounts[addr]; acc != nil {
			p.refresh(acc)
			p.settled(acc)
		}
	}
}

// refreshAll judges every sender by the view.
func (p *Pool) refreshAll() {
	for _, acc := range p.accounts {
		p.refresh(acc)
		p.settled(acc)
	}
}

// reorder rebuilds the ready heap after the base fee or the gas limit changed.
func (p *Pool) reorder() {
	p.ready = p.ready[:0]
	for _, acc := range p.accounts {
		acc.pos = -1
		if it := p.next(acc); it != nil {
			p.ready = append(p.ready, p.candidate(it))
		}
	}
	p.ready.build()
}

// next returns the transaction of acc that can run now, or nil.
func (p *Pool) next(acc *account) *item {
	if acc.head >= acc.run {
		return nil
	}
	it := acc.items[acc.head]
	if !it.durable() || it.held || it.parked || it.fee < p.baseFee || it.gas > p.gasLimit {
		return nil
	}
	if len(acc.replacing) > 0 && acc.isReplacing(it.nonce) {
		return nil
	}
	return it
}

func (p *Pool) candidate(it *item) candidate {
	c := candidate{arrival: it.arrival, acc: it.acc}
	if p.config.Policy == PolicyTip {
		c.tip = p.effectiveTip(it)
	}
	return c
}

// effectiveTip is what the sequencer earns per gas, 0 while the fee cap does not
// cover the base fee.
func (p *Pool) effectiveTip(it *item) uint64 {
	if it.fee < p.baseFee {
		return 0
	}
	return min(it.tip, it.fee-p.baseFee)
}

// settled brings the ready heap in line with acc, and forgets an empty account.
// It ends every change of an account.
func (p *Pool) settled(acc *account) {
	it := p.next(acc)
	switch {
	case it == nil && acc.pos >= 0:
		p.ready.remove(acc.pos)
	case it != nil && acc.pos >= 0:
		p.ready.fix(acc.pos, p.candidate(it))
	case it != nil:
		p.ready.push(p.candidate(it))
	}
	if acc.empty() {
		delete(p.accounts, acc.addr)
	}
}

// unpark lets deferred transactions run again.
func (p *Pool) unpark() {
	for _, it := range p.parked {
		it.parked = false
		if !it.gone {
			p.settled(it.acc)
		}
	}
	clear(p.parked)
	p.parked = p.parked[:0]
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
