package kernel_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/netbackends/internal/nstest"
)

const setup = `link add eth0 type veth peer name far
link set far up
link set eth0 up
address add 192.0.2.7/24 dev eth0
address add 192.0.2.9/32 dev eth0 valid_lft 1000 preferred_lft 1000
address add 10.0.0.1 peer 10.0.0.2/24 dev far
link add down0 type bridge`

func open(t *testing.T) *kernel.Conn {
	t.Helper()
	conn, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

func byName(t *testing.T, conn *kernel.Conn) map[string]kernel.Link {
	t.Helper()
	list, err := conn.Links()
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]kernel.Link{}
	for _, l := range list {
		links[l.Name] = l
	}
	return links
}

func TestLists(t *testing.T) {
	ns := nstest.New(t)
	ns.IP(setup)
	ns.Do(func() {
		conn := open(t)
		links := byName(t, conn)
		for name, want := range map[string]kernel.Link{
			"lo":    {Name: "lo", Loopback: true, Up: true},
			"eth0":  {Name: "eth0", Up: true},
			"down0": {Name: "down0"},
		} {
			if d := cmp.Diff(want, links[name], cmpopts.IgnoreFields(kernel.Link{}, "Index")); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		addrs, err := conn.Addresses()
		if err != nil {
			t.Fatal(err)
		}
		addrs = slices.DeleteFunc(addrs, func(a kernel.Address) bool {
			return a.Prefix.Addr().IsLinkLocalUnicast() || a.Prefix.Addr().IsLoopback()
		})
		slices.SortFunc(addrs, func(a, b kernel.Address) int { return a.Prefix.Compare(b.Prefix) })
		want := []kernel.Address{
			{Prefix: netip.MustParsePrefix("10.0.0.1/32"), Index: links["far"].Index},
			{Prefix: netip.MustParsePrefix("192.0.2.7/24"), Index: links["eth0"].Index},
			{Prefix: netip.MustParsePrefix("192.0.2.9/32"), Index: links["eth0"].Index, Dynamic: true},
		}
		if d := cmp.Diff(want, addrs, cmpopts.EquateComparable(netip.Prefix{})); d != "" {
			t.Errorf("addresses (-want +got):\n%s", d)
		}
	})
}

func TestErrorsInWords(t *testing.T) {
	ns := nstest.New(t)
	ns.IP(setup)
	ns.Command("", "sysctl", "-w", "net.ipv6.conf.eth0.disable_ipv6=1")
	ns.Do(func() {
		conn := open(t)
		links := byName(t, conn)
		v4, v6 := netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")
		lo := links["lo"]
		if err := errors.Join(conn.Add(lo, v4), conn.Add(lo, v6)); err != nil {
			t.Fatal(err)
		}
		gone := kernel.Link{Name: "gone0", Index: 999}
		for _, tt := range []struct {
			got  error
			want string
			is   error
		}{
			{conn.Add(lo, v4), "add 203.0.113.10/32 on lo: it is there already (file already exists)", fs.ErrExist},
			{conn.Add(lo, v6), "add 2001:db8::10/128 on lo: it is there already (file already exists)", fs.ErrExist},
			{conn.Delete(links["eth0"], v4), "delete 203.0.113.10/32 on eth0: it is not there (file does not exist)", fs.ErrNotExist},
			{conn.Add(gone, v4), "add 203.0.113.10/32 on gone0: there is no link gone0 any more (file does not exist)", fs.ErrNotExist},
			{conn.Add(links["eth0"], v6), "add 2001:db8::10/128 on eth0: IPv6 is disabled on eth0 (sysctl net.ipv6.conf.eth0.disable_ipv6)", nil},
		} {
			if tt.got == nil || tt.got.Error() != tt.want || tt.is != nil && !errors.Is(tt.got, tt.is) {
				t.Errorf("error %v\nwant  %s", tt.got, tt.want)
			}
		}
		if err := errors.Join(conn.Delete(lo, v4), conn.Delete(lo, v6)); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchGone(t *testing.T) {
	ns := nstest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan netip.Prefix, 16)
	ended := make(chan error, 1)
	go ns.Do(func() { ended <- kernel.WatchGone(ctx, func(p netip.Prefix, _ int) { got <- p }) })
	deadline := time.After(10 * time.Second)
	for told := false; !told; {
		ns.IP("address add 203.0.113.10/32 dev lo\naddress del 203.0.113.10/32 dev lo")
		select {
		case p := <-got:
			if p.String() != "203.0.113.10/32" {
				t.Errorf("got %s", p)
			}
			told = true
		case <-time.After(20 * time.Millisecond): // it does not listen yet
		case <-deadline:
			t.Fatal("never told")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("WatchGone: %v", err)
	}
}
