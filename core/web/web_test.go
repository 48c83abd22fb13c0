package web

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

func get(h http.Handler, method, target, host, local string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = host
	own := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(own)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	d := newDaemon(t, many(1))
	d.history.Append([]history.Event{{Object: "vip web000"}})
	h := d.server().handler(t.Context())
	const home = "127.0.0.1:9600"
	tests := []struct {
		method, path, host, local string
		code                      int
		body                      string
	}{
		{"GET", "/", home, home, 200, "<title>Stentor</title>"},
		{"GET", "/healthz", home, home, 200, "ok"},
		{"GET", "/v1/status", home, home, 200, `"web000"`},
		{"HEAD", "/v1/status", home, home, 200, ""},
		{"HEAD", "/v1/events", home, home, 200, ""},
		{"GET", "/metrics", home, home, 200, "stentor_up 1"},
		{"GET", "/v1/history?last=1", home, home, 200, `"vip web000"`},
		{"GET", "/v1/history?follow=true", home, home, 400, "/v1/events"},
		{"GET", "/nosuch", home, home, 404, ""},
		{"GET", "/v1/diff", home, home, 404, ""},
		{"POST", "/v1/drain", home, home, 404, ""},
		{"POST", "/", home, home, 405, ""},
		{"POST", "/v1/status", home, home, 405, ""},
		{"DELETE", "/v1/events", home, home, 405, ""},
		// Whoever is here has these names, and any port where ssh -L forwards.
		{"GET", "/healthz", "localhost", home, 200, ""},
		{"GET", "/healthz", "LOCALHOST:1234", home, 200, ""},
		{"GET", "/healthz", "[::1]:9600", "[::1]:9600", 200, ""},
		{"GET", "/healthz", "[::1]", "[::1]:9600", 200, ""},
		// A page of somebody's whose name resolves to us has another.
		{"GET", "/v1/status", "evil.example", home, 403, "this host alone"},
		{"GET", "/v1/status", "evil.example:9600", "[::1]:9600", 403, ""},
		{"GET", "/v1/status", "localhost.evil.example", home, 403, ""},
		{"GET", "/v1/status", "192.0.2.7", home, 403, ""},
		{"GET", "/v1/status", "", home, 403, ""},
		{"GET", "/healthz", "lb.example.net", "192.0.2.7:9600", 200, ""},
	}
	for _, tt := range tests {
		w := get(h, tt.method, tt.path, tt.host, tt.local)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s %s of %q: %d %.100q, want %d and %q", tt.method, tt.path, tt.host, w.Code, w.Body, tt.code, tt.body)
		}
		if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; ") || strings.Contains(p, "unsafe") {
			t.Errorf("%s %s: policy %q", tt.method, tt.path, p)
		}
	}
	d.status = nil
	for _, path := range []string{"/healthz", "/v1/status"} {
		if w := get(h, "GET", path, home, home); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s before the first snapshot: %d", path, w.Code)
		}
	}
}

// TestPageIsWhole: nothing in it is left to be fetched, and it is small.
func TestPageIsWhole(t *testing.T) {
	html := string(newPage().html)
	if len(html) > 40_000 {
		t.Errorf("the page has %d bytes", len(html))
	}
	for _, bad := range []string{"/*STYLE*/", "/*SCRIPT*/", "innerHTML", "https://", "@import", "url(", " style=", " onclick="} {
		if strings.Contains(html, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
}

// TestListen moves the listener about: a port that is taken is a problem and
// is taken over when it is free, and another address replaces the one before.
func TestListen(t *testing.T) {
	d := newDaemon(t, many(1))
	s := d.server()
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(ended); s.Run(ctx) }()
	answers := func(addr netip.AddrPort) bool {
		resp, err := http.Get("http://" + addr.String() + "/healthz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	first, second := reserve(t), reserve(t)
	one, two := addrOf(first), addrOf(second)
	s.Listen(one)
	eventually(t, "the port is taken", func() bool { return s.Problem() != nil })
	if p := s.Problem(); p.Object != "http" || !strings.Contains(p.Message, "address already in use") || !strings.Contains(p.Hint, "ss -ltnp") {
		t.Errorf("%+v", p)
	}
	first.Close()
	eventually(t, "it is taken over", func() bool { return answers(one) && s.Problem() == nil })
	s.Listen(two)
	eventually(t, "the other is taken", func() bool { return s.Problem() != nil && !answers(one) })
	if p := s.Problem(); !strings.Contains(p.Message, two.String()) {
		t.Errorf("%+v", p)
	}
	second.Close()
	s.Listen(netip.AddrPort{})
	eventually(t, "nothing is wanted, and nothing wrong", func() bool { return s.Problem() == nil && !answers(two) })
	s.Listen(two)
	eventually(t, "it answers", func() bool { return answers(two) })
	cancel()
	<-ended
	if answers(two) {
		t.Error("it answers after its end")
	}
}

// reserve takes a port of an address that nobody else uses: while the port is
// free for a moment, the kernel gives it to no connection of another test.
func reserve(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.96.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func addrOf(l net.Listener) netip.AddrPort { return l.Addr().(*net.TCPAddr).AddrPort() }

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !poll(ok) {
		t.Fatalf("not so after %s: %s", patience, what)
	}
}

// TestSameAsSocket: a script finds the same bytes here and there.
func TestSameAsSocket(t *testing.T) {
	d := newDaemon(t, &status.Status{Version: "<&>"})
	w := get(d.server().handler(t.Context()), "GET", "/v1/status", "localhost", "127.0.0.1:9600")
	if body := w.Body.String(); !strings.HasPrefix(body, "{\n  \"version\": \"<&>\",\n") {
		t.Errorf("%.60q", body)
	}
}
