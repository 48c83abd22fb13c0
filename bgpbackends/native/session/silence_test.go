package session

import (
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/native/wire"
	"github.com/stentor-net/stentor/plugins"
)

// TestHoldTime: a session lasts for as long as the peer says something within
// the Hold Time, and ends that long after its last word (RFC 4271 §6.5).
func TestHoldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const words, every = 20, 8 * time.Second // of 9 s
		var dials atomic.Int64
		var last time.Time
		told := make(chan time.Time, 1)
		s := start(config("rs"), nil, dialTo(&dials, func(conn net.Conn) {
			if dials.Load() > 1 {
				swallow(conn)
				return
			}
			go func() {
				in := wire.NewReader(conn)
				for {
					kind, _, err := in.Next()
					if err != nil {
						return
					}
					if kind == wire.TypeNotification {
						told <- time.Now()
						return
					}
				}
			}()
			_, _ = conn.Write(greeting())
			for range words {
				last = time.Now()
				time.Sleep(every)
				_, _ = conn.Write(wire.AppendKeepalive(nil))
			}
			last = time.Now()
		}))
		defer s.Abandon()
		synctest.Wait()
		time.Sleep(words * every)
		synctest.Wait()
		if v := s.View(); v.State != plugins.StateEstablished {
			t.Fatalf("with a peer that speaks each %s: %s, %s", every, v.State, v.LastError)
		}
		if after := (<-told).Sub(last); after != 9*time.Second {
			t.Errorf("told of the end %s after the peer's last word", after)
		}
		synctest.Wait()
		if v := s.View(); !strings.Contains(v.LastError, "Hold Time of 9s") {
			t.Errorf("the reason is %q", v.LastError)
		}
	})
}

// TestSilenceEndsLatest: what was heard earlier, and noted later, counts for less.
func TestSilenceEndsLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := silence{start: time.Now()}
		time.Sleep(time.Minute)
		for _, x := range []struct{ ago, want time.Duration }{
			{math.MaxInt64, time.Minute}, {30 * time.Second, 30 * time.Second}, {40 * time.Second, 30 * time.Second}, {0, 0}, {time.Second, 0},
		} {
			if s.end(x.ago); s.length() != x.want {
				t.Errorf("ended %s ago: silent for %s, want %s", x.ago, s.length(), x.want)
			}
		}
	})
}
