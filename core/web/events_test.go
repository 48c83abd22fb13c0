package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// reader is a browser that notes when it got what.
type reader struct {
	http.ResponseWriter
	began  time.Time
	got    []string // "MS EVENT"
	data   bytes.Buffer
	broken atomic.Bool
}

func (r *reader) Write(p []byte) (int, error) {
	if r.broken.Load() {
		return 0, errors.New("the reader is gone")
	}
	event, _, _ := strings.Cut(strings.TrimPrefix(string(p), "event: "), "\n")
	r.got = append(r.got, fmt.Sprintf("%d %s", time.Since(r.began).Milliseconds(), event))
	return r.data.Write(p)
}
func (r *reader) Flush()                           {}
func (r *reader) SetWriteDeadline(time.Time) error { return nil }
func (r *reader) SetReadDeadline(time.Time) error  { return nil }

// read has a reader watch s until stop is called.
func read(s *Server) (r *reader, stop func()) {
	r = &reader{ResponseWriter: httptest.NewRecorder(), began: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	req := httptest.NewRequest("GET", "/v1/events", nil).WithContext(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); s.events(r, req) }()
	return r, func() { cancel(); <-ended }
}

func TestEventsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(t, many(1))
		r, stop := read(d.server())
		time.Sleep(1300 * time.Millisecond)
		d.publish(func(s *status.Status) { s.Generation = 2 }) // at once
		time.Sleep(time.Second)
		for i := range 50 { // every 10 ms
			d.publish(func(s *status.Status) { s.Generation = 3 + i })
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(3 * time.Second) // silence, but for the heartbeat
		stop()
		want := []string{"0 beat", "0 status", "1300 status", "2300 status", "2500 status", "2700 status", "2900 status", "5000 beat"}
		if diff := cmp.Diff(want, r.got); diff != "" {
			t.Errorf("when what was sent (-want +got):\n%s", diff)
		}
		if last := r.data.String(); !strings.Contains(last, `"generation":52,`) {
			t.Error("the last snapshot was not sent")
		}
	})
}

// TestEventsTellHistory: once each, also what comes a moment after the snapshot.
func TestEventsTellHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(t, many(1))
		d.history.Append([]history.Event{{Why: "first"}})
		r, stop := read(d.server())
		time.Sleep(1300 * time.Millisecond)
		d.publish(func(s *status.Status) { s.Generation = 2 })
		time.Sleep(50 * time.Millisecond)
		d.history.Append([]history.Event{{Why: "second"}})
		time.Sleep(time.Second)
		stop()
		want := []string{"0 beat", "0 status", "0 history", "1300 status", "1500 history"}
		if diff := cmp.Diff(want, r.got); diff != "" {
			t.Errorf("when what was sent (-want +got):\n%s", diff)
		}
		if n := strings.Count(r.data.String(), `"first"`); n != 1 {
			t.Errorf("the first event was sent %d times", n)
		}
	})
}

// TestEventsTellResults: those of checks make no snapshot.
func TestEventsTellResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(t, many(1))
		r, stop := read(d.server())
		time.Sleep(1300 * time.Millisecond)
		d.mu.Lock()
		fresh := *d.status
		fresh.Checks = []status.Check{{Recent: "+++-"}}
		d.status = &fresh
		d.mu.Unlock()
		time.Sleep(time.Second)
		stop()
		if diff := cmp.Diff([]string{"0 beat", "0 status", "2000 status"}, r.got); diff != "" {
			t.Errorf("when what was sent (-want +got):\n%s", diff)
		}
	})
}

func TestEventsAreFewPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDaemon(t, many(1)).server()
		var stops []func()
		for range maxStreams {
			_, stop := read(s)
			stops = append(stops, stop)
		}
		synctest.Wait()
		refused := httptest.NewRecorder()
		s.events(refused, httptest.NewRequest("GET", "/v1/events", nil))
		if refused.Code != http.StatusServiceUnavailable || refused.Header().Get("Retry-After") == "" {
			t.Errorf("one too many got %d", refused.Code)
		}
		stops[0]()
		r, stop := read(s)
		synctest.Wait()
		if len(r.got) == 0 {
			t.Error("a place that was left is not given on")
		}
		for _, f := range append(stops[1:], stop) {
			f()
		}
	})
}

// TestEventsEndWithReader: one that takes nothing any more does not hold its place.
func TestEventsEndWithReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon(t, many(1))
		s := d.server()
		r, stop := read(s)
		defer stop()
		synctest.Wait()
		r.broken.Store(true)
		time.Sleep(heartbeat + time.Second)
		if len(s.streams) != 0 {
			t.Error("it still has its place")
		}
	})
}
