package plugins

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseCommunity reads ASN:VALUE, both of 16 bits.
func ParseCommunity(s string) (Community, error) {
	parts, err := uints(s, 2, 16)
	if err != nil {
		return 0, fmt.Errorf("community %q: %w", s, err)
	}
	return Community(parts[0]<<16 | parts[1]), nil
}

// String writes ASN:VALUE.
func (c Community) String() string { return fmt.Sprintf("%d:%d", c>>16, c&0xffff) }

// ParseLargeCommunity reads GLOBAL:LOCAL1:LOCAL2, each of 32 bits.
func ParseLargeCommunity(s string) (LargeCommunity, error) {
	parts, err := uints(s, 3, 32)
	if err != nil {
		return LargeCommunity{}, fmt.Errorf("large community %q: %w", s, err)
	}
	return LargeCommunity{parts[0], parts[1], parts[2]}, nil
}

// String writes GLOBAL:LOCAL1:LOCAL2.
func (l LargeCommunity) String() string {
	return fmt.Sprintf("%d:%d:%d", l.Global, l.Local1, l.Local2)
}

// uints reads n decimal numbers of at most bits bits, parted by colons.
func uints(s string, n, bits int) ([]uint32, error) {
	fields := strings.Split(s, ":")
	if len(fields) != n {
		return nil, fmt.Errorf("want %d numbers parted by colons", n)
	}
	out := make([]uint32, n)
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, bits)
		if err != nil {
			return nil, fmt.Errorf("%q is no number from 0 to %d", f, uint64(1)<<bits-1)
		}
		out[i] = uint32(v)
	}
	return out, nil
}
