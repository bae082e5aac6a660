package execbench

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/holiman/uint256"
)

// What an adversary can send, beside bombs and invalid transactions. Where there are
// circled of something, every one of them is met again as soon as that.
const (
	circled       = 48
	coinbaseGas   = 26_000 // about what each of these uses
	incrementGas  = 26_000
	churnGas      = 90_000
	delegationGas = 45_000
	cappedEvery   = 100_000_000 // gas of others to one transaction with all gas that it may have
)

// lookalike differs from the others of its kind in a few bits at the end, behind what a
// table might go by.
func lookalike(i int) (a common.Address) {
	a[0] = 0xee
	binary.BigEndian.PutUint32(a[16:], uint32(i)<<6) //nolint:gosec // few
	return a
}

func lookalikes(i, _ int) (from, to common.Address) { return lookalike(2 * i), lookalike(2*i + 1) }

// coinbaseReaders note down what the coinbase owns, to which each transaction adds.
func coinbaseReaders(s *scenario) error {
	reader := address("coinbase reader", 0)
	storage := s.deploy(reader, common.FromHex("4131335500")).Storage // slot[caller] = balance(coinbase)
	for i := range int(s.gas / coinbaseGas) {
		from := s.fund(address("from", i))
		storage[addressWord(from)] = word(1)
		s.add(call{from: from, to: reader, gas: 3 * coinbaseGas})
	}
	return nil
}

// lateReaders count at some slots in turn. Amid them, transactions with all the gas that
// one may have (EIP-7825) compute for long and read all of these slots in the end.
func lateReaders(s *scenario) error {
	counters := address("counters", 0)
	storage := s.deploy(counters, common.FromHex(
		"3615600f57"+ // without calldata go on at 15
			"5f35546001015f355500"+ // slot[calldata]++
			"5b6120005f5f5e"+"5a62030d4010"+"600f57"+ // copy 8192 bytes while more than 200000 gas is left
			"6030"+"5b60019003"+"805450"+"80602157"+"00")).Storage // read slots 47 to 0
	for i := range circled {
		storage[word(uint64(i))] = word(1) //nolint:gosec // few
	}
	const every = cappedEvery / incrementGas
	for i := range int(s.gas / incrementGas) {
		if i%every == every/2 {
			s.add(call{from: s.fund(address("capped", i)), to: counters, gas: params.MaxTxGas})
		}
		s.add(call{from: s.fund(address("from", i)), to: counters, gas: 3 * incrementGas, data: word(uint64(i % circled)).Bytes()}) //nolint:gosec // few
	}
	return nil
}

// churn creates the same contracts again and again, each of which writes its storage and
// destroys itself.
func churn(s *scenario) error {
	factory := common.FromHex("65" + "60015f5533ff" + "5f52" + "5f6006601a5ff5" + "601457fe" + "5b00")
	for i := range circled {
		s.deploy(address("factory", i), factory)
	}
	for i := range int(s.gas / churnGas) {
		s.add(call{from: s.fund(address("from", i)), to: address("factory", i%circled), gas: 3 * churnGas})
	}
	return nil
}

// delegations change in turn what some accounts delegate to (EIP-7702), in transactions
// that call one whose delegation has just been changed.
func delegations(s *scenario) error {
	to := [2]common.Address{address("delegate", 0), address("delegate", 1)}
	s.deploy(to[0], common.FromHex("5f546001015f5500"))     // slot[0]++
	s.deploy(to[1], common.FromHex("60015460020160015500")) // slot[1] += 2
	for i := range int(s.gas / delegationGas) {
		key, err := crypto.ToECDSA(crypto.Keccak256(address("authority", i%circled).Bytes()))
		if err != nil {
			return err
		}
		authority := s.fund(crypto.PubkeyToAddress(key.PublicKey))
		auth, err := types.SignSetCode(key, types.SetCodeAuthorization{
			ChainID: *uint256.NewInt(chainID), Address: to[i/circled%2], Nonce: uint64(i / circled), //nolint:gosec // few
		})
		if err != nil {
			return err
		}
		s.add(call{
			from: s.fund(address("from", i)), to: authority, gas: 4 * delegationGas,
			authorities: []types.SetCodeAuthorization{auth},
		})
	}
	return nil
}
