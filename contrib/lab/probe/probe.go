// Package probe pings an address at a steady pace and tells who answered each
// request, what got lost, and when the answering host changed.
package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/stentor-net/stentor/core/probe"
)

// Probe is a running ping.
type Probe struct {
	addr     netip.Addr
	interval time.Duration
	who      func(ttl int) string
	pings    *probe.ICMP
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex
	samples []sample
	changed chan struct{} // closed and replaced at each answer
	latest  int           // index of the request answered last; -1 before the first
	broken  error         // why no request goes out
}

// sample is one request; its index is its sequence number.
type sample struct {
	sent     time.Time
	answered time.Time // zero: not yet, or lost
	host     string
}

// Start pings addr every interval until Stop, from the network namespace of
// the calling thread. The TTL or hop limit that an answer arrives with tells
// its sender by who.
func Start(addr netip.Addr, interval time.Duration, who func(ttl int) string) (*Probe, error) {
	pings, err := probe.NewICMP(addr)
	if err != nil {
		return nil, fmt.Errorf("ping %s: %w", addr, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Probe{addr: addr, interval: interval, who: who, pings: pings, stop: cancel, changed: make(chan struct{}), latest: -1}
	p.running.Go(func() {
		probe.Run(ctx, noting{p}, probe.Options{Interval: interval, Timeout: patience}, func(probe.Sample) {})
	})
	return p, nil
}

// Stop ends the ping and reports all of it.
func (p *Probe) Stop() Report {
	p.stop()
	p.running.Wait()
	p.pings.Close()
	return p.Report(time.Time{})
}

// Report tells what happened to the requests sent from since on. Requests that
// may still be answered are left out.
func (p *Probe) Report(since time.Time) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	return report(p.samples, since, time.Now())
}

// settling is for longer than an answer counts that comes late.
const settling = 2 * time.Second

// Settled is Report, which of two answers that came at once may have met the
// later one first: what it takes for lost is looked at again for a while.
func (p *Probe) Settled(since time.Time) Report {
	for end := time.Now().Add(settling); ; {
		r := p.Report(since)
		if r.Lost == 0 || time.Now().After(end) {
			return r
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Answering is the host that answers now, or "" when nobody has for 20
// intervals (and at least 200 ms).
func (p *Probe) Answering() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.latest < 0 {
		return ""
	}
	last := p.samples[p.latest]
	if time.Since(last.answered) > max(20*p.interval, 200*time.Millisecond) {
		return ""
	}
	return last.host
}

// Wait returns as soon as host answers; any host if it is "".
func (p *Probe) Wait(ctx context.Context, host string) error {
	for {
		p.mu.Lock()
		changed, broken := p.changed, p.broken
		p.mu.Unlock()
		now := p.Answering()
		if now != "" && (host == "" || now == host) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("ping %s: waiting for an answer from host %q, %s: %w", p.addr, host, p.state(now, broken), ctx.Err())
		case <-changed:
		}
	}
}

func (p *Probe) state(answering string, broken error) string {
	switch {
	case broken != nil:
		return "sending fails: " + broken.Error()
	case answering == "":
		return "nobody answers"
	}
	return fmt.Sprintf("%q answers", answering)
}

// noting keeps what becomes of each request, and tells of an answer at once.
type noting struct{ *Probe }

func (p noting) Close() error { return p.pings.Close() }

func (p noting) Ask(ctx context.Context) (by string, err error) {
	p.mu.Lock()
	i := len(p.samples)
	p.samples = append(p.samples, sample{sent: time.Now()})
	p.mu.Unlock()
	ttl, err := p.pings.Ping(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if !errors.Is(err, probe.ErrNoAnswer) {
			p.broken = err // no route yet, for one; a lost request like any other
		}
		return "", err
	}
	p.broken = nil
	p.samples[i].answered, p.samples[i].host = time.Now(), p.who(ttl)
	p.latest = max(p.latest, i)
	close(p.changed)
	p.changed = make(chan struct{})
	return p.samples[i].host, nil
}
