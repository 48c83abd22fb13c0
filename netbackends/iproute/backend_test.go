package iproute

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/nstest"
	"github.com/stentor-net/stentor/plugins"
)

const (
	web = "web 203.0.113.10 lo"
	dns = "dns 2001:db8::10 lo"
	// record is the step of a call that changes nothing but the ledger.
	record = "change the record of whose each address is"
)

func TestApply(t *testing.T) {
	type call struct {
		before string // ip commands of somebody else
		want   []string
		plan   []string
		host   []string
	}
	tests := []struct {
		name  string
		calls []call
	}{
		{"add and remove", []call{
			{want: []string{dns, web},
				plan: []string{"add address 2001:db8::10/128 on lo", "add address 203.0.113.10/32 on lo"},
				host: []string{"2001:db8::10/128 lo", "203.0.113.10/32 lo"}},
			{want: []string{web},
				plan: []string{"remove address 2001:db8::10/128 on lo"},
				host: []string{"203.0.113.10/32 lo"}},
			{plan: []string{"remove address 203.0.113.10/32 on lo"}},
		}},
		{"another link", []call{
			{want: []string{web}, plan: []string{"add address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{want: []string{"web 203.0.113.10 eth0"},
				plan: []string{"add address 203.0.113.10/32 on eth0", "remove address 203.0.113.10/32 on lo"},
				host: []string{"203.0.113.10/32 eth0"}},
		}},
		{"a link that got another name", []call{
			{want: []string{"web 203.0.113.10 eth0"},
				plan: []string{"add address 203.0.113.10/32 on eth0"}, host: []string{"203.0.113.10/32 eth0"}},
			{before: "link set eth0 down\nlink set eth0 name wan\nlink set wan up", want: []string{web},
				plan: []string{"add address 203.0.113.10/32 on lo", "remove address 203.0.113.10/32 on wan"},
				host: []string{"203.0.113.10/32 lo"}},
		}},
		{"taken off by hand", []call{
			{want: []string{web}, plan: []string{"add address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{before: "address del 203.0.113.10/32 dev lo", want: []string{web},
				plan: []string{"add address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{before: "address del 203.0.113.10/32 dev lo", plan: []string{record}},
		}},
		{"adopted, never removed", []call{
			{before: "address add 203.0.113.10/32 dev lo", want: []string{web},
				plan: []string{"adopt address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{want: []string{web}, host: []string{"203.0.113.10/32 lo"}},
			{plan: []string{record}, host: []string{"203.0.113.10/32 lo"}},
		}},
		{"adopted, then taken off: ours from now on", []call{
			{before: "address add 203.0.113.10/32 dev lo", want: []string{web},
				plan: []string{"adopt address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{before: "address del 203.0.113.10/32 dev lo", want: []string{web},
				plan: []string{"add address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{plan: []string{"remove address 203.0.113.10/32 on lo"}},
		}},
		{"a /64 on lo is used as it is", []call{
			{before: "address add 2001:db8::10/64 dev lo", want: []string{dns},
				plan: []string{"adopt address 2001:db8::10/64 on lo"}, host: []string{"2001:db8::10/64 lo"}},
			{plan: []string{record}, host: []string{"2001:db8::10/64 lo"}},
		}},
		{"on another link that is up", []call{
			{before: "address add 203.0.113.10/24 dev eth0", want: []string{web},
				plan: []string{"adopt address 203.0.113.10/24 on eth0"}, host: []string{"203.0.113.10/24 eth0"}},
			{want: []string{web}, host: []string{"203.0.113.10/24 eth0"}},
			// Once that link is down the address serves nobody.
			{before: "link set eth0 down", want: []string{web},
				plan: []string{"add address 203.0.113.10/32 on lo"},
				host: []string{"203.0.113.10/24 eth0", "203.0.113.10/32 lo"}},
			{plan: []string{"remove address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/24 eth0"}},
		}},
		{"beside a foreign one of another length", []call{
			{want: []string{web}, plan: []string{"add address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/32 lo"}},
			{before: "address add 203.0.113.10/24 dev lo",
				plan: []string{"remove address 203.0.113.10/32 on lo"}, host: []string{"203.0.113.10/24 lo"}},
		}},
		{"lo is down", []call{
			{before: "link set lo down", want: []string{dns, web},
				plan: []string{"add address 2001:db8::10/128 on lo", "add address 203.0.113.10/32 on lo"},
				host: []string{"2001:db8::10/128 lo", "203.0.113.10/32 lo"}},
			{plan: []string{"remove address 2001:db8::10/128 on lo", "remove address 203.0.113.10/32 on lo"}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns := nstest.New(t)
			ns.IP(links)
			dir := t.TempDir()
			for i, c := range tt.calls {
				ns.IP(c.before)
				ns.Do(func() {
					b := newBackend(t, dir)
					if d := cmp.Diff(c.plan, plan(t, b, c.want...)); d != "" {
						t.Errorf("call %d: plan (-want +got):\n%s", i, d)
					}
					apply(t, b, c.want...)
					if d := cmp.Diff(c.host, standing(t)); d != "" {
						t.Errorf("call %d: host (-want +got):\n%s", i, d)
					}
					if again := plan(t, b, c.want...); again != nil {
						t.Errorf("call %d: plan after Apply: %q", i, again)
					}
				})
			}
			// The last call of each wants nothing, or leaves its own behind.
			if last := tt.calls[len(tt.calls)-1]; last.want == nil {
				if rest, err := os.ReadDir(dir); err != nil || len(rest) > 0 {
					t.Errorf("left in the state folder: %v, %v", rest, err)
				}
			}
		})
	}
}

func TestAddressesServeAndAreNotChosenAsSource(t *testing.T) {
	inside(t, "address add 2001:db8::7/64 dev eth0 nodad", func() {
		apply(t, newBackend(t, t.TempDir()), web, dns)
		list, err := netlink.AddrList(nil, unix.AF_UNSPEC)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			switch a.IP.String() {
			case "203.0.113.10":
				if a.Scope != unix.RT_SCOPE_UNIVERSE || a.Flags != unix.IFA_F_PERMANENT {
					t.Errorf("IPv4: scope %d, flags %#x", a.Scope, a.Flags)
				}
			case "2001:db8::10":
				if want := unix.IFA_F_PERMANENT | unix.IFA_F_NODAD | unix.IFA_F_DEPRECATED; a.Flags != want {
					t.Errorf("IPv6: flags %#x, want %#x", a.Flags, want)
				}
			}
		}
	})
}

func TestObserve(t *testing.T) {
	const setup = `address add 203.0.113.11/32 dev eth0
address add 2001:db8::12/64 dev lo
address add 203.0.113.13/24 dev eth0 valid_lft 1000 preferred_lft 1000`
	want := []string{"a 203.0.113.10 lo", "b 203.0.113.11 lo", "c 2001:db8::12 lo", "d 203.0.113.13 eth0", "e 203.0.113.14 lo", "f 203.0.113.15 lo"}
	inside(t, setup, func() {
		dir := t.TempDir()
		apply(t, newBackend(t, dir), want...)
		foreign(t, netlink.AddrDel, "203.0.113.14/32 lo")
		foreign(t, netlink.AddrAdd, "203.0.113.15/32 eth0")
		got, err := newBackend(t, dir).Observe(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		expected := []plugins.VIPState{
			{VIP: vip("a 203.0.113.10 lo"), OnHost: true},
			{VIP: vip("b 203.0.113.11 eth0"), OnHost: true, Adopted: true,
				Drift: "it was on eth0 already and is used there, though the config says lo"},
			{VIP: vip("c 2001:db8::12 lo"), OnHost: true, Adopted: true,
				Drift: "it stands on lo as 2001:db8::12/64: this host reaches no other address of 2001:db8::/64 through the network"},
			{VIP: vip("d 203.0.113.13 eth0"), OnHost: true, Adopted: true,
				Drift: "it stands on eth0 as 203.0.113.13/24: this host reaches no other address of 203.0.113.0/24 through the network; " +
					"it has a lifetime: DHCP or a router advertisement gave it, and may take it away"},
			{VIP: vip("e 203.0.113.14 lo"), Drift: "203.0.113.14/32 is gone from lo"},
			{VIP: vip("f 203.0.113.15 lo"), OnHost: true, Drift: "it stands on eth0 too"},
		}
		if d := cmp.Diff(expected, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestApplyRefuses(t *testing.T) {
	tests := []struct {
		name  string
		setup string // sysctl
		want  []string
		err   string
		is    error
	}{
		{name: "no such link", want: []string{web, "api 203.0.113.20 dummy0"},
			err: "VIP api: there is no link dummy0 on this host (ip link shows all): unavailable", is: plugins.ErrUnavailable},
		{name: "loopback", want: []string{web, "x 127.0.0.1 lo"}, err: "VIP x: 127.0.0.1 is no address that hosts can share"},
		{name: "IPv6 loopback", want: []string{web, "x ::1 lo"}, err: "VIP x: ::1 is no address that hosts can share"},
		{name: "mapped", want: []string{web, "x ::ffff:203.0.113.9 lo"}, err: "VIP x: ::ffff:203.0.113.9 is no address that hosts can share"},
		{name: "twice", want: []string{web, "x 203.0.113.10 eth0"}, err: "VIP x: VIP web has the same address 203.0.113.10"},
		{name: "IPv6 is off", setup: "net.ipv6.conf.lo.disable_ipv6=1", want: []string{web, dns},
			err: "VIP dns: add 2001:db8::10/128 on lo: IPv6 is disabled on lo (sysctl net.ipv6.conf.lo.disable_ipv6)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns := nstest.New(t)
			ns.IP(links)
			if tt.setup != "" {
				ns.Command("", "sysctl", "-w", tt.setup)
			}
			ns.Do(func() {
				dir := t.TempDir()
				old := "old 203.0.113.99 lo"
				apply(t, newBackend(t, dir), old)
				err := newBackend(t, dir).Apply(context.Background(), vips(tt.want...))
				if err == nil || err.Error() != tt.err || tt.is != nil && !errors.Is(err, tt.is) {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				if errors.Is(err, fs.ErrPermission) {
					t.Error("this is no lack of permission")
				}
				if d := cmp.Diff([]string{"203.0.113.99/32 lo"}, standing(t)); d != "" {
					t.Errorf("host after a refusal (-want +got):\n%s", d)
				}
				if p := plan(t, newBackend(t, dir), old); p != nil {
					t.Errorf("plan for the old state: %q", p)
				}
			})
		})
	}
}

func TestThousandMistakesInAFewLines(t *testing.T) {
	inside(t, "", func() {
		var want []plugins.VIP
		a := netip.MustParseAddr("203.0.112.0")
		for range 1000 {
			a = a.Next()
			want = append(want, plugins.VIP{Name: "v" + a.String(), Addr: a, Link: "dummy0"})
		}
		err := newBackend(t, t.TempDir()).Apply(context.Background(), want)
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 6 || lines[5] != "and 995 more VIPs" {
			t.Errorf("error of %d lines: %v", len(lines), err)
		}
	})
}

func TestWithoutPermission(t *testing.T) {
	inside(t, "", func() {
		// The capability is this thread's alone, and the thread ends with the test.
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		err := newBackend(t, dir).Apply(context.Background(), vips(web))
		const want = "VIP web: add 203.0.113.10/32 on lo: permission denied: needs CAP_NET_ADMIN (run as root)"
		if err == nil || err.Error() != want || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error %v, want %s", err, want)
		}
	})
}

func TestEndedContext(t *testing.T) {
	inside(t, "", func() {
		b := newBackend(t, t.TempDir())
		ctx, cancel := context.WithCancel(context.Background())
		adds := 0
		b.host.Step = func(name string) error {
			if strings.HasPrefix(name, "add") {
				if adds++; adds == 2 {
					cancel()
				}
			}
			return nil
		}
		err := b.Apply(ctx, vips("a 203.0.113.10 lo", "b 203.0.113.11 lo", "c 203.0.113.12 lo"))
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
		if left := standing(t); left != nil {
			t.Errorf("left on the host: %q", left)
		}
	})
}

// TestSomebodyWasFaster lets an address appear after Apply has looked.
func TestSomebodyWasFaster(t *testing.T) {
	inside(t, "", func() {
		dir := t.TempDir()
		b := newBackend(t, dir)
		b.host.Step = func(name string) error {
			if name == "add 203.0.113.10" {
				foreign(t, netlink.AddrAdd, "203.0.113.10/32 lo")
			}
			return nil
		}
		apply(t, b, web)
		states, err := newBackend(t, dir).Observe(context.Background())
		if err != nil || len(states) != 1 || !states[0].Adopted {
			t.Errorf("Observe: %+v, %v; want it adopted", states, err)
		}
		apply(t, newBackend(t, dir))
		if d := cmp.Diff([]string{"203.0.113.10/32 lo"}, standing(t)); d != "" {
			t.Errorf("host (-want +got):\n%s", d)
		}
	})
}

// TestAnotherBoot and another namespace: what stands there is not ours.
func TestAnotherBoot(t *testing.T) {
	dir := t.TempDir()
	inside(t, "", func() { apply(t, newBackend(t, dir), web, "api 203.0.113.11 lo") })
	inside(t, "address add 203.0.113.10/32 dev lo", func() {
		states, err := newBackend(t, dir).Observe(context.Background())
		if err != nil || len(states) != 0 {
			t.Errorf("Observe: %+v, %v; want nothing", states, err)
		}
		apply(t, newBackend(t, dir), web)
		apply(t, newBackend(t, dir))
		if d := cmp.Diff([]string{"203.0.113.10/32 lo"}, standing(t)); d != "" {
			t.Errorf("host (-want +got):\n%s", d)
		}
	})
}

func TestConfigure(t *testing.T) {
	b := newBackend(t, t.TempDir())
	err := b.Configure(context.Background(), plugins.Config{StateDir: t.TempDir(), Settings: map[string]any{"persist": true}})
	var mistake *plugins.ConfigError
	if !errors.As(err, &mistake) || mistake.Key != "persist" {
		t.Errorf("error %v, want a ConfigError for persist", err)
	}
	if err := b.Configure(context.Background(), plugins.Config{}); err == nil {
		t.Error("no error without a state folder")
	}
}

func TestDetect(t *testing.T) {
	inside(t, "", func() {
		got, err := newBackend(t, t.TempDir()).Detect(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		want := plugins.Detection{Score: 10, Why: "plain netlink: addresses last until reboot",
			Signals: []plugins.Signal{{Name: "lo", Value: "up"}}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

// TestUnsupportedStack leaves the choice to a person.
func TestUnsupportedStack(t *testing.T) {
	d := opinion(detect.Owner(detect.View{Uplink: detect.Link{Name: "eth0", Index: 2}, Unsupported: []string{"wicked"}}))
	if d.Score != 0 || !strings.Contains(d.Why, "wicked") || !strings.Contains(d.Why, `backend = "iproute"`) {
		t.Errorf("%+v", d)
	}
}

func TestNothingBelowAnotherRoot(t *testing.T) {
	err := New(slog.New(slog.DiscardHandler), &detect.Glance{}).Configure(context.Background(), plugins.Config{StateDir: t.TempDir(), Root: "/image"})
	if !errors.Is(err, plugins.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
}
