package predict

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
)

func account(i int) common.Address { return addr(fmt.Sprint("account ", i)) }

func (p *Predictor) see(txs ...transaction) {
	for _, tx := range txs {
		p.Observe(tx.Tx, tx.to, tx.touched)
	}
}

// chain pays from account i to account i+1.
func chain(w *world, token *Target, i int) transaction {
	w.call(deployer, token, data("mint(address,uint256)", addressWord(account(i)), word(1000)))
	return w.call(account(i), token, data("transfer(address,uint256)", addressWord(account(i+1)), word(uint64(i%100+1))))
}

func TestLearnToken(t *testing.T) {
	w, p := newWorld(t), New(Learned)
	token := benchToken(t, w)
	for i := range confirmations {
		checkUnknown(t, p, chain(w, token, 1000+2*i))
		p.see(chain(w, token, 2*i))
	}
	for i := range 20 {
		checkExact(t, p, chain(w, token, 100+2*i))
	}
	allow := func(i int) transaction {
		return w.call(account(i), token, data("approve(address,uint256)", addressWord(account(i+1)), word(50)))
	}
	spend := func(i int) transaction {
		allow(i)
		w.call(deployer, token, data("mint(address,uint256)", addressWord(account(i)), word(1000)))
		return w.call(account(i+1), token, data("transferFrom(address,address,uint256)", addressWord(account(i)), addressWord(account(i+2)), word(uint64(i%40+1))))
	}
	for i := range 12 {
		p.see(allow(300+2*i), spend(3*i))
	}
	for i := range 20 {
		checkExact(t, p, allow(500+2*i))
		checkExact(t, p, spend(600+3*i))
	}
	if s := p.Stats(); s.Learned.Hits == 0 || s.Learned.Wasted+s.Learned.Misses > s.Learned.Hits/4 || s.Learned.Predictions == 0 || s.Static != (Counts{}) {
		t.Errorf("counted %+v", s)
	}
}

// TestChainKeys: each transfer shares a balance with the next, and nothing with
// others. What static analysis and learning say of it is the same.
func TestChainKeys(t *testing.T) {
	for _, source := range []Sources{Static, Learned} {
		w, p := newWorld(t), New(source)
		token := benchToken(t, w)
		for i := range 8 {
			p.see(chain(w, token, 1000+2*i))
		}
		var last []Key
		for i := range 10 {
			tx := chain(w, token, i)
			keys, ok := p.Keys(nil, tx.Tx, token)
			if !ok || len(keys) != 2 || !keys[0].Write || !keys[1].Write {
				t.Fatalf("source %d: keys %v %v", source, keys, ok)
			}
			shared := 0
			for _, k := range keys {
				if slices.Contains(last, k) {
					shared++
				}
			}
			if want := min(i, 1); shared != want {
				t.Errorf("source %d, transfer %d: shares %d keys with the one before, want %d", source, i, shared, want)
			}
			last = keys
		}
	}
}

// exchange is Uniswap v2 with a pool for each two neighbouring tokens.
type exchange struct {
	*world

	tokens          []*Target
	factory, router *Target
}

var (
	lots   = new(big.Int).Lsh(big.NewInt(1), 100)
	always = big.NewInt(1 << 60)
)

const swapSignature = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"

func newExchange(t testing.TB, pools int) *exchange {
	t.Helper()
	x := &exchange{world: newWorld(t)}
	x.factory = x.deploy(artifact(t, "@uniswap/v2-core/build/UniswapV2Factory.json"), addressWord(deployer))
	x.router = x.deploy(artifact(t, "@uniswap/v2-periphery/build/UniswapV2Router02.json"), addressWord(x.factory.Address), addressWord(deployer))
	creation := artifact(t, "@uniswap/v2-core/build/ERC20.json")
	for i := range pools + 1 {
		x.tokens = append(x.tokens, x.deploy(creation, common.BigToHash(lots)))
		x.call(deployer, x.tokens[i], data("approve(address,uint256)", addressWord(x.router.Address), most))
	}
	for i := range pools {
		x.call(deployer, x.router, packed(t, "addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)",
			x.tokens[i].Address, x.tokens[i+1].Address, big.NewInt(1e18), big.NewInt(1e18), new(big.Int), new(big.Int), deployer, always))
	}
	return x
}

// swap trades in a pool, in one direction or the other.
func (x *exchange) swap(trader, pool int, back bool) transaction {
	from, to := x.tokens[pool], x.tokens[pool+1]
	if back {
		from, to = to, from
	}
	who := account(trader)
	x.call(deployer, from, data("transfer(address,uint256)", addressWord(who), word(1_000_000)))
	x.call(who, from, data("approve(address,uint256)", addressWord(x.router.Address), most))
	return x.call(who, x.router, packed(x.t, swapSignature, big.NewInt(int64(10_000+trader)), big.NewInt(1), []common.Address{from.Address, to.Address}, who, new(big.Int).Add(always, big.NewInt(int64(trader)))))
}

// TestStaticExchange: what calls other contracts is left to learning.
func TestStaticExchange(t *testing.T) {
	x, p := newExchange(t, 1), New(Static)
	checkUnknown(t, p, x.swap(0, 0, false))
	// The pool is also a token.
	one, other := addressWord(x.tokens[0].Address), addressWord(x.tokens[1].Address)
	pool := x.target(common.BytesToAddress(x.state.GetState(x.factory.Address, mapping(one, mapping(other, word(2)))).Bytes()))
	x.call(deployer, pool, data(transferSelector, addressWord(alice), word(1000)))
	for _, tx := range tokenCalls(x.world, pool) {
		checkExact(t, p, tx)
	}
	checkExact(t, p, x.call(alice, pool, data("MINIMUM_LIQUIDITY()"))) // touches nothing
	checkUnknown(t, p, x.call(alice, pool, data("sync()")))
}

// TestLearnPools: swaps through a router are told apart by their tokens, though
// nobody knows where the pools are.
func TestLearnPools(t *testing.T) {
	const pools = 20
	x, p := newExchange(t, pools), New(Static|Learned)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		p.see(x.swap(i, rng.IntN(pools), rng.IntN(2) == 0))
	}
	t.Logf("%+v", p.Stats().Learned)
	byPool := make([][][]Key, pools)
	for i := range 200 {
		pool := rng.IntN(pools)
		tx := x.swap(10_000+i, pool, rng.IntN(2) == 0)
		keys, ok := p.Keys(nil, tx.Tx, tx.to)
		if !ok {
			t.Fatal("nothing is predicted")
		}
		got, _ := p.Slots(nil, tx.Tx, tx.to)
		for _, a := range got {
			if find(distinct(tx.touched), &a) == nil {
				t.Errorf("predicted %v, which is not touched", a)
			}
		}
		byPool[pool] = append(byPool[pool], keys)
		if i < 2 {
			t.Log(len(keys), len(got), len(slots(tx.touched)))
		}
	}
	share := func(a, b []Key) bool {
		return slices.ContainsFunc(a, func(k Key) bool { return k.Write && slices.Contains(b, k) })
	}
	var same, apart, together, mixed int
	for pool, of := range byPool {
		for i, a := range of {
			for _, b := range of[:i] {
				same++
				if share(a, b) {
					together++
				}
			}
			for _, others := range byPool[:pool] {
				for _, b := range others {
					apart++
					if share(a, b) {
						mixed++
					}
				}
			}
		}
	}
	t.Logf("%d of %d pairs of swaps in the same pool share a key, and %d of %d in different ones", together, same, mixed, apart)
	if together != same || mixed > 0 {
		t.Error("the pools are not told apart")
	}
}
