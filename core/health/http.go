package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// HTTP asks a web server.
type HTTP struct {
	URL    string // http or https
	Method string
	Host   string // the Host header, if not as in URL
	Unix   string // a socket to ask instead of the host in URL
	Status []StatusRange
	Match  string // a regular expression that the body shall match; empty: any body
	TLS    TLS
}

// StatusRange is a range of HTTP status codes.
type StatusRange struct{ From, To int }

// Kind is "http".
func (HTTP) Kind() string { return "http" }

// Target is the URL without its query, which may hold a secret.
func (p HTTP) Target() string {
	target, _, query := strings.Cut(p.URL, "?")
	if query {
		target += "?..."
	}
	if p.Unix != "" {
		target += " on " + p.Unix
	}
	return target
}

func (p HTTP) prepare(*shared) (ask, error) {
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, err
	}
	s, err := p.server(u)
	if err != nil {
		return nil, err
	}
	var match *regexp.Regexp
	if p.Match != "" {
		if match, err = regexp.Compile(p.Match); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) result { return p.ask(ctx, s, match) }, nil
}

// server is where the URL leads.
func (p HTTP) server(u *url.URL) (server, error) {
	s, port := server{network: "tcp"}, u.Port()
	if port == "" {
		port = u.Scheme
	}
	s.addr = net.JoinHostPort(u.Hostname(), port)
	if p.Unix != "" {
		s.network, s.addr = "unix", p.Unix
	}
	if u.Scheme != "https" {
		return s, nil
	}
	name := (&url.URL{Host: p.Host}).Hostname()
	if name == "" {
		name = u.Hostname()
	}
	var err error
	s.secure, err = p.TLS.config(name)
	return s, err
}

// ask asks once, on a connection of its own: an old one would say nothing of
// the next client's. That needs none of what http.Transport has for keeping
// connections, which costs several goroutines for each.
func (p HTTP) ask(ctx context.Context, s server, match *regexp.Regexp) result {
	conn, met, err := s.connect(ctx)
	if err != nil {
		return failed(ctx, err, met)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	req, err := http.NewRequestWithContext(ctx, p.Method, p.URL, nil)
	if err != nil {
		return notRun(err.Error())
	}
	req.Host, req.Close = p.Host, true
	req.Header.Set("User-Agent", "stentor-check")
	if err := req.Write(conn); err != nil {
		return failed(ctx, err, met)
	}
	resp, err := readResponse(conn, req)
	if err != nil {
		return failed(ctx, err, met)
	}
	if !slices.ContainsFunc(p.Status, func(r StatusRange) bool { return r.From <= resp.StatusCode && resp.StatusCode <= r.To }) {
		return bad(resp.Status)
	}
	if match == nil {
		return good(resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRead))
	switch {
	case match.Match(body):
		return good(resp.Status)
	case err != nil:
		return failed(ctx, err, resp.Status)
	}
	return bad(fmt.Sprintf("%s, and the body does not match: %.80q", resp.Status, body))
}

// readResponse reads the final answer: others may come before it (RFC 9110
// §15.2).
func readResponse(conn io.Reader, req *http.Request) (*http.Response, error) {
	limited := &io.LimitedReader{R: conn, N: 2 * maxRead} // for the head and the body
	in := bufio.NewReader(limited)
	for {
		resp, err := http.ReadResponse(in, req)
		switch {
		case err != nil && limited.N <= 0:
			return nil, errors.New("the head of the answer does not end")
		case err != nil || resp.StatusCode >= 200:
			return resp, err
		}
	}
}
