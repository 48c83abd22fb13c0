package probe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReport draws a run of requests, 10 ms apart, by who answered each: a or
// b, '.' for nobody.
func TestReport(t *testing.T) {
	at := func(i int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, i*10e6, time.UTC) }
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, tt := range []struct {
		name  string
		run   string
		since int           // first request that counts
		age   time.Duration // how long ago the last one was sent
		want  Report
	}{
		{"nothing sent", "", 0, 0, Report{}},
		{"all answered", "aaaa", 0, 0, Report{Sent: 4}},
		{"the newest may still be answered", "aa..", 0, ms(20), Report{Sent: 2}},
		{"the newest are lost in the end", "aa..", 0, ms(600), Report{Sent: 4, Lost: 2, Gaps: []Gap{{Start: at(1), Lost: 2, Length: ms(20)}}}},
		{"a later answer ends the wait", "aa..a", 0, 0, Report{Sent: 5, Lost: 2, Gaps: []Gap{{Start: at(1), Lost: 2, Length: ms(30)}}}},
		{"failover with a gap", "aa..bb", 0, 0, Report{Sent: 6, Lost: 2,
			Gaps:     []Gap{{Start: at(1), Lost: 2, Length: ms(30)}},
			Switches: []Switch{{At: at(4), From: "a", To: "b"}}}},
		{"there and back without loss", "abba", 0, 0, Report{Sent: 4,
			Switches: []Switch{{At: at(1), From: "a", To: "b"}, {At: at(3), From: "b", To: "a"}}}},
		{"two gaps", "a.a..a", 0, 0, Report{Sent: 6, Lost: 3,
			Gaps: []Gap{{Start: at(0), Lost: 1, Length: ms(20)}, {Start: at(2), Lost: 2, Length: ms(30)}}}},
		{"lost from the first on", "..a", 0, 0, Report{Sent: 3, Lost: 2, Gaps: []Gap{{Start: at(0), Lost: 2, Length: ms(20)}}}},
		{"what was before since does not count", "a..bb.b", 4, 0, Report{Sent: 3, Lost: 1, Gaps: []Gap{{Start: at(4), Lost: 1, Length: ms(20)}}}},
		{"but who answered then is remembered", "aab", 2, 0, Report{Sent: 1, Switches: []Switch{{At: at(2), From: "a", To: "b"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var samples []sample
			for i, host := range tt.run {
				s := sample{sent: at(i)}
				if host != '.' {
					s.answered, s.host = s.sent.Add(time.Millisecond), string(host)
				}
				samples = append(samples, s)
			}
			got := report(samples, at(tt.since), at(len(tt.run)-1).Add(tt.age))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("report of %q (-want +got):\n%s", tt.run, d)
			}
		})
	}
}

func TestLongest(t *testing.T) {
	r := Report{Sent: 9, Lost: 3, Gaps: []Gap{{Length: 20 * time.Millisecond}, {Length: 50 * time.Millisecond}, {Length: 30 * time.Millisecond}}}
	if got, want := r.String(), "9 pings, 3 lost, longest gap 50 ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
