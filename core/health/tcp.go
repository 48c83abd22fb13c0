package health

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
)

// TCP connects to a server, and may talk with it.
type TCP struct {
	Addr   string // host:port
	Secure bool   // by TLS
	TLS    TLS
	Send   string // what to say first
	Expect string // what shall stand in the answer; empty: nothing is read
}

// Kind is "tcp".
func (TCP) Kind() string { return "tcp" }

// Target is the server's address.
func (p TCP) Target() string { return p.Addr }

func (p TCP) prepare(*shared) (ask, error) {
	s := server{network: "tcp", addr: p.Addr}
	if p.Secure {
		host, _, err := net.SplitHostPort(p.Addr)
		if err != nil {
			return nil, err
		}
		if s.secure, err = p.TLS.config(host); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) result { return p.ask(ctx, s) }, nil
}

func (p TCP) ask(ctx context.Context, s server) result {
	conn, met, err := s.connect(ctx)
	if err != nil {
		return failed(ctx, err, met)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if p.Send != "" {
		if _, err := io.WriteString(conn, p.Send); err != nil {
			return failed(ctx, err, met)
		}
	}
	if p.Expect == "" {
		return good(met)
	}
	return p.hear(ctx, conn, met)
}

// hear reads until what was expected stands in the answer.
func (p TCP) hear(ctx context.Context, conn io.Reader, met string) result {
	var heard []byte
	buf := make([]byte, 4096)
	for len(heard) < maxRead {
		n, err := conn.Read(buf)
		heard = append(heard, buf[:n]...)
		if bytes.Contains(heard, []byte(p.Expect)) {
			return good(string(heard))
		}
		if err != nil && len(heard) == 0 {
			return failed(ctx, err, met)
		}
		if err != nil {
			break
		}
	}
	return bad(fmt.Sprintf("the answer is not what was expected: %.80q", heard))
}
