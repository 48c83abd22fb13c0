package wire

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Text is s with U+FFFD for what is not UTF-8, which a protobuf string must be:
// the output of commands and file names need not.
func Text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Texts is Text of each.
func Texts(all []string) []string { return Map(all, Text) }

// Map is f of each; nil for none.
func Map[A, B any](all []A, f func(A) B) []B {
	if len(all) == 0 {
		return nil
	}
	out := make([]B, len(all))
	for i, a := range all {
		out[i] = f(a)
	}
	return out
}

// Addr writes an address, and "" for none.
func Addr(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Prefix writes a prefix, and "" for none.
func Prefix(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

// Uint8 reads a number of one byte.
func (r *Reader) Uint8(what string, n uint32) uint8 {
	if n > math.MaxUint8 {
		r.Fail(what, fmt.Errorf("%d is above %d", n, math.MaxUint8))
	}
	return uint8(n)
}

// Duration leaves 0 out.
func Duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// Time leaves the zero time out.
func Time(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// Uint32 is n, or what of it the wire can hold.
func Uint32(n int) uint32 { return uint32(min(max(int64(n), 0), math.MaxUint32)) }

// Reader reads values from the other side, and keeps the first error.
type Reader struct{ err error }

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// Fail notes that what is not as it must be.
func (r *Reader) Fail(what string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, err)
	}
}

// Addr reads an address.
func (r *Reader) Addr(what, s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		r.Fail(what, err)
	}
	return a
}

// Prefix reads a prefix.
func (r *Reader) Prefix(what, s string) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		r.Fail(what, err)
	}
	return p
}

// Duration reads a time span.
func (r *Reader) Duration(what string, d *durationpb.Duration) time.Duration {
	if d == nil {
		return 0
	}
	if err := d.CheckValid(); err != nil {
		r.Fail(what, err)
	}
	return d.AsDuration()
}

// Time reads a point in time, as this host's clock shows it.
func (r *Reader) Time(what string, t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	if err := t.CheckValid(); err != nil {
		r.Fail(what, err)
	}
	return t.AsTime().Local()
}
