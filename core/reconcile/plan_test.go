package reconcile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stentor-net/stentor/core/config"
)

// TestPlanKnowsHealth: what is withdrawn for its health is not about to be
// announced; a VIP of which nothing is known counts as healthy.
func TestPlanKnowsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := checked(config.Failover{StartDelay: time.Minute})
		w, l, stop := running(t, t.TempDir(), c)
		defer stop()
		w.bad(l)
		settle(2 * time.Minute)
		steps := func(c *config.Config) int {
			t.Helper()
			_, bgp, err := l.Plan(t.Context(), c, l.BGP)
			if err != nil {
				t.Fatal(err)
			}
			return len(bgp.Steps)
		}
		if got := steps(c); got != 0 {
			t.Errorf("unhealthy: %d steps", got)
		}
		two := checked(config.Failover{StartDelay: time.Minute})
		two.VIPs = append(two.VIPs, conf(2).VIPs...)
		two.VIPs[1].Checks = []string{"new"}
		if got := steps(two); got != 1 {
			t.Errorf("and another VIP: %d steps", got)
		}
		if got := whenPlaced(w.View(), two, routerID(w.View(), two), l.Drains, nil, nil); len(got.Speaker.Announcements) != 2 {
			t.Errorf("without a daemon: %+v", got.Speaker)
		}
	})
}
