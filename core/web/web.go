// Package web serves the daemon's status to browsers and scrapers: read-only,
// and only where the config names a listener.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// The limits of what a client may ask for, and how long it may take.
const (
	maxConns      = 64
	maxStreams    = 16 // watching browsers; a stream costs a connection for as long as the page is open
	maxHeader     = 16 << 10
	headerTimeout = 5 * time.Second
	writeTimeout  = 10 * time.Second
	idleTimeout   = time.Minute
	stopTime      = time.Second
)

// retryListen is how often an address is tried again: the one that holds the
// port may be an earlier instance that is about to end.
const retryListen = 2 * time.Second

// Options is what a Server shows.
type Options struct {
	Host    string                 // this host's name, which pages show
	Status  func() *status.Status  // the newest snapshot; nil before the first
	Next    func() <-chan struct{} // closed by the next snapshot
	History *history.Log
	Metrics http.Handler
	Changed func() // called when Problem has another answer; it must not block
	Log     *slog.Logger
}

// Server listens where it is told to, and nowhere until then.
type Server struct {
	Options
	page    page
	streams chan struct{} // one place for each stream

	mu      sync.Mutex
	want    netip.AddrPort
	problem *status.Problem
	moved   chan struct{} // want is another one
}

// New makes a Server. It does no I/O.
func New(o Options) *Server {
	return &Server{Options: o, page: newPage(), streams: make(chan struct{}, maxStreams), moved: make(chan struct{}, 1)}
}

// Listen has Run listen on addr from now on; nowhere if it is zero.
func (s *Server) Listen(addr netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if addr == s.want {
		return
	}
	if s.problem != nil {
		s.problem = nil
		s.Changed()
	}
	s.want = addr
	select {
	case s.moved <- struct{}{}:
	default: // Run will look anyway
	}
}

// Problem is why nobody can read the page though somebody should; nil: none.
func (s *Server) Problem() *status.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// Run serves until ctx ends. That an address can't be had is a Problem, and no
// reason to end: the routes matter more than the page.
func (s *Server) Run(ctx context.Context) {
	for ctx.Err() == nil {
		addr := s.take()
		var retry <-chan time.Time
		stop := func() {}
		if addr.IsValid() {
			l, err := net.Listen("tcp", addr.String())
			if err == nil {
				stop = s.serve(l)
			} else {
				retry = time.After(retryListen)
			}
			s.listening(addr, err)
		}
		select {
		case <-ctx.Done():
		case <-s.moved:
		case <-retry:
		}
		stop()
	}
}

// take gives the address that is wanted, and waits for the next one.
func (s *Server) take() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.moved: // to this one
	default:
	}
	return s.want
}

// listening notes what became of listening on addr.
func (s *Server) listening(addr netip.AddrPort, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.want != addr: // it was meanwhile told another one
	case err == nil:
		if s.problem != nil {
			s.problem = nil
			s.Changed()
		}
		s.Log.Info("serving the status page", "url", "http://"+addr.String()+"/")
	case s.problem == nil:
		s.problem = &status.Problem{Object: "http", Message: fmt.Sprintf("the status page can't be served: %v", err), Hint: listenHint(err)}
		s.Changed()
		s.Log.Error("the status page can't be served; trying on", "listen", addr, "error", err)
	}
}

func listenHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "`ss -ltnp` tells who has the port; it is taken over as soon as it is free, or name another in [http] listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no link of this host has that address; correct [http] listen, or add the address"
	case errors.Is(err, syscall.EACCES):
		return "the daemon may not use a port below 1024; name a higher one in [http] listen"
	}
	return "correct [http] listen"
}

// serve answers on l until the function that it gives is called.
func (s *Server) serve(l net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		Handler:           s.handler(ctx),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			s.Log.Error("the status page is no longer served; a reload with another [http] listen opens it again", "error", err)
		}
	}()
	return func() {
		cancel() // ends the streams, which Shutdown would wait for
		grace, done := context.WithTimeout(context.Background(), stopTime)
		defer done()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
		<-ended
	}
}
