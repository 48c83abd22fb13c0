package conformance

import (
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
	"github.com/stentor-net/stentor/contrib/lab/span"
	"github.com/stentor-net/stentor/plugins"
)

// TestOtherSpeakers: speakers that package lab has not as route servers take
// what a backend says too, over both families, one hop and several.
func TestOtherSpeakers(t *testing.T) {
	for _, far := range []string{"gobgpd", "exabgp"} {
		t.Run("native to "+far, func(t *testing.T) { testOther(t, far, nil) })
	}
}

func testOther(t *testing.T, far string, root *hosts.Speakers) {
	s := newSpanned(t, "native", far, span.Options{}, root)
	all := len(s.peers)
	s.apply(role(vip4, primary), role(vip6, primary))
	t.Logf("announced by %d sessions after %s", all, s.held("the announcement", vip4, all)+s.held("the other one", vip6, all))
	s.apply(role(vip4, secondary, plugins.GracefulShutdown), role(vip6, secondary))
	s.apply(role(vip6, secondary))
	t.Logf("withdrawn after %s", s.held("the withdrawal", vip4, 0))
	s.held("the route that stays", vip6, all)
	if err := s.far.Kill(""); err != nil {
		t.Fatal(err)
	}
	if err := s.far.Start(s.ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("announced again %s after its restart", s.held("the route after a restart", vip6, all))
	if err := s.b.Apply(s.ctx, plugins.Speaker{}); err != nil {
		t.Fatal(err)
	}
	t.Logf("all gone after %s", s.held("the end", vip6, 0))
}
