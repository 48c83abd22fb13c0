package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
)

// server is what a check connects to.
type server struct {
	network, addr string
	secure        *tls.Config // nil: no TLS
}

// connect gives a connection that ends with ctx. met tells people how far it
// came, also where it failed.
func (s server) connect(ctx context.Context) (conn net.Conn, met string, err error) {
	// No run lasts long enough for keep-alives, and asking for them costs.
	if conn, err = (&net.Dialer{KeepAlive: -1}).DialContext(ctx, s.network, s.addr); err != nil {
		return nil, "", err
	}
	raw := conn
	defer func() {
		if err != nil {
			raw.Close()
		}
	}()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return nil, "", err
		}
	}
	if s.secure == nil {
		return conn, "connected", nil
	}
	t := tls.Client(conn, s.secure)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, "connected", err
	}
	return t, tls.VersionName(t.ConnectionState().Version), nil
}

// TLS is how a server proves who it is.
type TLS struct {
	Skip       bool   // it need not
	CAFile     string // who vouches for it, as PEM; empty: the host's own list
	ServerName string // which name it proves; empty: the one that is dialled
}

// config is for a server that is dialled as host.
func (t TLS) config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.Skip}
	if c.ServerName == "" {
		c.ServerName = host
	}
	if t.CAFile == "" {
		return c, nil
	}
	var err error
	c.RootCAs, err = ReadCAs(t.CAFile)
	return c, err
}

// ReadCAs reads certificates in PEM form.
func ReadCAs(path string) (*x509.CertPool, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, 4<<20))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}
