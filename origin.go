package motet

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Origin is the L1 block that an L2 block builds on. Its hash becomes the
// block's parentBeaconBlockRoot (EIP-4788), its prevRandao the block's mixHash.
type Origin struct {
	Number     uint64
	Hash       common.Hash
	Time       uint64 // seconds
	PrevRandao common.Hash
}

// ExtraVersion is the first byte of a Motet header's extraData.
const ExtraVersion = 1

// ExtraData encodes the header field extraData: version (1 byte), number of the
// L1 origin (8 bytes, big-endian).
func ExtraData(originNumber uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{ExtraVersion}, originNumber)
}

// ParseExtraData returns the origin number that extraData names.
func ParseExtraData(extra []byte) (originNumber uint64, err error) {
	if len(extra) != 9 || extra[0] != ExtraVersion {
		return 0, fmt.Errorf("extraData %#x is not of Motet's form (version %d, origin number)", extra, ExtraVersion)
	}
	return binary.BigEndian.Uint64(extra[1:]), nil
}
