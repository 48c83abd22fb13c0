package bgppeer

import (
	"net/netip"
	"testing"
	"time"
)

func TestBFD(t *testing.T) {
	a, b := netip.MustParseAddr("127.3.7.1"), netip.MustParseAddr("127.3.7.2")
	start := func(addr, far netip.Addr) *BFD {
		s, err := StartBFD(addr, far, 20*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	waits, calls := start(a, netip.Addr{}), start(b, a)
	both := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); calls.Up() != want || waits.Up() != want; {
			if time.Now().After(deadline) {
				t.Fatalf("up: %v and %v, want %v", calls.Up(), waits.Up(), want)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	both(true)
	waits.Silence()
	both(false)
	waits.Resume()
	both(true)
}

// FuzzBFD: whatever comes, an answer is a control packet.
func FuzzBFD(f *testing.F) {
	f.Add(make([]byte, 24))
	f.Add((&BFD{state: bfdUp, every: time.Second}).packet(true))
	f.Fuzz(func(t *testing.T, p []byte) {
		b := &BFD{state: bfdDown, every: time.Second}
		if isBFD(p) {
			b.take(p)
		}
		if got := b.packet(false); len(got) != 24 || got[1]>>6 > bfdUp {
			t.Errorf("answered % x", got)
		}
	})
}
