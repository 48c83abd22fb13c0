package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// Encode writes v as every answer and every --json has it: indented, one
// newline at the end.
func Encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Client talks to a daemon.
type Client struct {
	socket string
	http   *http.Client
	// quick bounds what the daemon answers from memory, slow what waits for a
	// backend: a person who asks a daemon that hangs has to be told so.
	quick, slow time.Duration
}

// NewClient makes a client for the socket at path. It does no I/O.
func NewClient(path string) *Client {
	return &Client{socket: path, quick: 10 * time.Second, slow: 90 * time.Second, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}}
}

// Running reports whether a daemon answers. An error means that it can't be
// told, as when the socket may not be opened.
func (c *Client) Running(ctx context.Context) (bool, error) {
	_, err := c.Status(ctx)
	if errors.Is(err, errNobody) {
		return false, nil
	}
	return err == nil, err
}

// Status gives the JSON of the newest snapshot.
func (c *Client) Status(ctx context.Context) ([]byte, error) {
	return c.do(ctx, c.quick, http.MethodGet, "/v1/status", nil)
}

// Converged waits until generation has converged, or for as long as wait, and
// gives the JSON of the snapshot then.
func (c *Client) Converged(ctx context.Context, generation int, wait time.Duration) ([]byte, error) {
	q := url.Values{"converged": {strconv.Itoa(generation)}, "wait": {wait.String()}}
	return c.do(ctx, wait+c.quick, http.MethodGet, "/v1/status?"+q.Encode(), nil)
}

// Diff gives the JSON of a Diff.
func (c *Client) Diff(ctx context.Context) ([]byte, error) {
	return c.do(ctx, c.slow, http.MethodGet, "/v1/diff", nil)
}

// Reload makes the daemon take over the config on disk.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var done Reloaded
	body, err := c.do(ctx, c.slow, http.MethodPost, "/v1/reload", nil)
	if err == nil {
		err = json.Unmarshal(body, &done)
	}
	return done, err
}

// Apply makes the daemon take over the config on disk, wait until it holds, and
// check the host. A trial of 0 is none.
func (c *Client) Apply(ctx context.Context, wait, trial time.Duration) (Applied, error) {
	r := ApplyRequest{Wait: wait.String()}
	if trial > 0 {
		r.Confirm = trial.String()
	}
	var done Applied
	body, err := c.do(ctx, wait+c.slow, http.MethodPost, "/v1/apply", r)
	if err == nil {
		err = json.Unmarshal(body, &done)
	}
	return done, err
}

// Confirm keeps the config on trial.
func (c *Client) Confirm(ctx context.Context) error {
	_, err := c.do(ctx, c.slow, http.MethodPost, "/v1/confirm", nil) // it waits for an apply to end
	return err
}

// Drain asks that VIPs be served elsewhere.
func (c *Client) Drain(ctx context.Context, r DrainRequest) error {
	_, err := c.do(ctx, c.quick, http.MethodPost, "/v1/drain", r)
	return err
}

// Undrain takes drains back.
func (c *Client) Undrain(ctx context.Context, r UndrainRequest) error {
	_, err := c.do(ctx, c.quick, http.MethodPost, "/v1/undrain", r)
	return err
}

// Failback lets VIPs be announced as their role says as soon as they are healthy.
func (c *Client) Failback(ctx context.Context, r FailbackRequest) error {
	_, err := c.do(ctx, c.quick, http.MethodPost, "/v1/failback", r)
	return err
}

// Watch copies events to w, one JSON line each, until ctx ends. That the
// daemon ended is an error: who watches must not take its silence for peace.
func (c *Client) Watch(ctx context.Context, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodGet, "/v1/watch", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(w, resp.Body)
	return c.ended(ctx, err)
}

// ended is why a stream did.
func (c *Client) ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return &Error{Kind: KindRefused, Message: fmt.Sprintf("the daemon on %s ended", c.socket)}
	default:
		return err
	}
}

func (c *Client) do(ctx context.Context, patience time.Duration, method, path string, request any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := c.send(ctx, method, path, request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (c *Client) send(ctx context.Context, method, path string, request any) (*http.Response, error) {
	var body bytes.Buffer
	if request != nil {
		if err := json.NewEncoder(&body).Encode(request); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://stentor"+path, &body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	e := &Error{}
	if err := json.NewDecoder(resp.Body).Decode(e); err != nil || e.Message == "" {
		return nil, fmt.Errorf("the daemon on %s answered %s", c.socket, resp.Status)
	}
	return nil, e
}

// errNobody: there is no daemon, as opposed to one that can't be reached.
var errNobody = errors.New("no daemon")

func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &noDaemon{&Error{Kind: KindRefused, Message: fmt.Sprintf("no daemon answers on %s; start it with: stentor run", c.socket)}}
	case len(c.socket) > maxPath:
		return &Error{Kind: KindRefused, Message: fmt.Sprintf("%s is longer than %d bytes, the most that a socket's path may have (unix(7))", c.socket, maxPath)}
	case errors.Is(err, fs.ErrPermission):
		return &Error{Kind: KindRefused, Message: fmt.Sprintf("may not open %s; run as root, or as a member of group %s", c.socket, Group)}
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: KindRefused, Message: fmt.Sprintf("the daemon on %s does not answer; look at its log, and restart it", c.socket)}
	default:
		return &Error{Kind: KindRefused, Message: fmt.Sprintf("lost the daemon on %s: %v", c.socket, err)}
	}
}

// noDaemon is an Error that Running can tell from the others.
type noDaemon struct{ err *Error }

func (e *noDaemon) Error() string        { return e.err.Message }
func (e *noDaemon) Is(target error) bool { return target == errNobody }
func (e *noDaemon) Unwrap() error        { return e.err }
