package hosts_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// byHand is what people are told to do for the same two addresses on that
// stack: edit the stack's own file, then run its own command (Linode's guide
// "Configure failover on a Compute Instance").
func byHand(s stack) string {
	const stanzas = "iface lo inet static\n    address " + web + "/32\niface lo inet6 static\n    address " + dns + "/64\n"
	const yaml = "    lo:\n      match: {name: lo}\n      addresses: [" + web + "/32, \"" + dns + "/64\"]\n"
	switch s.profile {
	case hosts.Netplan:
		return "printf '" + yaml + "' >>/etc/netplan/50-cloud-init.yaml; netplan apply"
	case hosts.NetplanNM:
		return "printf '" + yaml + "' >>/etc/netplan/01-network-manager-all.yaml; netplan apply"
	case hosts.Ifupdown, hosts.Ifupdown2, hosts.IfupdownNG, hosts.NMDebian:
		return "printf '" + stanzas + "' >>/etc/network/interfaces; ifdown lo && ip addr flush lo && ifup lo"
	case hosts.NM:
		return "nmcli con add type dummy ifname shared ipv4.method manual ipv4.addresses " + web + "/32 " +
			"ipv6.method manual ipv6.addresses " + dns + "/64 && nmcli con up dummy-shared"
	case hosts.Networkd: // the guide has none
		return "printf '[Match]\nName=lo\n[Network]\nAddress=" + web + "/32\nAddress=" + dns + "/64\n' >/etc/systemd/network/30-lo.network; networkctl reload"
	default:
		return ""
	}
}

// cost is a way to put the addresses on a host.
type cost struct {
	took time.Duration // the median
	// holes are the longest absences of addresses that are not ours.
	holes  map[string]time.Duration
	lost   []string // addresses that were gone in the end
	result string
}

// watched runs f and tells what it did to everybody else's addresses.
func (r *rig) watched(f func()) cost {
	r.t.Helper()
	c := cost{holes: map[string]time.Duration{}}
	r.witness()
	f()
	events, err := r.record.Stop(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	now := r.addresses()
	for prefix, link := range r.sacred() {
		for _, h := range hosts.Holes(events, link, netip.MustParsePrefix(prefix)) {
			if h.Length > 0 { // the others are lost
				c.holes[h.What] = max(c.holes[h.What], h.Length)
			}
		}
		if !slices.Contains(now, prefix+" "+link) {
			c.lost = append(c.lost, prefix)
		}
	}
	slices.Sort(c.lost)
	return c
}

// timed runs a script and gives the time that it took, as the host saw it.
func (r *rig) timed(script string) (time.Duration, hosts.Result) {
	r.t.Helper()
	res, err := r.host.Exec(context.Background(), "a=$(date +%s%N); ( "+script+"\n); code=$?; echo; echo $(($(date +%s%N) - a)); exit $code")
	if err != nil {
		r.t.Fatal(err)
	}
	lines := strings.Fields(res.Stdout)
	ns, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil {
		r.t.Fatalf("%s: %v", res, err)
	}
	return time.Duration(ns), res
}

func (c cost) String() string {
	var holes []string
	for what, length := range c.holes {
		holes = append(holes, fmt.Sprintf("%s %.1f ms", what, length.Seconds()*1000))
	}
	slices.Sort(holes)
	say := func(list []string) string {
		if len(list) == 0 {
			return "none"
		}
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%.0f ms | %s | %s | %s", c.took.Seconds()*1000, say(holes), say(c.lost), c.result)
}

// BenchmarkApply measures one apply on each of the selected stacks, and beside
// it what people would do by hand. It ends with a table in Markdown:
//
//	STENTOR_TEST_HOSTS=all go test -run '^$' -bench Apply -benchtime 5x ./contrib/hosts
func BenchmarkApply(b *testing.B) {
	var rows strings.Builder
	rows.WriteString("\n| host | way | time | longest hole of others' addresses | lost for good | result |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, s := range selected(b) {
		b.Run(s.String(), func(b *testing.B) {
			ours, hand := measure(newRig(b, s), b)
			fmt.Fprintf(&rows, "| %s | stentor apply (%s) | %s |\n", s, s.backend, ours)
			if hand != nil {
				fmt.Fprintf(&rows, "| %s | by hand | %s |\n", s, hand)
			}
			b.ReportMetric(ours.took.Seconds()*1000, "ms/apply")
			b.ReportMetric(0, "ns/op") // most of it is not the apply
		})
	}
	fmt.Print(rows.String()) // a parent benchmark shows no log
}

func measure(r *rig, b *testing.B) (ours cost, hand *cost) {
	if _, err := r.record.Stop(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	var times []time.Duration
	ours = r.watched(func() {
		for b.Loop() {
			r.config(web, dns)
			took, res := r.timed("stentor apply")
			if res.Code != 0 {
				r.t.Fatalf("stentor apply: %s", res)
			}
			times = append(times, took)
			r.holds(web, dns)
			r.config()
			r.stentor(0, "apply")
		}
	})
	slices.Sort(times)
	ours.took, ours.result = times[len(times)/2], "done"
	if byHand(r.stack) == "" {
		return ours, nil
	}
	var took time.Duration
	var res hosts.Result
	c := r.watched(func() {
		took, res = r.timed(byHand(r.stack))
		// Their commands return before their stack is done.
		deadline := time.After(5 * time.Second)
		for len(r.shared()) < 2 {
			select {
			case <-deadline:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	c.took, c.result = took, verdict(r, res)
	return ours, &c
}

func verdict(r *rig, res hosts.Result) string {
	say := "done"
	if n := len(r.shared()); n < 2 {
		say = fmt.Sprintf("%d of 2 addresses are there", n)
	}
	return fmt.Sprintf("%s, exit %d", say, res.Code)
}
