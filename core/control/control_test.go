package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// fakeDaemon answers from memory.
type fakeDaemon struct {
	mu        sync.Mutex
	s         *status.Status
	news      chan struct{}
	err       error
	drains    []string
	failbacks [][]string
	log       *history.Log
}

func newFake(t *testing.T) *fakeDaemon {
	t.Helper()
	log := history.Open(history.Options{Dir: filepath.Join(t.TempDir(), "history"), Changed: func() {}, Log: slog.New(slog.DiscardHandler)})
	return &fakeDaemon{log: log, news: make(chan struct{}), s: &status.Status{Version: "1", Generation: 1, VIPs: []status.VIP{{Name: "web", State: status.Pending, Peers: 1}}}}
}

func (d *fakeDaemon) set(s *status.Status) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.s = s
	close(d.news)
	d.news = make(chan struct{})
}

func (d *fakeDaemon) Status() *status.Status { d.mu.Lock(); defer d.mu.Unlock(); return d.s }
func (d *fakeDaemon) Next() <-chan struct{}  { d.mu.Lock(); defer d.mu.Unlock(); return d.news }
func (d *fakeDaemon) Reload(context.Context) (Reloaded, error) {
	return Reloaded{Generation: 2, Warnings: []config.Finding{}}, d.err
}
func (d *fakeDaemon) Apply(_ context.Context, wait, trial time.Duration) (Applied, error) {
	return Applied{Generation: 3, Until: time.Unix(0, 0).Add(wait + trial)}, d.err
}
func (d *fakeDaemon) Confirm(context.Context) error      { return d.err }
func (d *fakeDaemon) Diff(context.Context) (Diff, error) { return Diff{}, d.err }
func (d *fakeDaemon) Drain(vips []string, until time.Time, reason string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drains = append(d.drains, strings.Join(vips, ",")+" "+reason)
	if until.IsZero() {
		d.drains = append(d.drains, "forever")
	}
	return d.err
}
func (d *fakeDaemon) Undrain([]string) error { return d.err }
func (d *fakeDaemon) Failback(_ context.Context, vips []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failbacks = append(d.failbacks, vips)
	return d.err
}
func (d *fakeDaemon) History() *history.Log { return d.log }
func (d *fakeDaemon) Metrics() http.Handler { return http.NotFoundHandler() }

// serve runs d behind a real socket.
func serve(t *testing.T, d Daemon) (*Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, l, d, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return NewClient(path), path
}

func TestStatusIsTheSnapshot(t *testing.T) {
	d := newFake(t)
	c, path := serve(t, d)
	raw, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := Encode(&want, d.s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(raw)); diff != "" {
		t.Error(diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o660 {
		t.Errorf("mode %o", mode)
	}
}

func TestConvergedWaits(t *testing.T) {
	d := newFake(t)
	c, _ := serve(t, d)
	got := make(chan []byte)
	go func() {
		raw, err := c.Converged(t.Context(), 2, time.Minute)
		if err != nil {
			t.Error(err)
		}
		got <- raw
	}()
	d.set(&status.Status{Generation: 1, Converged: true})
	d.set(&status.Status{Generation: 2})
	d.set(&status.Status{Generation: 2, Converged: true})
	var s status.Status
	if err := json.Unmarshal(<-got, &s); err != nil {
		t.Fatal(err)
	}
	if !s.Converged || s.Generation != 2 {
		t.Errorf("%+v", s)
	}
	if raw, err := c.Converged(t.Context(), 3, 0); err != nil || !strings.Contains(string(raw), `"generation": 2`) {
		t.Errorf("after the time is over: %s, %v", raw, err)
	}
}

func TestWatch(t *testing.T) {
	d := newFake(t)
	c, _ := serve(t, d)
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Watch(ctx, w) }()
	lines := json.NewDecoder(r)
	var e history.Event
	// The stream begins at some moment: change something until it is seen.
	seen := make(chan error)
	go func() { seen <- lines.Decode(&e) }()
	deadline := time.After(10 * time.Second)
	for {
		d.log.Append([]history.Event{{Object: "vip web", From: "announced", To: "withdrawn", Why: "because"}})
		select {
		case err := <-seen:
			if err != nil || e.Object != "vip web" || e.Why != "because" || e.Seq == 0 {
				t.Errorf("%+v, %v", e, err)
			}
			cancel()
			r.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			return
		case <-deadline:
			t.Fatal("no event")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestErrorsCross(t *testing.T) {
	finding := config.Finding{Pos: config.Pos{File: "/f", Line: 3, Col: 1}, Msg: "bad"}
	tests := map[string]struct {
		err  error
		want *Error
	}{
		"config": {&config.Invalid{Findings: []config.Finding{finding}},
			&Error{Kind: KindConfig, Message: "/f:3:1: bad", Findings: []config.Finding{finding}}},
		"refused": {&Error{Kind: KindRefused, Message: "no"}, &Error{Kind: KindRefused, Message: "no"}},
		"other":   {errors.New("disk full"), &Error{Kind: KindFailed, Message: "disk full"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFake(t)
			d.err = tt.err
			c, _ := serve(t, d)
			_, err := c.Reload(t.Context())
			var got *Error
			if !errors.As(err, &got) {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDrainRequests(t *testing.T) {
	tests := map[string]struct {
		body string
		code int
	}{
		"all":           {`{}`, 200},
		"one":           {`{"vips":["web"],"for":"1h","reason":"disk"}`, 200},
		"unknown key":   {`{"vip":["web"]}`, 422},
		"bad duration":  {`{"for":"90"}`, 422},
		"negative":      {`{"for":"-1h"}`, 422},
		"long reason":   {`{"reason":"` + strings.Repeat("x", maxReason+1) + `"}`, 422},
		"no JSON":       {`drain it`, 422},
		"too large":     {`{"reason":"` + strings.Repeat("x", maxBody) + `"}`, 422},
		"another value": {`[]`, 422},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newFake(t)
			w := httptest.NewRecorder()
			Handler(t.Context(), d).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/drain", strings.NewReader(tt.body)))
			if w.Code != tt.code {
				t.Errorf("code %d, want %d: %s", w.Code, tt.code, w.Body)
			}
			if (len(d.drains) > 0) != (tt.code == 200) {
				t.Errorf("drains %q", d.drains)
			}
		})
	}
}

func TestFailback(t *testing.T) {
	d := newFake(t)
	c, _ := serve(t, d)
	if err := c.Failback(t.Context(), FailbackRequest{VIPs: []string{"web"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"web"}}, d.failbacks); diff != "" {
		t.Error(diff)
	}
	d.err = &Error{Kind: KindConfig, Message: "no VIP is called \"web\""}
	if err := c.Failback(t.Context(), FailbackRequest{VIPs: []string{"web"}}); err == nil || err.Error() != d.err.Error() {
		t.Errorf("got %v", err)
	}
}

func TestApplyRequests(t *testing.T) {
	tests := map[string]struct {
		body string
		code int
	}{
		"for good":    {`{"wait":"30s"}`, 200},
		"on trial":    {`{"wait":"30s","confirm":"1m0s"}`, 200},
		"shortest":    {`{"wait":"0s","confirm":"5s"}`, 200},
		"longest":     {`{"wait":"0s","confirm":"1h0m0s"}`, 200},
		"no wait":     {`{}`, 422},
		"long wait":   {`{"wait":"61m"}`, 422},
		"too short":   {`{"wait":"30s","confirm":"4s"}`, 422},
		"too long":    {`{"wait":"30s","confirm":"3601s"}`, 422},
		"not whole":   {`{"wait":"30s","confirm":"5500ms"}`, 422},
		"no duration": {`{"wait":"30s","confirm":"60"}`, 422},
		"unknown key": {`{"wait":"30s","trial":"60s"}`, 422},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			Handler(t.Context(), newFake(t)).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/apply", strings.NewReader(tt.body)))
			if w.Code != tt.code {
				t.Errorf("code %d, want %d: %s", w.Code, tt.code, w.Body)
			}
		})
	}
	c, _ := serve(t, newFake(t))
	got, err := c.Apply(t.Context(), time.Second, time.Minute)
	if err != nil || got.Generation != 3 || !got.Until.Equal(time.Unix(61, 0)) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNobodyThere(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none.sock"), stale} {
		running, err := NewClient(path).Running(t.Context())
		if running || err != nil {
			t.Errorf("%s: running %v, %v", path, running, err)
		}
		var e *Error
		if _, err := NewClient(path).Status(t.Context()); !errors.As(err, &e) || e.Kind != KindRefused {
			t.Errorf("%s: %v", path, err)
		}
	}
	again, err := Listen(stale)
	if err != nil {
		t.Fatalf("a stale socket is in the way: %v", err)
	}
	again.Close()
}

func TestSecondListenerIsRefused(t *testing.T) {
	_, path := serve(t, newFake(t))
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another stentor") {
		t.Errorf("%v", err)
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("POST", "/v1/drain", `{"vips":["web"],"for":"1h"}`)
	f.Add("POST", "/v1/undrain", `{"vips":null}`)
	f.Add("GET", "/v1/status?converged=1&wait=1ms", "")
	f.Add("POST", "/v1/reload", "")
	f.Fuzz(func(t *testing.T, method, path, body string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no stream or wait outlives the request
		u := "http://stentor" + path
		r, err := http.NewRequestWithContext(ctx, method, u, strings.NewReader(body))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		Handler(ctx, newFake(t)).ServeHTTP(w, r)
		// Nothing at all is what a client gets that went away, as this one did.
		if w.Body.Len() > 0 && strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: no JSON: %q", method, path, w.Body)
		}
	})
}

// TestClientGivesUp: a daemon that hangs takes connections, and that is all.
func TestClientGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := NewClient(path)
	c.quick, c.slow = time.Millisecond, time.Millisecond
	calls := map[string]func() error{
		"status":    func() error { _, err := c.Status(t.Context()); return err },
		"running":   func() error { _, err := c.Running(t.Context()); return err },
		"converged": func() error { _, err := c.Converged(t.Context(), 1, time.Millisecond); return err },
		"diff":      func() error { _, err := c.Diff(t.Context()); return err },
		"reload":    func() error { _, err := c.Reload(t.Context()); return err },
		"drain":     func() error { return c.Drain(t.Context(), DrainRequest{}) },
		"undrain":   func() error { return c.Undrain(t.Context(), UndrainRequest{}) },
		"failback":  func() error { return c.Failback(t.Context(), FailbackRequest{}) },
	}
	for name, call := range calls {
		var e *Error
		if err := call(); !errors.As(err, &e) || e.Kind != KindRefused || !strings.Contains(e.Message, path+" does not answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
