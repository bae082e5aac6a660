package chain

import (
	"context"
	"fmt"
	"runtime"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth/downloader"
	"github.com/ethereum/go-ethereum/eth/tracers"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/ethereum/go-ethereum/version"

	// The tracers register themselves by name.
	_ "github.com/ethereum/go-ethereum/eth/tracers/js"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native"
)

// APIs returns geth's RPC services that may be offered to the public: eth, net,
// web3, and of debug the tracers and the raw getters. Left out are admin, miner,
// engine, what writes files or moves the head, txpool (the node's pool is
// empty) and the subscriptions (a client that stops reading would stop the
// writer).
//
// A service registered later under the same namespace overrides single methods.
func (c *Chain) APIs() []rpc.API {
	var apis []rpc.API
	for _, api := range c.eth.APIs() {
		switch api.Namespace {
		case "eth", "net":
			if _, syncing := api.Service.(*downloader.DownloaderAPI); !syncing {
				apis = append(apis, api)
			}
		case "debug":
			if raw, ok := api.Service.(rawGetters); ok {
				apis = append(apis, rpc.API{Namespace: "debug", Service: &rawAPI{raw}})
			}
		}
	}
	return append(apis,
		rpc.API{Namespace: "web3", Service: web3API{}},
		rpc.API{Namespace: "debug", Service: &traceAPI{API: tracers.NewAPI(c.eth.APIBackend)}},
	)
}

// web3API is the web3 namespace.
type web3API struct{}

// ClientVersion names the software.
func (web3API) ClientVersion() string {
	return fmt.Sprintf("Motet/geth-%d.%d.%d/", version.Major, version.Minor, version.Patch) + runtime.GOOS + "-" + runtime.GOARCH + "/" + runtime.Version()
}

// Sha3 returns the Keccak-256 hash of input.
func (web3API) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }

// rawGetters is the part of geth's debug service that only reads.
type rawGetters interface {
	GetRawHeader(ctx context.Context, block rpc.BlockNumberOrHash) (hexutil.Bytes, error)
	GetRawBlock(ctx context.Context, block rpc.BlockNumberOrHash) (hexutil.Bytes, error)
	GetRawReceipts(ctx context.Context, block rpc.BlockNumberOrHash) ([]hexutil.Bytes, error)
	GetRawTransaction(ctx context.Context, hash common.Hash) (hexutil.Bytes, error)
}

// rawAPI offers the methods of rawGetters and no others of the service behind.
type rawAPI struct{ rawGetters }

// traceAPI offers geth's tracers. The fields hide the methods of the same name,
// which read or write files of the server, stream without bound, or need blocks
// that a node without peers never has.
type traceAPI struct {
	*tracers.API

	TraceBlockFromFile, StandardTraceBlockToFile, StandardTraceBadBlockToFile, TraceBadBlock, TraceChain hidden
}

type hidden struct{}
