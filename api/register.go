package api

import (
	"context"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"
)

// register registers geth's services and then ours: of two methods of one name
// the one registered later is served.
func (s *Server) register() error {
	s.rpc.SetBatchLimits(maxBatch, maxBatchAnswer)
	s.rpc.SetHTTPBodyLimit(maxBody)
	s.rpc.SetWebsocketReadLimit(maxFrame)
	services := s.chain.APIs()
	ours := func(namespace string, service any) {
		services = append(services, rpc.API{Namespace: namespace, Service: service})
	}
	ours("eth", latestAPI{s})
	ours("eth", stateAPI{s})
	ours("eth", transactionAPI{s})
	ours("eth", feeAPI{s})
	ours("eth", filterAPI{s})
	ours("eth", subscriptions{s})
	ours("eth", accountAPI{})
	ours("eth", accessListAPI{s})
	ours("debug", traceAPI{s})
	ours("net", netAPI{s})
	ours("web3", web3API{s})
	ours("txpool", txpoolAPI{s})
	ours("motet", motetAPI{s})
	if s.cfg.Dev && s.sequencer != nil {
		ours("evm", devAPI{s})
	}
	for _, api := range services {
		if err := s.rpc.RegisterName(api.Namespace, api.Service); err != nil {
			return err
		}
	}
	return nil
}

// accountAPI answers the methods of nodes that hold keys. This one holds none.
type accountAPI struct{}

func noKeys(method string) error {
	e := noMethod(method)
	e.Message += ": this node holds no keys; sign the transaction and use eth_sendRawTransaction"
	return e
}

// Accounts lists no accounts.
func (accountAPI) Accounts() []common.Address { return []common.Address{} }

// PendingTransactions lists no transactions, since it would list those of the
// node's own accounts.
func (accountAPI) PendingTransactions() []any { return []any{} }

// SendTransaction tells what to use instead.
func (accountAPI) SendTransaction(any) (any, error) { return nil, noKeys("eth_sendTransaction") }

// SignTransaction tells what to use instead.
func (accountAPI) SignTransaction(any) (any, error) { return nil, noKeys("eth_signTransaction") }

// Sign tells what to use instead.
func (accountAPI) Sign(_, _ any) (any, error) { return nil, noKeys("eth_sign") }

// Resend tells what to use instead.
func (accountAPI) Resend(_, _, _ *any) (any, error) { return nil, noKeys("eth_resend") }

// netAPI is the net namespace of a node without a peer-to-peer network.
type netAPI struct{ s *Server }

// Version returns the chain id, as every chain since the merge does.
func (a netAPI) Version() string { return a.s.config.ChainID.String() }

// Listening is true, since clients ask it to see whether the node is up.
func (netAPI) Listening() bool { return true }

// PeerCount returns zero.
func (netAPI) PeerCount() hexutil.Uint { return 0 }

// web3API is the web3 namespace.
type web3API struct{ s *Server }

// ClientVersion names the software.
func (a web3API) ClientVersion() string { return "Motet/" + a.s.cfg.Version }

// Sha3 returns the Keccak-256 hash of input.
func (web3API) Sha3(input hexutil.Bytes) hexutil.Bytes { return crypto.Keccak256(input) }

// devAPI are the methods of development chains.
type devAPI struct{ s *Server }

// Mine seals a block now, even an empty one.
func (a devAPI) Mine(ctx context.Context) (string, error) {
	if err := a.s.sequencer.Mine(ctx); err != nil {
		return "", asRPC(err)
	}
	return "0x0", nil
}
