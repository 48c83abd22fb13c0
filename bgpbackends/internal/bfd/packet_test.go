package bfd

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	keyed      = &Key{ID: 3, Secret: "s3cret"}
	meticulous = &Key{ID: 3, Secret: "s3cret", Meticulous: true}
)

func TestPacketBytes(t *testing.T) {
	p := Packet{
		Diag: DetectExpired, State: Up, Poll: true, Multiplier: 3, My: 0x01020304, Your: 0x0a0b0c0d,
		DesiredTX: 300 * time.Millisecond, RequiredRX: time.Second, RequiredEchoRX: 0,
	}
	want := "21e00318" + "01020304" + "0a0b0c0d" + "000493e0" + "000f4240" + "00000000"
	if got := hex.EncodeToString(p.Append(nil, nil)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		micros := rapid.Custom(func(r *rapid.T) time.Duration { return time.Duration(rapid.Uint32().Draw(r, "us")) * time.Microsecond })
		key := rapid.SampledFrom([]*Key{nil, keyed, meticulous}).Draw(r, "key")
		p := Packet{
			Diag: Diag(rapid.IntRange(0, 31).Draw(r, "diag")), State: State(rapid.IntRange(0, 3).Draw(r, "state")),
			Poll: rapid.Bool().Draw(r, "poll"), Final: rapid.Bool().Draw(r, "final"), Demand: rapid.Bool().Draw(r, "demand"),
			ControlPlaneIndependent: rapid.Bool().Draw(r, "independent"), Multiplier: rapid.Uint8Min(1).Draw(r, "multiplier"),
			My: rapid.Uint32Min(1).Draw(r, "my"), Your: rapid.Uint32Min(1).Draw(r, "your"),
			DesiredTX: micros.Draw(r, "tx"), RequiredRX: micros.Draw(r, "rx"), RequiredEchoRX: micros.Draw(r, "echo"),
		}
		if key != nil {
			p.Seq = rapid.Uint32().Draw(r, "seq")
		}
		b := p.Append([]byte("before"), key)[len("before"):]
		got, err := Decode(append(bytes.Clone(b), "padding"...), key)
		if err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(p, got); d != "" {
			r.Errorf("(-sent +read):\n%s", d)
		}
	})
}

func TestDiscarded(t *testing.T) {
	good := Packet{State: Up, Multiplier: 3, My: 1, Your: 2, DesiredTX: time.Second, RequiredRX: time.Second, Seq: 7}
	with := func(b []byte, at int, v ...byte) []byte {
		c := bytes.Clone(b)
		copy(c[at:], v)
		return c
	}
	plain, signed := good.Append(nil, nil), good.Append(nil, keyed)
	tests := map[string]struct {
		b    []byte
		key  *Key
		want string
	}{
		"short":                     {plain[:23], nil, "shorter"},
		"empty":                     {nil, nil, "shorter"},
		"version 0":                 {with(plain, 0, 0), nil, "version 0"},
		"length below a header":     {with(plain, 3, 23), nil, "23 bytes"},
		"length above the packet":   {with(plain, 3, 25), nil, "25 bytes"},
		"Detect Mult":               {with(plain, 2, 0), nil, "Detect Mult"},
		"multipoint":                {with(plain, 1, plain[1]|1), nil, "multipoint"},
		"my discriminator":          {with(plain, 4, 0, 0, 0, 0), nil, "My Discriminator"},
		"your discriminator":        {with(plain, 8, 0, 0, 0, 0), nil, "Your Discriminator"},
		"signed, no key":            {signed, nil, "no key"},
		"key, not signed":           {plain, keyed, "not authenticated"},
		"signed bit alone":          {with(plain, 1, plain[1]|4), keyed, "length"},
		"another key":               {signed, &Key{ID: 3, Secret: "other"}, "hash"},
		"another key ID":            {signed, &Key{ID: 4, Secret: "s3cret"}, "key ID"},
		"another type":              {signed, meticulous, "type 4"},
		"changed on the way":        {with(signed, 12, 1), keyed, "hash"},
		"sequence number changed":   {with(signed, headerLen+4, 9), keyed, "hash"},
		"length of the section":     {with(signed, headerLen+1, 27), keyed, "length"},
		"section cut off by length": {with(signed, 3, 30), keyed, "length"},
	}
	for name, tt := range tests {
		if _, err := Decode(tt.b, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	down := Packet{State: Down, Multiplier: 1, My: 1}
	if _, err := Decode(down.Append(nil, nil), nil); err != nil {
		t.Errorf("the first packet of a session: %v", err)
	}
}

func TestFollows(t *testing.T) {
	const last = 1<<32 - 2 // numbers are circular
	for ahead, want := range map[uint32][2]bool{0: {true, false}, 1: {true, true}, 9: {true, true}, 10: {false, false}, 1<<32 - 1: {false, false}} {
		if got := keyed.follows(last+ahead, last, 3); got != want[0] {
			t.Errorf("keyed, %d ahead: %v", ahead, got)
		}
		if got := meticulous.follows(last+ahead, last, 3); got != want[1] {
			t.Errorf("meticulous, %d ahead: %v", ahead, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	p := Packet{State: Init, Multiplier: 3, My: 1, Your: 2}
	f.Add(p.Append(nil, nil), false)
	f.Add(p.Append(nil, keyed), true)
	f.Fuzz(func(t *testing.T, b []byte, signed bool) {
		var key *Key
		if signed {
			key = keyed
		}
		p, err := Decode(b, key)
		if err != nil {
			return
		}
		again, err := Decode(p.Append(nil, key), key)
		if err != nil || again != p {
			t.Errorf("%+v, encoded and decoded: %+v, %v", p, again, err)
		}
	})
}
