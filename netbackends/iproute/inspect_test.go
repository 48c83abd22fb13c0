package iproute

import (
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/plugins"
)

func TestSwept(t *testing.T) {
	root := fstest.MapFS{
		"sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs": {Data: []byte("12\n")},
		"sys/class/net/d0/ifindex":  {Data: []byte("5\n")},
		"sys/class/net/d1/ifindex":  {Data: []byte("6\n")},
		"run/systemd/netif/links/1": {Data: []byte("ADMIN_STATE=configured\n")},
		"run/systemd/netif/links/5": {Data: []byte("ADMIN_STATE=configured\nOPER_STATE=routable\n")},
		"run/systemd/netif/links/6": {Data: []byte("ADMIN_STATE=unmanaged\n")},
	}
	var want []plugins.VIP
	for i, link := range []string{"lo", "d0", "d0", "d1", "gone"} {
		want = append(want, plugins.VIP{Addr: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), Link: link})
	}
	expected := []plugins.Finding{{
		Code: "networkd-foreign-addresses", Severity: plugins.SeverityWarning, Object: "link d0",
		Message: "systemd-networkd configures d0 too, and takes shared IPs off it when it starts anew, as by an upgrade",
		Hint:    "leave link out, so that they stand on lo, or write KeepConfiguration=yes into [Network] of its file",
	}}
	if d := cmp.Diff(expected, swept(root, want)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	root["sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.procs"].Data = nil
	if got := swept(root, want); got != nil {
		t.Errorf("networkd does not run: %v", got)
	}
}
