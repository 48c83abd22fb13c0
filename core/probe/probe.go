// Package probe asks an address again and again, and tells who answered, what
// got lost and how long nobody answered.
package probe

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Asker asks the address once. What it gives names whoever answered, as well
// as the protocol can tell; it may be empty. Many calls run at a time.
type Asker interface {
	Ask(ctx context.Context) (by string, err error)
	Close() error
}

// Options say how to ask.
type Options struct {
	Interval time.Duration
	// Timeout is how long a request waits for its answer. What comes later is
	// lost, and counted as late.
	Timeout time.Duration
	Count   int           // how many requests; 0: any number
	For     time.Duration // how long; 0: until the context ends
}

// Sample is one request. Samples come in the order in which they were sent.
type Sample struct {
	Sent time.Time
	By   string
	RTT  time.Duration
	Err  error // why there is no answer; nil if there is one
}

// Extra is what no sample tells.
type Extra struct {
	Late    int // answers that came after their request was given up
	Skipped int // requests that were not sent in time, as this machine was too busy
}

// patience is how long an answer is waited for, in timeouts, to tell one that
// is late from none.
const patience = 3

// Run asks until the options or ctx say enough, and calls each with every
// sample. Requests are due at whole intervals after the first, whatever each
// takes; those that could not be sent within theirs are left out: a burst
// afterwards would tell nothing of the time that was missed.
func Run(ctx context.Context, a Asker, o Options, each func(Sample)) Extra {
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	r := run{asker: a, timeout: o.Timeout}
	asking, end := context.WithCancel(context.WithoutCancel(ctx)) // what is on its way when ctx ends is waited for
	r.ctx = asking
	// What was asked is answered or given up within the timeout, so that the
	// sender never waits for the reader.
	asked := make(chan (<-chan Sample), o.Timeout/o.Interval+16)
	skipped := make(chan int, 1)
	go func() {
		defer close(asked)
		skipped <- send(ctx, o, func() { asked <- r.ask() })
	}()
	for answered := range asked {
		each(<-answered)
	}
	end()
	r.asks.Wait()
	return Extra{Late: int(r.late.Load()), Skipped: <-skipped}
}

// send calls one at each interval, and gives how many it left out.
func send(ctx context.Context, o Options, one func()) (skipped int) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	slot := 0
	for sent := 0; o.Count == 0 || sent < o.Count; sent++ {
		select {
		case <-ctx.Done():
			return skipped
		case <-timer.C:
		}
		if ctx.Err() != nil { // both at once
			return skipped
		}
		if missed := int(time.Since(start)/o.Interval) - slot; missed > 0 {
			slot, skipped = slot+missed, skipped+missed
		}
		one()
		slot++
		timer.Reset(time.Until(start.Add(time.Duration(slot) * o.Interval)))
	}
	return skipped
}

// run is one Run.
type run struct {
	asker   Asker
	timeout time.Duration
	ctx     context.Context
	asks    sync.WaitGroup
	late    atomic.Int64
}

// ask sends one request. The sample comes when it is answered or given up,
// whichever is first.
func (r *run) ask() <-chan Sample {
	out := make(chan Sample, 1)
	sent := time.Now()
	var settled atomic.Bool
	settle := func(s Sample) bool {
		first := settled.CompareAndSwap(false, true)
		if first {
			out <- s
		}
		return first
	}
	giveUp := time.AfterFunc(r.timeout, func() { settle(Sample{Sent: sent, Err: ErrNoAnswer}) })
	r.asks.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, patience*r.timeout)
		defer cancel()
		by, err := r.asker.Ask(ctx)
		giveUp.Stop()
		if !settle(Sample{Sent: sent, By: by, RTT: time.Since(sent), Err: err}) && err == nil {
			r.late.Add(1)
		}
	})
	return out
}

// ErrNoAnswer is why a sample has no answer when nothing else is known.
var ErrNoAnswer = errors.New("no answer in time")
