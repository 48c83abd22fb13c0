package hosts_test

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const restartNM = "systemctl reset-failed NetworkManager; systemctl restart NetworkManager && nm-online -q -t 20"

// trapRestart: addresses stay through a restart of NetworkManager.
func trapRestart(r *rig) {
	r.begin()
	before, err := r.record.Events(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	r.do(restartNM)
	after, err := r.record.Events(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range after[len(before):] {
		if e.Deleted {
			r.t.Errorf("event: %s", e)
		}
	}
	r.holds(web, dns)
}

// trapRestartMidway: NetworkManager, which forgets its checkpoints, restarts at
// points spread over an apply. That ends in the new state, or says that it
// failed and in the old one.
func trapRestartMidway(r *rig) {
	r.begin()
	began := time.Now()
	r.config(api, dns)
	r.stentor(0, "apply")
	whole := time.Since(began)
	const points = 5
	had := []string{api, dns}
	for n := range points {
		want := []string{[]string{web, api}[n%2], dns}
		r.config(want...)
		after := whole * time.Duration(n+1) / points
		res, err := r.host.Exec(context.Background(), fmt.Sprintf(
			"stentor apply & apply=$!; sleep %.3f; %s; wait $apply", after.Seconds(), restartNM))
		if err != nil {
			r.t.Fatal(err)
		}
		if res.Code == 0 {
			had = want
		}
		r.settled(had...)
		r.stentor(0, "apply")
		r.holds(want...)
		if p := r.pending(); len(p) > 0 {
			r.t.Fatalf("restarted after %s and mended: diff shows %q", after, p)
		}
		had = want
	}
}

// trapCheckpoint: while another tool holds a checkpoint on our device, an apply
// waits, and gives up with that checkpoint's name.
func trapCheckpoint(r *rig) {
	r.begin()
	const nm = "org.freedesktop.NetworkManager"
	call := "busctl call " + nm + " /org/freedesktop/NetworkManager " + nm + " "
	device := strings.TrimSpace(r.do("nmcli -g GENERAL.DBUS-PATH device show $(ip -o -4 address show | grep -F ' " + web + "/' | cut -d' ' -f2)"))
	checkpoint := strings.Trim(strings.Fields(r.do(call + "CheckpointCreate aouu 1 " + device + " 60 0"))[1], `"`)

	r.config(api, dns)
	r.quiet(func() { r.fails(1, checkpoint, "stentor apply") })
	r.holds(web, dns)

	r.do("stentor apply & apply=$!; sleep 1; " + call + "CheckpointDestroy o " + checkpoint + "; wait $apply")
	r.holds(api, dns)
}

// trapProfileDown: an address in a profile of somebody's is not doubled while
// that is down, and adopted once it is up.
func trapProfileDown(r *rig) {
	// A VXLAN, which every kernel has, stands for the guide's dummy device.
	r.do("nmcli connection add type vxlan con-name guide ifname guide0 id 7 remote 192.0.2.1 autoconnect no " +
		"ipv4.method manual ipv4.addresses " + web + "/32 ipv6.method disabled")
	r.config(web)
	r.quiet(func() { r.fails(3, "nmcli connection up", "stentor apply") })
	r.holds()
	r.do("nmcli connection up guide")
	r.settled(web)
	r.stentor(0, "apply")
	r.holds(web)
	r.do("! nmcli connection show stentor")
	r.config()
	r.stentor(0, "apply")
	r.holds(web)
	r.do("nmcli connection delete guide")
}
