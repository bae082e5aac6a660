package loadgen

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"golang.org/x/sync/errgroup"
)

// headPoll bounds the error of a sealing time where blocks are polled.
const headPoll = 5 * time.Millisecond

// progressEvery is the time between two lines about a long wait.
const progressEvery = 2 * time.Second

// send offers the jobs in batches, each at its time. All transactions of a sender
// go over one connection, so that they arrive in the order of their nonces.
func send(ctx context.Context, cfg Config, jobs []job, start time.Time) error {
	connections := min(cfg.Connections, cfg.Accounts)
	eg, ctx := errgroup.WithContext(ctx)
	for c := range connections {
		var own []*job
		for i := range jobs {
			if i%cfg.Accounts%connections == c {
				own = append(own, &jobs[i])
			}
		}
		eg.Go(func() error {
			client, err := rpc.DialOptions(ctx, cfg.Target, rpc.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}))
			if err != nil {
				return fmt.Errorf("connect to %s: %w", cfg.Target, err)
			}
			defer client.Close()
			turn := c
			for batch := range slices.Chunk(own, cfg.Batch) {
				due := time.Now()
				if cfg.Rate > 0 {
					due = start.Add(time.Duration(float64(turn*cfg.Batch) / cfg.Rate * float64(time.Second)))
				}
				turn += connections
				if err := sleepUntil(ctx, due); err != nil {
					return err
				}
				for _, j := range batch {
					j.due = due
				}
				if err := offer(ctx, client, cfg, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return eg.Wait()
}

// offer sends one batch. Without a rate the server sets the pace: what it has no
// room for is offered again until it has, and its clock runs on. With a rate such
// a refusal is a finding.
func offer(ctx context.Context, client *rpc.Client, cfg Config, batch []*job) error {
	for stalled := time.Now(); ; {
		raws := make([]string, len(batch))
		for i, j := range batch {
			raws[i] = j.raw
		}
		elems := batchOf(raws)
		if err := client.BatchCallContext(ctx, elems); err != nil {
			return fmt.Errorf("send batch: %w", err)
		}
		now := time.Now()
		var again []*job
		for i, j := range batch {
			switch j.refusal = elems[i].Error; {
			case j.refusal == nil:
				j.accepted = now
			case cfg.Rate == 0 && isCapacity(j.refusal):
				again = append(again, j)
			}
		}
		if len(again) < len(batch) {
			stalled = now
		}
		if len(again) == 0 || now.Sub(stalled) > stallTime {
			return nil
		}
		batch = again
		if err := sleepUntil(ctx, now.Add(retryWait)); err != nil {
			return err
		}
	}
}

func sleepUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// watcher notes when transactions appear in slices and in blocks.
type watcher struct {
	preconfirms bool

	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex // guards the times in byHash's jobs, sealed and err
	byHash map[common.Hash]*job
	sealed int
	err    error
}

// watch starts to follow the chain from its present head on.
func watch(ctx context.Context, cfg Config, eth *ethclient.Client, jobs []job, client string) (*watcher, error) {
	head, err := eth.BlockNumber(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the head: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{stop: cancel, byHash: make(map[common.Hash]*job, len(jobs))}
	for i := range jobs {
		w.byHash[jobs[i].hash] = &jobs[i]
	}
	w.done.Go(func() { w.followBlocks(ctx, eth, head+1) })
	if strings.HasPrefix(client, "Motet/") {
		w.preconfirms = true
		ready := make(chan error, 1)
		w.done.Go(func() { w.followSlices(ctx, cfg.Target, ready) })
		if err := <-ready; err != nil {
			cancel()
			return nil, err
		}
	}
	return w, nil
}

func (w *watcher) followBlocks(ctx context.Context, eth *ethclient.Client, next uint64) {
	for ctx.Err() == nil {
		var block struct {
			Transactions []common.Hash `json:"transactions"`
		}
		var raw json.RawMessage
		err := eth.Client().CallContext(ctx, &raw, "eth_getBlockByNumber", fmt.Sprintf("%#x", next), false)
		if err == nil && string(raw) != "null" {
			err = json.Unmarshal(raw, &block)
		}
		if err != nil && ctx.Err() == nil {
			w.mu.Lock()
			w.err = fmt.Errorf("read block %d: %w", next, err)
			w.mu.Unlock()
			return
		}
		if string(raw) == "null" {
			_ = sleepUntil(ctx, time.Now().Add(headPoll))
			continue
		}
		next++
		now := time.Now()
		w.mu.Lock()
		for _, h := range block.Transactions {
			if j := w.byHash[h]; j != nil && j.sealed.IsZero() {
				j.sealed = now
				w.sealed++
			}
		}
		w.mu.Unlock()
	}
}

// followSlices reads the event stream; ready gets the result of connecting.
func (w *watcher) followSlices(ctx context.Context, target string, ready chan<- error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(target, "/")+"/v1/events?types=slice", nil)
	if err != nil {
		ready <- err
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		ready <- fmt.Errorf("open the event stream: %w", err)
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		ready <- fmt.Errorf("open the event stream: %s", resp.Status)
		return
	}
	ready <- nil
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var slice struct {
			Transactions []struct {
				Hash common.Hash `json:"hash"`
			} `json:"transactions"`
		}
		if json.Unmarshal([]byte(data), &slice) != nil {
			continue
		}
		now := time.Now()
		w.mu.Lock()
		for _, tx := range slice.Transactions {
			if j := w.byHash[tx.Hash]; j != nil && j.preconfirmed.IsZero() {
				j.preconfirmed = now
			}
		}
		w.mu.Unlock()
	}
}

// wait returns when every transaction that can be is sealed, or when no more are
// for a while, and stops watching.
func (w *watcher) wait(ctx context.Context, expected int, progress func(string)) error {
	defer w.done.Wait()
	defer w.stop()
	last, moved, told := 0, time.Now(), time.Now()
	for {
		w.mu.Lock()
		sealed, err := w.sealed, w.err
		w.mu.Unlock()
		now := time.Now()
		if sealed > last {
			last, moved = sealed, now
		}
		switch {
		case err != nil:
			return err
		case sealed >= expected || now.Sub(moved) > stallTime:
			return nil
		case now.Sub(told) > progressEvery:
			progress(fmt.Sprintf("%d of %d are in blocks", sealed, expected))
			told = now
		}
		if err := sleepUntil(ctx, now.Add(headPoll)); err != nil {
			return err
		}
	}
}
