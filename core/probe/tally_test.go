package probe

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(i int) time.Time { return time.Date(2026, 1, 2, 3, 4, 5, i*10e6, time.UTC) }

// tally draws a run of requests, 10 ms apart, by who answered each: a or b,
// '.' for nobody.
func tally(run string) (*Tally, []string) {
	t := &Tally{KeepStretches: true}
	var told []string
	for i, by := range run {
		s := Sample{Sent: at(i), By: string(by), RTT: time.Duration(i+1) * ms}
		if by == '.' {
			s = Sample{Sent: at(i), Err: ErrNoAnswer}
		}
		for _, e := range t.Add(s) {
			told = append(told, fmt.Sprintf("%d %s %s<%s %d/%d", e.At.Sub(at(0))/(10*ms), e.Kind, e.By, e.From, e.Gap.Length/ms, e.Gap.Lost))
		}
	}
	return t, told
}

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		run  string
		want string // the tally in one line
		told []string
	}{
		{"", "0 sent, 0 lost", nil},
		{"aaaa", "4 sent, 0 lost", []string{"0 answer a< 0/0"}},
		{"aa..aa", "6 sent, 2 lost, longest gap 30 ms", []string{"0 answer a< 0/0", "2 silence < 0/0", "4 gap a< 30/2"}},
		{"aa..bb", "6 sent, 2 lost, longest gap 30 ms, 1 change of who answers", []string{"0 answer a< 0/0", "2 silence < 0/0", "4 gap b< 30/2", "4 switch b<a 0/0"}},
		{"abba", "4 sent, 0 lost, 2 changes of who answers", []string{"0 answer a< 0/0", "1 switch b<a 0/0", "3 switch a<b 0/0"}},
		{"a.a..a", "6 sent, 3 lost, longest gap 30 ms", []string{"0 answer a< 0/0", "1 silence < 0/0", "2 gap a< 20/1", "3 silence < 0/0", "5 gap a< 30/2"}},
		{"..a", "3 sent, 2 lost, longest gap 20 ms", []string{"0 silence < 0/0", "2 gap a< 20/2", "2 answer a< 0/0"}},
		{"a...", "4 sent, 3 lost, longest gap 30 ms", []string{"0 answer a< 0/0", "1 silence < 0/0"}},
		{"....", "4 sent, 4 lost, longest gap 30 ms", []string{"0 silence < 0/0"}},
	} {
		got, told := tally(tt.run)
		if got.String() != tt.want {
			t.Errorf("%q: %s, want %s", tt.run, got, tt.want)
		}
		if diff := cmp.Diff(tt.told, told); diff != "" {
			t.Errorf("%q tells (-want +got):\n%s", tt.run, diff)
		}
		if open := strings.HasSuffix(tt.run, "."); open != (got.Open().Lost > 0) {
			t.Errorf("%q: open gap %+v", tt.run, got.Open())
		}
	}
}

func TestTallyFigures(t *testing.T) {
	got, _ := tally(".ab.b")
	if diff := cmp.Diff([]Count{{"a", 1}, {"b", 2}}, got.By); diff != "" {
		t.Error(diff)
	}
	if got.Min != 2*ms || got.Max != 5*ms || got.Mean() != 10*ms/3 || got.Gaps != 2 {
		t.Errorf("%s, %s, %s, %d gaps", got.Min, got.Mean(), got.Max, got.Gaps)
	}
	many := &Tally{}
	for i := range 2 * maxNames {
		many.Add(Sample{Sent: at(i), By: fmt.Sprint(i)})
	}
	if len(many.By) != maxNames {
		t.Errorf("%d names are kept", len(many.By))
	}
}

// TestPlot looks at the drawing as what reads it does.
func TestPlot(t *testing.T) {
	for run, want := range map[string][2]int{ // rectangles beside the background, and of those gaps
		"":         {0, 0},
		"aaa":      {1, 0},
		"aa..bb":   {3, 1},
		"....":     {1, 1},
		"..ab.":    {4, 2},
		"abababab": {8, 0},
	} {
		got, _ := tally(run)
		var b strings.Builder
		if err := got.Plot(&b, `<203.0.113.10> & "friends"`, 10*ms); err != nil {
			t.Fatal(err)
		}
		rects, gaps := -1, strings.Count(b.String(), `fill-opacity`)
		for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v\n%s", run, err, &b)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
				rects++
			}
		}
		if rects != want[0] || gaps != want[1] {
			t.Errorf("%q: %d rectangles and %d gaps, want %v", run, rects, gaps, want)
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Errorf("%q: no sound figures\n%s", run, &b)
		}
	}
}

func TestPlotLabelsTheGap(t *testing.T) {
	got, _ := tally("aa...b")
	var b strings.Builder
	if err := got.Plot(&b, "x", 10*ms); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">40 ms</text>", ">a</text>", ">b</text>", "longest gap 40 ms"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, &b)
		}
	}
}
