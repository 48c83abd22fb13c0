package health

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// nameServer answers by name until the test ends, over UDP and TCP.
func nameServer(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Skipf("the TCP port of the same number is taken: %v", err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		add := func(rr string) {
			r, err := dns.NewRR(name + " 60 IN " + rr)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, r)
		}
		_, overUDP := w.RemoteAddr().(*net.UDPAddr)
		switch name {
		case "web.test.":
			add("A 192.0.2.1")
			add("A 192.0.2.2")
		case "six.test.":
			add("AAAA 2001:db8::1")
		case "text.test.":
			add(`TXT "v=spf1 -all"`)
		case "alias.test.":
			add("CNAME Web.Test.")
		case "empty.test.":
		case "long.test.":
			for i := range 60 {
				add(fmt.Sprintf("A 192.0.2.%d", i))
			}
			if overUDP {
				m.Answer, m.Truncated = nil, true
			}
		case "refused.test.":
			m.Rcode = dns.RcodeRefused
		case "other.test.":
			m.Question[0].Name = "web.test."
		case "silent.test.":
			return
		case "garbage.test.":
			_, _ = w.Write([]byte(strings.Repeat("\xff", 64)))
			return
		default:
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: handler}, {Listener: l, Handler: handler}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return pc.LocalAddr().String()
}

func TestDNS(t *testing.T) {
	addr := nameServer(t)
	query := func(name, typ, rcode, answer string) DNS {
		return DNS{Addr: addr, Query: name, Type: typ, RCode: rcode, Answer: answer}
	}
	tests := []struct {
		name  string
		probe DNS
		want  string
	}{
		{"any answer", query("web.test", "A", "NOERROR", ""), "+NOERROR: 192.0.2.1, 192.0.2.2"},
		{"one of the answers", query("web.test.", "A", "NOERROR", "192.0.2.2"), "+192.0.2.2"},
		{"another answer", query("web.test", "A", "NOERROR", "192.0.2.3"), "-and no 192.0.2.3"},
		{"an address in another spelling", query("six.test", "AAAA", "NOERROR", "2001:0DB8:0::1"), "+2001:db8::1"},
		{"a text", query("text.test", "TXT", "NOERROR", "v=spf1 -all"), "+v=spf1"},
		{"a name", query("alias.test", "CNAME", "NOERROR", "web.test"), "+Web.Test."},
		{"no record is no error", query("empty.test", "A", "NOERROR", ""), "+NOERROR"},
		{"unless one is wanted", query("empty.test", "A", "NOERROR", "192.0.2.1"), "-NOERROR, and no 192.0.2.1"},
		{"no such name", query("nowhere.test", "A", "NOERROR", ""), "-NXDOMAIN, not NOERROR"},
		{"which is what was wanted", query("nowhere.test", "A", "NXDOMAIN", ""), "+NXDOMAIN"},
		{"refused", query("refused.test", "A", "NOERROR", ""), "-REFUSED"},
		{"too long for UDP", query("long.test", "A", "NOERROR", "192.0.2.59"), "+192.0.2.59"},
		{"an answer to another question", query("other.test", "A", "NOERROR", ""), "-another question"},
		{"nobody listens", DNS{Addr: "127.0.0.1:1", Query: "web.test", Type: "A", RCode: "NOERROR"}, "-refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { expect(t, tt.probe, patience, tt.want) })
	}
	t.Run("silent", func(t *testing.T) { expect(t, query("silent.test", "A", "NOERROR", ""), brief, "-no answer in time") })
	t.Run("garbage", func(t *testing.T) { expect(t, query("garbage.test", "A", "NOERROR", ""), patience, "-dns: ") })
}
