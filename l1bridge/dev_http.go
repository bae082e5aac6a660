package l1bridge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/rpc"
)

// devBodyLimit lets a transaction with six blobs and its cell proofs through.
const devBodyLimit = 8 << 20

// newServer serves geth's eth and net namespaces, web3, evm_mine and the part
// of the beacon API that blob readers use.
func (d *DevL1) newServer() (*http.Server, error) {
	rpcServer := rpc.NewServer()
	rpcServer.SetHTTPBodyLimit(devBodyLimit)
	apis := append(d.eth.APIs(),
		rpc.API{Namespace: "eth", Service: filters.NewFilterAPI(d.filters)},
		rpc.API{Namespace: "web3", Service: devWeb3{}},
		rpc.API{Namespace: "evm", Service: devEVM{d}},
	)
	for _, api := range apis {
		switch api.Namespace {
		case "eth", "net", "web3", "evm":
			if err := rpcServer.RegisterName(api.Namespace, api.Service); err != nil {
				return nil, fmt.Errorf("register %s: %w", api.Namespace, err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("POST /{$}", rpcServer)
	mux.HandleFunc("GET /eth/v1/beacon/genesis", d.serveGenesis)
	mux.HandleFunc("GET /eth/v1/beacon/blobs/{block}", d.serveBlobs)
	mux.HandleFunc("GET /eth/v1/beacon/blob_sidecars/{block}", func(w http.ResponseWriter, _ *http.Request) {
		beaconError(w, http.StatusGone, "deprecated: use /eth/v1/beacon/blobs/{block_id}")
	})
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}, nil
}

type devWeb3 struct{}

// ClientVersion is web3_clientVersion.
func (devWeb3) ClientVersion() string { return "motet-dev-l1" }

// Sha3 is web3_sha3.
func (devWeb3) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }

type devEVM struct{ l1 *DevL1 }

// Mine is evm_mine.
func (e devEVM) Mine() (hexutil.Uint64, error) {
	h, err := e.l1.Mine()
	if err != nil {
		return 0, err
	}
	return hexutil.Uint64(h.Number.Uint64()), nil
}

func (d *DevL1) serveGenesis(w http.ResponseWriter, _ *http.Request) {
	genesis := d.eth.BlockChain().Genesis()
	beaconData(w, map[string]string{
		"genesis_time":            strconv.FormatUint(genesis.Time(), 10),
		"genesis_validators_root": common.Hash{}.Hex(),
		"genesis_fork_version":    "0x00000000",
	}, nil)
}

// serveBlobs answers with the blobs of a block in the order of its
// transactions. Slots are block numbers here; a block hash serves as the root.
func (d *DevL1) serveBlobs(w http.ResponseWriter, r *http.Request) {
	block, err := d.beaconBlock(r.PathValue("block"))
	if err != nil {
		beaconError(w, http.StatusBadRequest, err.Error())
		return
	}
	if block == nil {
		beaconError(w, http.StatusNotFound, "block not found")
		return
	}
	wanted := make(map[common.Hash]bool)
	for _, param := range r.URL.Query()["versioned_hashes"] {
		for hash := range strings.SplitSeq(param, ",") {
			wanted[common.HexToHash(hash)] = true
		}
	}
	blobs := []hexutil.Bytes{}
	for _, tx := range block.Transactions() {
		for _, hash := range tx.BlobHashes() {
			if len(wanted) > 0 && !wanted[hash] {
				continue
			}
			blob, err := d.blobs.get(hash)
			if err == nil && blob == nil {
				err = fmt.Errorf("blob %s is lost", hash)
			}
			if err != nil {
				beaconError(w, http.StatusInternalServerError, err.Error())
				return
			}
			blobs = append(blobs, blob[:])
		}
	}
	finalized := d.eth.BlockChain().CurrentFinalBlock()
	beaconData(w, blobs, map[string]bool{
		"execution_optimistic": false,
		"finalized":            finalized != nil && block.NumberU64() <= finalized.Number.Uint64(),
	})
}

func (d *DevL1) beaconBlock(id string) (*types.Block, error) {
	chain := d.eth.BlockChain()
	switch {
	case id == "head":
		return chain.GetBlockByHash(chain.CurrentBlock().Hash()), nil
	case id == "finalized":
		return chain.GetBlockByHash(chain.CurrentFinalBlock().Hash()), nil
	case id == "genesis":
		return chain.Genesis(), nil
	case strings.HasPrefix(id, "0x"):
		return chain.GetBlockByHash(common.HexToHash(id)), nil
	}
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("invalid block id %q", id)
	}
	return chain.GetBlockByNumber(number), nil
}

func beaconData(w http.ResponseWriter, data any, flags map[string]bool) {
	body := map[string]any{"data": data}
	for k, v := range flags {
		body[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client went away
}

func beaconError(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]any{"code": code, "message": message}) //nolint:errcheck // the client went away
}
