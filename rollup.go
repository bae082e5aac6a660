package motet

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"
)

// Rollup ties an L2 chain to its L1: what every node must agree on beyond the
// genesis. It is the content of rollup.json; the Inbox contract holds its hash.
type Rollup struct {
	ChainID           uint64         `json:"chain_id"`
	L1ChainID         uint64         `json:"l1_chain_id"`
	GenesisHash       common.Hash    `json:"genesis_hash"`
	L1Genesis         BlockRef       `json:"l1_genesis"`
	Inbox             common.Address `json:"inbox"`
	Bridge            common.Address `json:"bridge"`
	Outputs           common.Address `json:"outputs"`
	Batcher           common.Address `json:"batcher"`
	Proposer          common.Address `json:"proposer"`
	Coinbase          common.Address `json:"coinbase"`
	GasLimitTarget    uint64         `json:"gas_limit_target"`
	BlockTime         uint64         `json:"block_time"`         // seconds; 0 seals on demand
	ConfirmationDepth uint64         `json:"confirmation_depth"` // L1 blocks
	MaxDrift          uint64         `json:"max_drift"`          // seconds; 0 is unlimited (dev)
	ForceWindow       uint64         `json:"force_window"`       // L1 blocks
	ChallengePeriod   uint64         `json:"challenge_period"`   // seconds
	MaxSafeLag        uint64         `json:"max_safe_lag"`       // seconds
	ForksByL1Time     []RollupFork   `json:"forks_by_l1_time"`
}

// RollupFork changes rollup rules for blocks whose origin is at or after L1Time.
type RollupFork struct {
	L1Time         uint64          `json:"l1_time"`
	GasLimitTarget *uint64         `json:"gas_limit_target,omitempty"`
	Coinbase       *common.Address `json:"coinbase,omitempty"`
}

// ReadRollup reads rollup.json. Unknown fields are errors.
func ReadRollup(path string) (*Rollup, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	r := new(Rollup)
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("read rollup config %s: %w", path, err)
	}
	return r, nil
}

// Canonical returns the canonical JSON of r: fields in declaration order, no
// white space.
func (r *Rollup) Canonical() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // no field of Rollup can fail to marshal
	}
	return b
}

// Hash returns the SHA-256 of the canonical JSON with the contract addresses
// left zero, since the Inbox takes the hash in its constructor, before its own
// address is part of the config.
func (r *Rollup) Hash() common.Hash {
	c := *r
	c.Inbox, c.Bridge, c.Outputs = common.Address{}, common.Address{}, common.Address{}
	return sha256.Sum256(c.Canonical())
}

// At returns the gas limit target and the coinbase for an origin's time.
func (r *Rollup) At(originTime uint64) (gasLimitTarget uint64, coinbase common.Address) {
	gasLimitTarget, coinbase = r.GasLimitTarget, r.Coinbase
	for _, f := range r.ForksByL1Time {
		if originTime < f.L1Time {
			break
		}
		if f.GasLimitTarget != nil {
			gasLimitTarget = *f.GasLimitTarget
		}
		if f.Coinbase != nil {
			coinbase = *f.Coinbase
		}
	}
	return gasLimitTarget, coinbase
}

// NextOpen returns the Open of the block after parent with the given timestamp
// and origin. Everything else follows from these by rule, so that the sequencer
// that builds the block and a verifier that derives it from L1 agree.
func (r *Rollup) NextOpen(config *params.ChainConfig, parent *types.Header, timestamp uint64, origin Origin) *Open {
	target, coinbase := r.At(origin.Time)
	return &Open{
		Number:    parent.Number.Uint64() + 1,
		Timestamp: timestamp,
		Origin:    origin,
		Coinbase:  coinbase,
		GasLimit:  core.CalcGasLimit(parent.GasLimit, target),
		BaseFee:   new(big.Int).Set(eip1559.CalcBaseFee(config, parent)),
		Extra:     ExtraData(origin.Number),
	}
}
