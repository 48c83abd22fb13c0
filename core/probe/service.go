package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"unicode"
)

// TCP opens a connection and closes it. It can't tell who answered.
type TCP struct{ Addr netip.AddrPort }

// Ask connects once.
func (p TCP) Ask(ctx context.Context) (by string, err error) {
	conn, err := dial(ctx, p.Addr)
	if err != nil {
		return "", err
	}
	// A plain close leaves our end in TIME_WAIT, and at a fast pace the ports run out.
	_ = conn.(*net.TCPConn).SetLinger(0)
	return "", conn.Close()
}

// Close has nothing to free.
func (TCP) Close() error { return nil }

func dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr.String())
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s refuses the connection: nothing listens there", addr)
	case ctx.Err() != nil:
		return nil, ErrNoAnswer
	}
	return nil, err
}

// HTTP gets a page over a new connection each time. Whoever answers says so in
// a header, or else in the first line of the page.
type HTTP struct {
	url    string
	header string
	client *http.Client
}

// The limits of what a server can make us read and show.
const (
	maxPage = 4 << 10
	maxName = 64
)

// NewHTTP makes an Asker for target: a path, or a URL. Its host is what the
// server and its certificate are asked for; the connection goes to addr. The
// value of header tells who answered, unless it is empty.
func NewHTTP(addr netip.Addr, target, header string) (*HTTP, error) {
	if strings.HasPrefix(target, "/") {
		host := addr.WithZone("").String()
		if addr.Is6() {
			host = "[" + host + "]"
		}
		target = "http://" + host + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf(`%q is neither a path like "/whoami" nor a URL like "https://www.example.net/whoami"`, target)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	to, err := netip.ParseAddrPort(net.JoinHostPort(addr.String(), port))
	if err != nil {
		return nil, fmt.Errorf("%q has no sound port", target)
	}
	return &HTTP{url: u.String(), header: header, client: &http.Client{
		Transport: &http.Transport{
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, to) },
			DisableKeepAlives: true, // an old connection stays with its host, and we ask who has the address
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Ask gets the page once. A server that says 500 or more is no service.
func (p *HTTP) Ask(ctx context.Context) (by string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", "stentor-probe")
	resp, err := p.client.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // the URL is known to the reader
		}
		if ctx.Err() != nil {
			err = ErrNoAnswer
		}
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return "", fmt.Errorf("status %s", resp.Status)
	}
	if p.header != "" {
		return name(resp.Header.Get(p.header)), nil
	}
	line, err := bufio.NewReader(io.LimitReader(resp.Body, maxPage)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	return name(line), nil
}

// Close has nothing to free.
func (*HTTP) Close() error { return nil }

// name makes what a server calls itself fit for a terminal.
func name(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(s), ""))
	if runes := []rune(s); len(runes) > maxName {
		s = string(runes[:maxName]) + "…"
	}
	return s
}
