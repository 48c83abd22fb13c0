package bfd

import (
	"crypto/sha1" // RFC 5880 §6.7.4 knows no other
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// Key signs the packets of a session with keyed SHA1 (RFC 5880 §6.7.4).
type Key struct {
	ID     uint8
	Secret string // up to 20 bytes
	// Meticulous: each sequence number is taken once only.
	Meticulous bool
}

// The authentication section (RFC 5880 §4.4): type, length, key ID, a reserved
// byte, sequence number, hash.
const (
	typeKeyedSHA1      = 4
	typeMeticulousSHA1 = 5
	sha1Len            = 8 + sha1.Size
)

func (k *Key) authType() byte {
	if k.Meticulous {
		return typeMeticulousSHA1
	}
	return typeKeyedSHA1
}

// sign appends the section to the packet that begins at start.
func (k *Key) sign(b []byte, start int, seq uint32) []byte {
	b = append(b, k.authType(), sha1Len, k.ID, 0)
	b = binary.BigEndian.AppendUint32(b, seq)
	hash := k.hash(b[start:])
	return append(b, hash[:]...)
}

// verify checks the section of a whole packet, and gives its sequence number.
func (k *Key) verify(b []byte) (uint32, error) {
	s := b[headerLen:]
	switch {
	case len(s) != sha1Len || s[1] != sha1Len:
		return 0, errors.New("its authentication section has not the length of one with SHA1")
	case s[0] != k.authType():
		return 0, fmt.Errorf("its authentication is of type %d, the config says type %d", s[0], k.authType())
	case s[2] != k.ID:
		return 0, fmt.Errorf("its key ID is %d, the config says %d", s[2], k.ID)
	}
	split := len(b) - sha1.Size
	want := k.hash(b[:split])
	if subtle.ConstantTimeCompare(want[:], b[split:]) != 1 {
		return 0, errors.New("its hash is wrong: check the key")
	}
	return binary.BigEndian.Uint32(s[4:]), nil
}

// hash is over the packet with the secret in place of the hash.
func (k *Key) hash(packet []byte) [sha1.Size]byte {
	var secret [sha1.Size]byte
	copy(secret[:], k.Secret)
	return sha1.Sum(append(append(make([]byte, 0, maxLen), packet...), secret[:]...))
}

// follows tells whether a sequence number is one that can come after last,
// where up to 3 times multiplier packets may be lost (RFC 5880 §6.7.4).
func (k *Key) follows(seq, last uint32, multiplier uint8) bool {
	ahead := seq - last // circular
	if k.Meticulous && ahead == 0 {
		return false
	}
	return ahead <= 3*uint32(multiplier)
}
