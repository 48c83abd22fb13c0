package probe

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Host", "lb1")
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/odd":
			_, _ = io.WriteString(w, "  \x1b[31mlb\u202e2\xff\t\nmore")
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 10*maxPage))
		default:
			_, _ = io.WriteString(w, r.Host+" by "+r.UserAgent())
		}
	}))
	defer server.Close()
	port := netip.MustParseAddrPort(server.Listener.Addr().String()).Port()
	for _, tt := range []struct{ path, header, by, err string }{
		{"/", "", fmt.Sprintf("www.example.net:%d by stentor-probe", port), ""},
		{"/", "X-Host", "lb1", ""},
		{"/", "X-Other", "", ""},
		{"/moved", "X-Host", "lb1", ""}, // it has answered, and we don't go elsewhere
		{"/down", "X-Host", "", "status 503 Service Unavailable"},
		{"/odd", "", "[31mlb2", ""},
		{"/long", "", strings.Repeat("x", maxName) + "…", ""},
	} {
		p, err := NewHTTP(loopback, fmt.Sprintf("http://www.example.net:%d%s", port, tt.path), tt.header)
		if err != nil {
			t.Fatal(err)
		}
		by, err := p.Ask(t.Context())
		if got := fmt.Sprint(err); by != tt.by || err == nil && tt.err != "" || err != nil && got != tt.err {
			t.Errorf("%s %s: %q, %v; want %q, %q", tt.path, tt.header, by, err, tt.by, tt.err)
		}
	}
	server.Close()
	p, err := NewHTTP(loopback, server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Error(err)
	}
}

func TestNewHTTPRefuses(t *testing.T) {
	for _, target := range []string{"whoami", "ftp://example.net/", "http://", "http://example.net:99999/", "://"} {
		if _, err := NewHTTP(loopback, target, ""); err == nil {
			t.Errorf("%q is taken", target)
		}
	}
	for target, want := range map[string]string{"/whoami": "http://[2001:db8::1]/whoami", "https://example.net": "https://example.net"} {
		if p, err := NewHTTP(netip.MustParseAddr("2001:db8::1"), target, ""); err != nil || p.url != want {
			t.Errorf("%q: %v %v", target, p, err)
		}
	}
}

func TestTCP(t *testing.T) {
	server := httptest.NewServer(nil)
	addr := netip.MustParseAddrPort(server.Listener.Addr().String())
	if _, err := (TCP{addr}).Ask(t.Context()); err != nil {
		t.Error(err)
	}
	server.Close()
	if _, err := (TCP{addr}).Ask(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing listens there") {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (TCP{addr}).Ask(ended); err != ErrNoAnswer {
		t.Error(err)
	}
}

func FuzzReply(f *testing.F) {
	p := &ICMP{addr: loopback}
	_, _ = rand.Read(p.token[:])
	good, err := p.request(7)
	if err != nil {
		f.Fatal(err)
	}
	good[0] = 0 // an echo reply
	if n, ok := reply(good, false, p.token); !ok || n != 7 {
		f.Fatalf("%d, %v", n, ok)
	}
	others := slices.Clone(good)
	others[8]++
	f.Add(good, false)
	f.Add(others, false)
	f.Add(good[:len(good)-1], false)
	f.Add([]byte{129, 0, 0, 0, 0, 1, 0, 1}, true)
	f.Fuzz(func(t *testing.T, packet []byte, six bool) {
		if _, ok := reply(packet, six, p.token); ok && !slices.Equal(packet[8:16], p.token[:]) {
			t.Error("a reply without our token is taken")
		}
	})
}
