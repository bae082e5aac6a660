// Package api is the HTTP edge of a Motet node: everything that a client outside
// the process can ask for, on one port.
//
//	POST /              JSON-RPC; GET with an upgrade header: WebSocket
//	/v1                 REST and server-sent events
//	/livez /readyz      probes; /healthz is /livez, /readyz?verbose has all checks and notes
//	/metrics            Prometheus
//	/chain.json         EIP-3085, for wallets
//	/ui                 one page that shows the chain live
//
// JSON-RPC is geth's own server and, for everything about sealed blocks, geth's
// own methods ([rpc.API] values of the embedded node). Registered after them,
// and therefore in their place, are the methods where a sequencer knows more
// than its chain store: submission, pooled transactions, the pending block,
// fees, recent receipts, subscriptions.
//
// The package promises three things. A client is told the same code for the
// same condition on every surface ([Error]). No client can slow another or the
// chain: bodies, batches, nesting, results, calls, traces, filters,
// subscriptions and connections are bounded, and a client that stops reading is
// disconnected. An event stream that is resumed by its last id has no gap, or
// says that it has one.
//
// It assumes that a transaction is durable when the pool's Add returns no error
// for it, and that the log it follows holds only what is committed.
package api
