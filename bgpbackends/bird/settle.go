package bird

import (
	"context"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

const (
	// settleTime bounds the wait until the peers were sent what Apply changed.
	// A peer that does not read must not hold up the others.
	settleTime = 2 * time.Second
	// pollEvery is how often BIRD is asked while it is at work.
	pollEvery = 5 * time.Millisecond
)

// settle waits until BIRD has sent each established peer what target says. Two
// looks in a row must agree: versions before 2.15 do not tell what is still in
// their queues, but they empty these before they take another command.
func (s *session) settle(ctx context.Context, target speaker) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for quiet := 0; quiet < 2; {
		protocols, err := s.protocols(ctx)
		if err != nil {
			return // Observe will tell
		}
		if quiet++; !sent(protocols, target) {
			quiet = 0
		}
		pause(ctx, pollEvery)
		if ctx.Err() != nil {
			return
		}
	}
}

// sent tells whether each established peer has been sent what it is to be told.
func sent(protocols []protocol, target speaker) bool {
	for _, p := range protocols {
		if sessionState(p.bgpState) != plugins.StateEstablished {
			continue
		}
		want := 0
		for _, a := range target.routes {
			if told(a, strings.TrimPrefix(p.name, ours+"peer_")) {
				want++
			}
		}
		// A channel that is down carries nothing, whatever is wanted.
		if p.pending || p.exported > want || p.exported < want && len(p.down) == 0 {
			return false
		}
	}
	return true
}
