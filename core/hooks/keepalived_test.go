package hooks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/history"
	"github.com/stentor-net/stentor/core/status"
)

// TestKeepalived runs a notify script of keepalived's as it is.
func TestKeepalived(t *testing.T) {
	raw, err := os.ReadFile("testdata/notify.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "notify.sh")
	if err := os.WriteFile(path, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	r, log := runner(t, config.Hook{Name: "x", Exec: []string{path}, On: []string{"vip"}, Timeout: time.Minute, Style: config.StyleKeepalived})
	s := vips(status.VIP{Name: "db", Role: "secondary"}, status.VIP{Name: "web", Role: "primary"})
	steps := [][]history.Event{
		entered("vip web", "", "pending as primary, 0/2 peers"),
		entered("vip db", "", "announced as secondary, 2/2 peers"),
		entered("vip web", "pending as primary, 0/2 peers", "announced as primary, 1/2 peers"),
		entered("vip web", "announced as primary, 1/2 peers", "announced as primary, 2/2 peers"),
		entered("peer rs1", "established", "idle"),
		entered("vip web", "ok", "problem"),
		entered("vip web", "announced as primary, 2/2 peers", "demoted as primary, 2/2 peers"),
		entered("vip web", "demoted as primary, 2/2 peers", "drained as primary, 2/2 peers"),
		entered("vip web", "drained as primary, 0/2 peers", "announced as primary, 2/2 peers"),
		entered("vip web", "announced as primary, 2/2 peers", "withdrawn as primary, 0/2 peers"),
		append(entered("vip db", "announced as secondary, 2/2 peers", "withdrawn as secondary, 0/2 peers"), entered("daemon", "started", "stopped")...),
	}
	for _, events := range steps {
		r.Deliver(events, s)
	}
	settled(t, r, 8)
	said, err := os.ReadFile(dir + "/said")
	if diff := cmp.Diff(`INSTANCE web becomes backup at 100
INSTANCE db becomes backup at 50
INSTANCE web becomes master at 100
INSTANCE web becomes backup at 100
INSTANCE web becomes master at 100
INSTANCE web is in fault at 100
INSTANCE db stops at 50
INSTANCE web stops at 100
`, string(said)); diff != "" || err != nil {
		t.Errorf("%s, %v\n%s", diff, err, log)
	}
}
