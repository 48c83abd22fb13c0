package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/stentor-net/stentor/core/control"
)

// handler is all that can be read, until ctx ends. Patterns with GET take HEAD
// too, and the mux answers 405 to any other method.
func (s *Server) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.root)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.Handle("GET /v1/history", finite(control.History(ctx, s.History)))
	mux.Handle("GET /metrics", s.Metrics)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if !knownHost(r) {
			http.Error(w, "this listener is for this host alone: ask for it as localhost or by its address, such as http://127.0.0.1/ with the port", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// knownHost refuses names of others for a connection within this host. A web
// page from elsewhere can have its own name resolve to 127.0.0.1 (DNS
// rebinding), and then reads what it likes as of its own origin; its name in
// the Host header gives it away.
func knownHost(r *http.Request) bool {
	own, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !own.IP.IsLoopback() {
		return true
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil { // the port is any: ssh -L brings its own
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// finite refuses to follow: connections are few here, and streams are counted.
func finite(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("follow") {
			http.Error(w, "follow is for the control socket; /v1/events tells what is new here", http.StatusBadRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func (s *Server) root(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", s.page.policy)
	_, _ = w.Write(s.page.html) // the reader went away
}

// status gives the bytes that the socket gives.
func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	now := s.Status()
	if now == nil {
		http.Error(w, notYet, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = control.Encode(w, now) // the reader went away
}

// healthz tells that the daemon runs and has looked at the host. Whether all
// is as configured is another question, which the status answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	if s.Status() == nil {
		http.Error(w, notYet, http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // the reader went away
}

const notYet = "the daemon has not looked at the host yet"
