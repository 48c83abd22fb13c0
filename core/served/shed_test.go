package served

import (
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestShed: the program's own code is given back, and comes back by itself, part
// by part.
func TestShed(t *testing.T) {
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	program, err := mapped(maps)
	if err != nil {
		t.Fatal(err)
	}
	code := reflect.ValueOf(mapped).Pointer()
	if !slices.ContainsFunc(program, func(s span) bool { return s.from <= code && code < s.to }) {
		t.Errorf("%x, where this code is, is not among %x", code, program)
	}
	var data int
	if at := reflect.ValueOf(&data).Pointer(); slices.ContainsFunc(program, func(s span) bool { return s.from <= at && at < s.to }) {
		t.Errorf("%x, which can be written to, is among %x", at, program)
	}
	if err := drop(program); err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	parts, err := mapped(maps)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range parts {
		if s.to-s.from > apart {
			t.Errorf("%x-%x is one mapping", s.from, s.to)
		}
	}
}

func TestMapped(t *testing.T) {
	const text = `00400000-009e6000 r-xp 00000000 fe:00 10248462                           /usr/libexec/stentor/stentor-native
009e6000-010c0000 r--p 005e6000 fe:00 10248462                           /usr/libexec/stentor/a name
010c0000-01130000 rw-p 00cc0000 fe:00 10248462                           /usr/libexec/stentor/stentor-native
7f8bed0b0000-7f8bed0b2000 r-xp 00000000 00:00 0                          [vdso]
7f8bed0b4000-7f8bed0b8000 r--p 00000000 00:00 0
`
	got, err := mapped(strings.NewReader(text))
	if want := []span{{0x400000, 0x9e6000}, {0x9e6000, 0x10c0000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
	if _, err := mapped(strings.NewReader("rubbish\n")); err == nil {
		t.Error("no error for rubbish")
	}
}
