package history

import (
	"bytes"
	"testing"
)

// FuzzDecode feeds a damaged file: reading ends, and what it calls sound reads
// the same again, so that cutting off the rest loses nothing.
func FuzzDecode(f *testing.F) {
	lines, _, err := encode([]Event{{Seq: 1, Object: "vip web", To: "announced"}, {Seq: 2, Object: "peer rs1", From: "idle", Why: "é"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(lines)
	f.Add(lines[:len(lines)-5])
	f.Add(append(bytes.Repeat([]byte{'x'}, 2*maxLine), lines...))
	f.Add([]byte("{}\n\n{\"seq\":18446744073709551615,\"object\":\"x\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var events []Event
		sound, err := decode(bytes.NewReader(data), func(e Event) bool { events = append(events, e); return true })
		if err != nil || sound > int64(len(data)) {
			t.Fatalf("sound up to %d of %d, %v", sound, len(data), err)
		}
		n := 0
		if again, err := decode(bytes.NewReader(data[:sound]), func(Event) bool { n++; return true }); err != nil || again != sound || n != len(events) {
			t.Fatalf("%d events up to %d; what is sound has %d up to %d (%v)", len(events), sound, n, again, err)
		}
	})
}
