package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTally(t *testing.T) {
	tests := []struct {
		name       string
		initial    State
		rise, fall int
		results    string // as in a history
		want       string // the state after each: u unknown, U up, D down, B broken
	}{
		{"two good results make it up", Unknown, 2, 3, "++", "uU"},
		{"a bad one in between starts again", Unknown, 2, 3, "+-++", "uuuU"},
		{"three bad ones make it down", Unknown, 2, 3, "---", "uuD"},
		{"one bad result is forgiven", Up, 2, 3, "--+--+---", "UUUUUUUUD"},
		{"one good result is no recovery", Down, 2, 3, "+-+-++", "DDDDDU"},
		{"a check that can't run is not up", Up, 2, 3, "!!!", "UUB"},
		{"nothing known: broken", Unknown, 2, 2, "!!", "uB"},
		{"what is not good counts together", Up, 2, 3, "-!-", "UUD"},
		{"the last one names the state", Up, 2, 3, "-!-!", "UUDB"},
		{"broken is left by a result", Broken, 2, 3, "-++", "BBU"},
		{"rise and fall of one", Unknown, 1, 1, "+-+", "UDU"},
		{"believed up until the contrary is known", Up, 2, 1, "-", "D"},
		{"believed down until the contrary is known", Down, 2, 3, "++", "DU"},
	}
	letters := map[State]byte{Unknown: 'u', Up: 'U', Down: 'D', Broken: 'B'}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, got := tally{state: tt.initial}, ""
			for _, o := range tt.results {
				c = c.add(Outcome(o), tt.rise, tt.fall)
				got += string(letters[c.state])
			}
			if got != tt.want {
				t.Errorf("after %s the states are %s, want %s", tt.results, got, tt.want)
			}
		})
	}
}

func TestTallyUndecided(t *testing.T) {
	tests := []struct {
		initial State
		results string
		want    bool
	}{
		{Unknown, "", true},
		{Unknown, "+", true},
		{Unknown, "++", false},
		{Up, "", true}, // nobody has looked yet
		{Up, "+", false},
		{Up, "+-", true},
		{Up, "---", false},
		{Down, "-", false},
		{Down, "-+", true},
		{Down, "-++", false},
		{Unknown, "!!!", false},
	}
	for _, tt := range tests {
		c := tally{state: tt.initial}
		for _, o := range tt.results {
			c = c.add(Outcome(o), 2, 3)
		}
		if c.undecided() != tt.want {
			t.Errorf("%s and then %q: undecided is %t, want %t", tt.initial, tt.results, !tt.want, tt.want)
		}
	}
}

func TestPace(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name        string
		every, fast int // ms
		share       float64
		due, now    int
		undecided   bool
		want        int
	}{
		{"a run that takes no time", 1000, 1000, 0.5, 500, 500, false, 1500},
		{"what a run takes does not add up", 1000, 1000, 0.5, 500, 900, false, 1500},
		{"nor does a late start", 1000, 1000, 0.5, 500, 1499, false, 1500},
		{"a run that takes too long skips a slot", 1000, 1000, 0.5, 500, 1501, false, 2500},
		{"undecided it is faster", 1000, 200, 0.5, 500, 510, true, 700},
		{"but never before the last is over", 1000, 200, 0.5, 500, 900, true, 900},
		{"decided it goes back to its slots", 1000, 200, 0.5, 900, 910, false, 1500},
		{"undecided without a faster pace", 1000, 1000, 0.5, 500, 500, true, 1500},
		{"a seldom check goes to its slot after the first run", 60000, 60000, 0.5, 500, 500, false, 30000},
		{"and then stays there", 60000, 60000, 0.5, 30000, 30004, false, 90000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
			p, _ := newPace(start, ms(tt.every), ms(tt.fast), tt.share)
			if got := p.next(at(tt.due), at(tt.now), tt.undecided); !got.Equal(at(tt.want)) {
				t.Errorf("next is after %s, want after %s", got.Sub(start), ms(tt.want))
			}
		})
	}
}

func TestPaceHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		every := time.Duration(rapid.IntRange(100, 60_000).Draw(t, "every")) * time.Millisecond
		fast := time.Duration(rapid.Int64Range(int64(50*time.Millisecond), int64(every)).Draw(t, "fast"))
		p, due := newPace(start, every, fast, rapid.Float64Range(0, 0.999).Draw(t, "share"))
		if due.Before(start) || due.Sub(start) > min(every, firstWithin) {
			t.Fatalf("the first run comes after %s", due.Sub(start))
		}
		for range 20 {
			took := time.Duration(rapid.Int64Range(0, 2*int64(every)).Draw(t, "took"))
			undecided := rapid.Bool().Draw(t, "undecided")
			now := due.Add(took)
			next := p.next(due, now, undecided)
			switch {
			case next.Before(now):
				t.Fatalf("the next run begins %s before the last is over", now.Sub(next))
			case next.Sub(now) > every:
				t.Fatalf("the next run comes %s later, and every is %s", next.Sub(now), every)
			case !undecided && next.Sub(p.slot)%every != 0:
				t.Fatalf("%s is beside the slots", next)
			}
			due = next
		}
	})
}

func TestShareSpreads(t *testing.T) {
	const checks, parts = 2000, 20
	r := New(discard(), func() {})
	var load [parts]int
	for i := range checks {
		load[int(share(r.seed, "web/check-"+string(rune('a'+i%26))+time.Duration(i).String())*parts)]++
	}
	for i, n := range load {
		if n < checks/parts/2 || n > checks/parts*2 {
			t.Errorf("part %d of the period has %d of %d checks", i, n, checks)
		}
	}
}
