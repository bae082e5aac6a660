// Package wallet derives the accounts of a development chain from a mnemonic, as
// wallets and anvil do: BIP-39 seed, BIP-32 tree, path m/44'/60'/0'/0/i.
package wallet

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// DefaultMnemonic is the phrase that every Ethereum development tool knows. Its
// keys are public: never use them where value is at stake.
const DefaultMnemonic = "test test test test test test test test test test test junk"

// hardened marks BIP-32 indexes whose children cannot be derived publicly.
const hardened = 1 << 31

// Account is a key and its address.
type Account struct {
	Key     *ecdsa.PrivateKey
	Address common.Address
}

// Derive returns the first n accounts of the mnemonic. Words are separated by
// any white space; the checksum is not verified, as anvil does not either.
func Derive(mnemonic string, n int) ([]Account, error) {
	words := strings.Fields(mnemonic)
	if len(words) < 12 || len(words)%3 != 0 || len(words) > 24 {
		return nil, fmt.Errorf("mnemonic has %d words: 12, 15, 18, 21 or 24 are valid", len(words))
	}
	seed, err := pbkdf2.Key(sha512.New, strings.Join(words, " "), []byte("mnemonic"), 2048, 64)
	if err != nil {
		return nil, fmt.Errorf("derive seed: %w", err)
	}
	node, err := master(seed)
	if err != nil {
		return nil, err
	}
	for _, index := range []uint32{44 | hardened, 60 | hardened, 0 | hardened, 0} {
		if node, err = node.child(index); err != nil {
			return nil, err
		}
	}
	accounts := make([]Account, n)
	for i := range accounts {
		leaf, err := node.child(uint32(i))
		if err != nil {
			return nil, err
		}
		keyBytes := leaf.key.Bytes()
		key, err := crypto.ToECDSA(keyBytes[:])
		if err != nil {
			return nil, fmt.Errorf("account %d: %w", i, err)
		}
		accounts[i] = Account{Key: key, Address: crypto.PubkeyToAddress(key.PublicKey)}
	}
	return accounts, nil
}

// extended is a private node of a BIP-32 tree.
type extended struct {
	key   secp256k1.ModNScalar
	chain [32]byte
}

// errInvalidKey: BIP-32 declares a tiny fraction of nodes invalid; a mnemonic
// that meets one is refused rather than silently shifted by one index.
var errInvalidKey = errors.New("mnemonic leads to an invalid BIP-32 node")

func master(seed []byte) (extended, error) {
	return split(hmacSHA512([]byte("Bitcoin seed"), seed), new(secp256k1.ModNScalar))
}

func (e extended) child(index uint32) (extended, error) {
	var payload []byte
	key := e.key.Bytes()
	if index >= hardened {
		payload = append([]byte{0}, key[:]...)
	} else {
		payload = secp256k1.NewPrivateKey(&e.key).PubKey().SerializeCompressed()
	}
	return split(hmacSHA512(e.chain[:], binary.BigEndian.AppendUint32(payload, index)), &e.key)
}

// split makes a node of an HMAC: left half plus the parent's key, right half as
// chain code.
func split(sum []byte, parent *secp256k1.ModNScalar) (extended, error) {
	var e extended
	if overflow := e.key.SetByteSlice(sum[:32]); overflow {
		return extended{}, errInvalidKey
	}
	if e.key.Add(parent); e.key.IsZero() {
		return extended{}, errInvalidKey
	}
	copy(e.chain[:], sum[32:])
	return e, nil
}

func hmacSHA512(key, payload []byte) []byte {
	mac := hmac.New(sha512.New, key)
	mac.Write(payload)
	return mac.Sum(nil)
}
