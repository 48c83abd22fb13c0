package bird

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadReply(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     reply
		err      string
	}{
		{"one line", "0013 Daemon is up and running\n", reply{{13, "Daemon is up and running"}}, ""},
		{"several", "0002-Reading configuration from /etc/bird.conf\n0003 Reconfigured\n", reply{{2, "Reading configuration from /etc/bird.conf"}, {3, "Reconfigured"}}, ""},
		{"continued", "1007-Table t:\n 198.18.0.1/32 x\n0000 \n", reply{{1007, "Table t:"}, {1007, "198.18.0.1/32 x"}, {0, ""}}, ""},
		{"continues the reply before", " Daemon is up and running\n0000 \n", reply{{3, "Daemon is up and running"}, {0, ""}}, ""},
		{"log messages between", "+rs1: Received: Cease\n0000 \n", reply{{0, ""}}, ""},
		{"cut off", "0002-Reading\n", nil, "unexpected EOF"},
		{"no code", "hello\n", nil, "no line of a reply"},
		{"a long line", "0002-" + strings.Repeat("x", maxLine) + "\n", nil, "longer than"},
		{"a long reply", strings.Repeat("0002-"+strings.Repeat("x", maxLine-10)+"\n", maxReply/maxLine+2), nil, "longer than"},
	} {
		got, err := readReply(bufio.NewReaderSize(strings.NewReader(c.in), maxLine), 3)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

func TestParseGreeting(t *testing.T) {
	for text, want := range map[string]string{
		"BIRD 2.0.7 ready.":                "2.0.7",
		"BIRD 2.17.5 ready.":               "2.17.5",
		"BIRD 3.1.7 ready.":                "3.1.7",
		"BIRD 2.13 ready.":                 "2.13.0",
		"BIRD 2.15.1-34-g1a2b3c4 ready.":   "2.15.1",
		"BIRD 1.6.8 ready.":                "",
		"BIRD ready.":                      "",
		"Hello, this is Quagga (version).": "",
	} {
		v, err := parseGreeting(text)
		if (err == nil) != (want != "") || err == nil && v.String() != want {
			t.Errorf("%q: %s, %v; want %s", text, v, err, want)
		}
	}
}

// session3 is what BIRD 3.1.7 says of an established session; earlier ones
// lack a line here and there.
const session3 = `2002-Name       Proto      Table      State  Since         Info
1002-stentor_peer_rs-1 BGP        ---        up     2026-11-22 11:06:39.109  Established   
1006-  Created:            11:06:38.301
       BGP state:          Established
         Neighbor address: fd00:1::1
         Last error:       Socket: Network is unreachable
         TX pending:       0 bytes
       Channel ipv4
         State:          UP
         Import state:   UP
         Routes:         0 imported, 1 exported, 0 preferred
           Import updates:              7          7          0          0          0
           Import withdraws:            2          0        ---          0          0
         Pending 0 attribute sets with total 0 prefixes to send
       Channel ipv6
         State:          DOWN
         Routes:         0 imported, 2 exported, 0 preferred
1002-stentor_static4 Static     stentor_table4   down     11:06:38.301  
0000 
`

func TestParseProtocols(t *testing.T) {
	r, err := readReply(bufio.NewReader(strings.NewReader(session3)), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []protocol{
		{
			name: "stentor_peer_rs-1", kind: "BGP", state: "up", since: "2026-11-22 11:06:39.109", info: "Established",
			bgpState: "Established", lastError: "Socket: Network is unreachable", exported: 3, received: 5, down: []string{"ipv6"},
		},
		{name: "stentor_static4", kind: "Static", state: "down", since: "11:06:38.301"},
	}
	if diff := cmp.Diff(want, parseProtocols(r), cmp.AllowUnexported(protocol{})); diff != "" {
		t.Error(diff)
	}
	busy := strings.Replace(session3, "Pending 0 attribute sets with total 0", "Pending 1 attribute sets with total 3", 1)
	if r, err = readReply(bufio.NewReader(strings.NewReader(busy)), 0); err != nil || !parseProtocols(r)[0].pending {
		t.Errorf("what is pending is not seen: %v", err)
	}
}

func TestParseRoutes(t *testing.T) {
	const text = "1007-Table stentor_table4:\n 198.18.0.2/32        blackhole [x 11:06:37.028] * (200)\n" +
		" 198.18.0.1/32        blackhole [x 11:06:37.028] * (200)\n                      blackhole [y 11:06:37.028] (100)\n \n Table t:\n0000 \n"
	r, err := readReply(bufio.NewReader(strings.NewReader(text)), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("198.18.0.1/32"), netip.MustParsePrefix("198.18.0.2/32")}
	if got := parseRoutes(r); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzReply(f *testing.F) {
	f.Add(session3)
	f.Add("1007-Table stentor_table4:\n 198.18.0.2/32 x\n0000 \n")
	f.Add("0001 BIRD 2.0.12 ready.\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readReply(bufio.NewReaderSize(strings.NewReader(text), maxLine), 0)
		if err != nil {
			return
		}
		if len(r) == 0 {
			t.Fatal("an empty reply")
		}
		r.code()
		parseGreeting(r.text(-1))
		for _, p := range parseProtocols(r) {
			if p.exported < 0 || p.received < 0 {
				t.Errorf("%+v", p)
			}
		}
		for _, p := range parseRoutes(r) {
			if !p.IsValid() {
				t.Errorf("prefix %v", p)
			}
		}
	})
}
