package health

import (
	"bufio"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

// serve takes connections until the test ends, each by talk.
func serve(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				talk(c)
			}()
		}
	}()
	return l.Addr().String()
}

// hold keeps a connection open and says nothing, as a frozen server does.
func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestTCP(t *testing.T) {
	redis := serve(t, func(c net.Conn) {
		for in := bufio.NewScanner(c); in.Scan(); {
			answer := "-ERR unknown command\r\n"
			if in.Text() == "PING" {
				answer = "+PONG\r\n"
			}
			for b := range strings.SplitSeq(answer, "") { // a byte at a time
				_, _ = io.WriteString(c, b)
			}
		}
	})
	smtp := serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "220 mx ESMTP\r\n"); hold(c) })
	chatter := serve(t, func(c net.Conn) {
		for err := error(nil); err == nil; {
			_, err = io.WriteString(c, strings.Repeat("x", 4096))
		}
	})
	frozen := serve(t, hold)
	shut := serve(t, func(net.Conn) {})
	secure := httptest.NewTLSServer(nil)
	t.Cleanup(secure.Close)
	https := secure.Listener.Addr().String()

	tests := []struct {
		name  string
		probe TCP
		want  string
	}{
		{"open", TCP{Addr: redis}, "+connected"},
		{"nobody listens", TCP{Addr: "127.0.0.1:1"}, "-refused"},
		{"no such host", TCP{Addr: "nowhere.invalid:80"}, "!"},
		{"an answer", TCP{Addr: redis, Send: "PING\r\n", Expect: "+PONG"}, "+PONG"},
		{"a banner", TCP{Addr: smtp, Expect: "220 "}, "+220 mx ESMTP"},
		{"closed at once", TCP{Addr: shut, Expect: "x"}, "-closed without an answer"},
		{"an answer without end", TCP{Addr: chatter, Expect: "y"}, "-not what was expected"},
		{"TLS", TCP{Addr: https, Secure: true, TLS: TLS{Skip: true}}, "+TLS 1.3"},
		{"TLS that nobody vouches for", TCP{Addr: https, Secure: true}, "-certificate"},
		{"TLS to a plain server", TCP{Addr: smtp, Secure: true, TLS: TLS{Skip: true}}, "-does not look like a TLS handshake"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, tt.probe, patience, tt.want) })
	}
	t.Run("frozen", func(t *testing.T) {
		t.Parallel()
		expect(t, TCP{Addr: frozen, Send: "PING\r\n", Expect: "+PONG"}, brief, "-connected, then no answer in time")
	})
	t.Run("another answer", func(t *testing.T) {
		t.Parallel()
		expect(t, TCP{Addr: redis, Send: "PONG\r\n", Expect: "+PONG"}, brief, `-not what was expected: "-ERR unknown`)
	})
	t.Run("frozen in the handshake", func(t *testing.T) {
		t.Parallel()
		expect(t, TCP{Addr: frozen, Secure: true}, brief, "-connected, then no answer in time")
	})
}
