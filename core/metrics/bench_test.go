package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/stentor-net/stentor/core/status"
)

// BenchmarkPublished is what a snapshot of 5000 VIPs costs the loop when one moved.
func BenchmarkPublished(b *testing.B) {
	host := func(moved status.State) *status.Status {
		s := &status.Status{}
		for i := range 5000 {
			s.VIPs = append(s.VIPs, status.VIP{Name: fmt.Sprintf("vip%05d", i), State: status.Announced, AnnouncedTo: []string{"rs1"}})
		}
		s.VIPs[2500].State = moved
		return s
	}
	e, old, cur := newEdges(), host(status.Announced), host(status.Withdrawn)
	e.published(nil, old, time.Unix(1, 0))
	for b.Loop() {
		e.published(old, cur, time.Unix(2, 0))
	}
}
