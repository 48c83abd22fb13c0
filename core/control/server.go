package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/net/netutil"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// Daemon is what the socket gives access to.
type Daemon interface {
	Status() *status.Status
	Next() <-chan struct{} // closed by the next snapshot
	Reload(context.Context) (Reloaded, error)
	Apply(ctx context.Context, wait, trial time.Duration) (Applied, error)
	Confirm(context.Context) error
	Diff(context.Context) (Diff, error)
	Drain(vips []string, until time.Time, reason string) error
	Undrain(vips []string) error
	Failback(ctx context.Context, vips []string) error
	History() *history.Log
	Metrics() http.Handler
}

// Group may open the socket besides its owner, if the system has it.
const Group = "stentor"

// Listen makes the socket, mode 0660. A socket that nobody answers on is left
// from a crash and replaced.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if len(path) > maxPath {
		return nil, fmt.Errorf("control socket: %s is longer than %d bytes, the most that a socket's path may have (unix(7)); use another --socket", path, maxPath)
	}
	// Connecting to a plain file is refused as well, and it may be precious.
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("control socket: %s is there, and is no socket; use another --socket", path)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("another stentor answers on %s; stop it first, or use another --socket", path)
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	// Nobody else may connect before the group is right. Linux gives the file the
	// mode of the socket; a umask would be that of whatever else is made meanwhile.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if closed := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), 0o600) }); closed != nil {
			return closed
		}
		return err
	}}
	l, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if g, err := user.LookupGroup(Group); err == nil {
		if gid, err := strconv.Atoi(g.Gid); err == nil {
			_ = os.Chown(path, -1, gid) // without it the owner alone has access, which is safe
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// Serve answers on l until ctx ends.
func Serve(ctx context.Context, l net.Listener, d Daemon, log *slog.Logger) error {
	server := &http.Server{
		Handler:           Handler(ctx, d),
		MaxHeaderBytes:    maxHeader,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       writeTimeout,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
	}()
	err := server.Serve(netutil.LimitListener(l, maxConns))
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return nil
	}
	return fmt.Errorf("control socket: %w", err)
}

// Handler is the API without its socket. Streams end with ctx.
func Handler(ctx context.Context, d Daemon) http.Handler {
	h := &handler{daemon: d, ctx: ctx}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", h.status)
	mux.HandleFunc("GET /v1/watch", h.watch)
	mux.Handle("GET /v1/history", History(ctx, d.History()))
	mux.Handle("GET /metrics", d.Metrics())
	mux.HandleFunc("GET /v1/diff", h.diff)
	mux.HandleFunc("POST /v1/reload", h.reload)
	mux.HandleFunc("POST /v1/apply", h.apply)
	mux.HandleFunc("POST /v1/confirm", h.confirm)
	mux.HandleFunc("POST /v1/drain", h.drain)
	mux.HandleFunc("POST /v1/undrain", h.undrain)
	mux.HandleFunc("POST /v1/failback", h.failback)
	return http.MaxBytesHandler(mux, maxBody)
}

type handler struct {
	daemon Daemon
	ctx    context.Context // streams end with it
}

// status gives the newest snapshot; with ?converged=N, the first in which
// generation N or a later one has converged, or after ?wait=DURATION whatever
// there is then.
func (h *handler) status(w http.ResponseWriter, r *http.Request) {
	deadline := make(<-chan time.Time)
	generation := 0
	if text := r.FormValue("converged"); text != "" {
		var err error
		if generation, err = strconv.Atoi(text); err != nil {
			fail(w, &Error{Kind: KindConfig, Message: fmt.Sprintf("converged: %q is no number", text)})
			return
		}
		wait, err := time.ParseDuration(r.FormValue("wait"))
		if err != nil || wait < 0 || wait > time.Hour {
			fail(w, &Error{Kind: KindConfig, Message: "wait: want a duration of at most 1h"})
			return
		}
		deadline = time.After(wait)
	}
	for {
		next := h.daemon.Next() // before Status, so that no news slips between
		s := h.daemon.Status()
		if s != nil && (generation == 0 || s.Converged && s.Generation >= generation) {
			answer(w, s)
			return
		}
		select {
		case <-next:
		case <-deadline:
			if s != nil {
				answer(w, s)
				return
			}
			fail(w, &Error{Kind: KindFailed, Message: "the daemon has not looked at the host yet"})
			return
		case <-h.ctx.Done():
			fail(w, &Error{Kind: KindRefused, Message: "the daemon is stopping"})
			return
		case <-r.Context().Done():
			return
		}
	}
}

// watch streams the events from now on.
func (h *handler) watch(w http.ResponseWriter, r *http.Request) {
	log := h.daemon.History()
	newLines(w).follow(h.ctx, r, log, r.URL.Query().Get("object"), log.Seq())
}

func (h *handler) diff(w http.ResponseWriter, r *http.Request) {
	d, err := h.daemon.Diff(r.Context())
	reply(w, d, err)
}

func (h *handler) reload(w http.ResponseWriter, r *http.Request) {
	done, err := h.daemon.Reload(r.Context())
	reply(w, done, err)
}

func (h *handler) apply(w http.ResponseWriter, r *http.Request) {
	var req ApplyRequest
	if !read(w, r, &req) {
		return
	}
	wait, err := time.ParseDuration(req.Wait)
	if err != nil || wait < 0 || wait > time.Hour {
		fail(w, &Error{Kind: KindConfig, Message: "wait: want a duration of at most 1h"})
		return
	}
	var trial time.Duration
	if req.Confirm != "" {
		if trial, err = time.ParseDuration(req.Confirm); err == nil {
			err = CheckTrial(trial)
		}
		if err != nil {
			fail(w, &Error{Kind: KindConfig, Message: err.Error()})
			return
		}
	}
	done, err := h.daemon.Apply(r.Context(), wait, trial)
	reply(w, done, err)
}

func (h *handler) confirm(w http.ResponseWriter, r *http.Request) {
	reply(w, struct{}{}, h.daemon.Confirm(r.Context()))
}

func (h *handler) drain(w http.ResponseWriter, r *http.Request) {
	var req DrainRequest
	if !read(w, r, &req) {
		return
	}
	var until time.Time
	if req.For != "" {
		d, err := time.ParseDuration(req.For)
		if err != nil || d <= 0 {
			fail(w, &Error{Kind: KindConfig, Message: fmt.Sprintf("for: %q is no positive duration, write it like 1h30m", req.For)})
			return
		}
		until = time.Now().Add(d)
	}
	if len(req.Reason) > maxReason {
		fail(w, &Error{Kind: KindConfig, Message: fmt.Sprintf("reason: longer than %d bytes", maxReason)})
		return
	}
	if strings.ContainsFunc(req.Reason, unicode.IsControl) {
		fail(w, &Error{Kind: KindConfig, Message: "reason: want one line of text"})
		return
	}
	reply(w, struct{}{}, h.daemon.Drain(req.VIPs, until, req.Reason))
}

func (h *handler) undrain(w http.ResponseWriter, r *http.Request) {
	var req UndrainRequest
	if !read(w, r, &req) {
		return
	}
	reply(w, struct{}{}, h.daemon.Undrain(req.VIPs))
}

func (h *handler) failback(w http.ResponseWriter, r *http.Request) {
	var req FailbackRequest
	if !read(w, r, &req) {
		return
	}
	reply(w, struct{}{}, h.daemon.Failback(r.Context(), req.VIPs))
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		fail(w, &Error{Kind: KindConfig, Message: "the request is no valid JSON: " + err.Error()})
		return false
	}
	return true
}

func reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, asError(err))
		return
	}
	answer(w, v)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = Encode(w, v) // the reader went away
}

// asError finds out what kind of failure err is.
func asError(err error) *Error {
	var known *Error
	var invalid *config.Invalid
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &invalid):
		return &Error{Kind: KindConfig, Message: err.Error(), Findings: invalid.Findings}
	case errors.Is(err, config.ErrNoFile):
		return &Error{Kind: KindConfig, Message: err.Error()}
	default:
		return &Error{Kind: KindFailed, Message: err.Error()}
	}
}

func fail(w http.ResponseWriter, e *Error) {
	code := map[Kind]int{
		KindFailed: http.StatusInternalServerError, KindConfig: http.StatusUnprocessableEntity, KindRefused: http.StatusServiceUnavailable,
	}[e.Kind]
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = Encode(w, e) // the reader went away
}
