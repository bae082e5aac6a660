package api

import (
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/motet-evm/motet"
)

// maxPoolTransactions bounds the answers that list the pool.
const maxPoolTransactions = 20_000

var errPoolTooLarge = &Error{Code: CodeLimit, Message: "the pool is too large to list; use txpool_contentFrom"}

// txpoolAPI shows the pool, in geth's form.
type txpoolAPI struct{ s *Server }

type (
	byNonce[T any]  map[string]T
	bySender[T any] map[string]byNonce[T]
)

// Status counts the pool's transactions.
func (a txpoolAPI) Status() map[string]hexutil.Uint {
	var pending, queued int
	if a.s.pool != nil {
		pending, queued = a.s.pool.Stats()
	}
	return map[string]hexutil.Uint{"pending": hexutil.Uint(pending), "queued": hexutil.Uint(queued)}
}

// Content lists the pool.
func (a txpoolAPI) Content() (map[string]bySender[*rpcTransaction], error) {
	return listPool(a.s, transactionOf)
}

// Inspect lists the pool in words.
func (a txpoolAPI) Inspect() (map[string]bySender[string], error) {
	return listPool(a.s, func(tx *motet.Tx) string {
		to := "contract creation"
		if tx.To() != nil {
			to = tx.To().Hex()
		}
		return fmt.Sprintf("%s: %v wei + %v gas × %v wei", to, tx.Value(), tx.Gas(), tx.GasPrice())
	})
}

// ContentFrom lists the transactions of one sender.
func (a txpoolAPI) ContentFrom(addr common.Address) map[string]byNonce[*rpcTransaction] {
	var pending, queued []*motet.Tx
	if a.s.pool != nil {
		pending, queued = a.s.pool.ContentFrom(addr)
	}
	return map[string]byNonce[*rpcTransaction]{
		"pending": nonces(pending, transactionOf), "queued": nonces(queued, transactionOf),
	}
}

func listPool[T any](s *Server, shape func(*motet.Tx) T) (map[string]bySender[T], error) {
	var pending, queued map[common.Address][]*motet.Tx
	if s.pool != nil {
		if p, q := s.pool.Stats(); p+q > maxPoolTransactions {
			return nil, errPoolTooLarge
		}
		pending, queued = s.pool.Content()
	}
	return map[string]bySender[T]{"pending": senders(pending, shape), "queued": senders(queued, shape)}, nil
}

func senders[T any](lists map[common.Address][]*motet.Tx, shape func(*motet.Tx) T) bySender[T] {
	out := make(bySender[T], len(lists))
	for addr, list := range lists {
		out[addr.Hex()] = nonces(list, shape)
	}
	return out
}

func nonces[T any](list []*motet.Tx, shape func(*motet.Tx) T) byNonce[T] {
	out := make(byNonce[T], len(list))
	for _, tx := range list {
		out[strconv.FormatUint(tx.Nonce(), 10)] = shape(tx)
	}
	return out
}
