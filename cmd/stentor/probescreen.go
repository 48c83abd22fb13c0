package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/stentor-net/stentor/core/probe"
)

// probeScreen prints what happens as it happens: for people, or as JSON lines.
type probeScreen struct {
	w     io.Writer
	lines *json.Encoder // nil: for people
	tally probe.Tally
}

// probeLine begins each line of --json.
type probeLine struct {
	Event string    `json:"event"` // "start", "answer", "switch", "silence", "gap", "summary"
	Time  time.Time `json:"time"`  // of a change: when the request was sent that showed it
}

type probeStart struct {
	probeLine
	Address    string  `json:"address"`
	Kind       string  `json:"kind"`
	IntervalMS float64 `json:"interval_ms"`
}

type probeChange struct {
	probeLine
	By    string    `json:"by,omitempty"`     // who answers from now on
	From  string    `json:"from,omitempty"`   // of a switch: who did before
	Start time.Time `json:"start,omitzero"`   // of a gap: the last answered request before it
	MS    float64   `json:"gap_ms,omitempty"` // of a gap
	Lost  int       `json:"lost,omitempty"`   // in a gap
	Error string    `json:"error,omitempty"`  // of a silence: why nobody answers
}

type probeSummary struct {
	probeLine
	Sent      int            `json:"sent"`
	Lost      int            `json:"lost"`
	Late      int            `json:"late"`    // of the lost: answered after the timeout
	Skipped   int            `json:"skipped"` // not sent in time, and not counted
	Gaps      int            `json:"gaps"`
	LongestMS float64        `json:"longest_gap_ms"`
	Switches  int            `json:"switches"`
	By        map[string]int `json:"by"`
	MinMS     float64        `json:"rtt_min_ms"`
	MeanMS    float64        `json:"rtt_mean_ms"`
	MaxMS     float64        `json:"rtt_max_ms"`
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (p *probeScreen) begin(addr netip.Addr, what string, interval time.Duration) {
	if p.lines != nil {
		_ = p.lines.Encode(probeStart{probeLine{"start", time.Now()}, addr.String(), what, ms(interval)})
		return
	}
	fmt.Fprintf(p.w, "%s by %s every %s\n", addr, what, interval)
}

func (p *probeScreen) add(s probe.Sample) {
	for _, e := range p.tally.Add(s) {
		if p.lines != nil {
			_ = p.lines.Encode(eventLine(e))
			continue
		}
		fmt.Fprintf(p.w, "%s  %s\n", e.At.Local().Format("15:04:05.000"), eventText(e))
	}
}

func eventLine(e probe.Event) probeChange {
	l := probeChange{probeLine: probeLine{string(e.Kind), e.At}, By: e.By, From: e.From}
	switch e.Kind {
	case probe.Silence:
		l.Error = e.Err.Error()
	case probe.GapEnds:
		l.Start, l.MS, l.Lost = e.Gap.Start, ms(e.Gap.Length), e.Gap.Lost
	}
	return l
}

func eventText(e probe.Event) string {
	switch e.Kind {
	case probe.First:
		return strings.TrimSuffix("answered by "+e.By, " by ")
	case probe.Switched:
		return fmt.Sprintf("%s answers now, before it %s", named(e.By), named(e.From))
	case probe.Silence:
		return "no answer: " + e.Err.Error()
	default:
		return fmt.Sprintf("answered again after %.1f ms, %d lost", ms(e.Gap.Length), e.Gap.Lost)
	}
}

// named names an answerer that does not say who it is.
func named(by string) string { return cmp.Or(by, "somebody without a name") }

func (p *probeScreen) end(extra probe.Extra) {
	t := &p.tally
	if p.lines != nil {
		by := map[string]int{}
		for _, c := range t.By {
			by[c.Name] = c.N
		}
		_ = p.lines.Encode(probeSummary{
			probeLine: probeLine{"summary", time.Now()},
			Sent:      t.Sent, Lost: t.Lost, Late: extra.Late, Skipped: extra.Skipped, Gaps: t.Gaps, LongestMS: ms(t.Longest), Switches: t.Switches,
			By: by, MinMS: ms(t.Min), MeanMS: ms(t.Mean()), MaxMS: ms(t.Max),
		})
		return
	}
	fmt.Fprintf(p.w, "\n%s\n", t)
	if g := t.Open(); g.Lost > 0 {
		fmt.Fprintf(p.w, "nobody answered at the end, since %s\n", g.Start.Local().Format("15:04:05.000"))
	}
	var rows [][]string
	for _, c := range t.By {
		rows = append(rows, []string{"  " + named(c.Name), fmt.Sprintf("%d answers", c.N)})
	}
	for _, line := range columns(rows) {
		fmt.Fprintln(p.w, line)
	}
	if t.Sent > t.Lost {
		fmt.Fprintf(p.w, "round trip %.2f ms at least, %.2f on average, %.2f at most\n", ms(t.Min), ms(t.Mean()), ms(t.Max))
	}
	if extra.Late > 0 {
		fmt.Fprintf(p.w, "%d of the lost were answered late\n", extra.Late)
	}
	if extra.Skipped > 0 {
		fmt.Fprintf(p.w, "%d were not sent in time, as this machine was too busy; they count as neither\n", extra.Skipped)
	}
}
