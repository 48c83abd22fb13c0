package probe

import (
	"cmp"
	"fmt"
	"html"
	"io"
	"strings"
	"time"
)

// The drawing's measures, in pixels.
const (
	plotWidth  = 960
	laneHeight = 30
	laneTop    = 64
	labelWidth = 170
	plotRight  = 20
)

// laneColours tell answerers apart, also for those who don't see red and green
// alike. Those past the last begin again; the lanes are labelled too.
var laneColours = [...]string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c6bb1"}

// maxLanes is how many answerers a drawing shows.
const maxLanes = 24

// Plot draws a tally that kept its stretches as SVG: time goes to the right,
// each answerer has a lane of its own colour, and gaps go through all lanes.
// interval is how long a request stands for.
func (t *Tally) Plot(w io.Writer, title string, interval time.Duration) error {
	var b strings.Builder
	lanes := t.By[:min(len(t.By), maxLanes)]
	lane := map[string]int{}
	for i, c := range lanes {
		lane[c.Name] = i
	}
	bottom := laneTop + max(1, len(lanes))*laneHeight
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="system-ui, sans-serif" font-size="13">`+"\n", plotWidth, bottom+44)
	fmt.Fprintf(&b, `<title>%s</title><rect width="100%%" height="100%%" fill="#fff"/>`+"\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<text x="16" y="26" font-size="16" font-weight="600">%s</text><text x="16" y="46" fill="#555">%s</text>`+"\n", html.EscapeString(title), html.EscapeString(t.String()))
	if len(t.Stretches) > 0 {
		start, end := t.Stretches[0].Start, t.Stretches[len(t.Stretches)-1].End.Add(interval)
		axis := scale{start: start, perPixel: float64(max(end.Sub(start), 1)) / (plotWidth - labelWidth - plotRight)}
		axis.draw(&b, end, bottom)
		for i, s := range t.Stretches {
			if s.Lost {
				t.plotGap(&b, axis, i, bottom, interval)
				continue
			}
			until := s.End.Add(interval)
			if i+1 < len(t.Stretches) && t.Stretches[i+1].Lost {
				until = s.End // there the gap begins
			}
			if n, ok := lane[s.By]; ok {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", axis.x(s.Start), laneTop+n*laneHeight+4, axis.width(s.Start, until), laneHeight-8, laneColours[n%len(laneColours)])
			}
		}
	}
	for i, c := range lanes {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-10, laneTop+i*laneHeight+20, html.EscapeString(short(cmp.Or(c.Name, "answered"))))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// plotGap draws stretch i, which nobody answered, as long as its figure says.
func (t *Tally) plotGap(b *strings.Builder, axis scale, i, bottom int, interval time.Duration) {
	s := t.Stretches[i]
	from, to := s.Start, s.End.Add(interval)
	if i > 0 {
		from = t.Stretches[i-1].End
	}
	if i+1 < len(t.Stretches) {
		to = t.Stretches[i+1].Start
	}
	x, width := axis.x(from), axis.width(from, to)
	fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#d32f2f" fill-opacity=".18" stroke="#d32f2f"/>`+"\n", x, laneTop-2, width, bottom-laneTop+4)
	anchor, at := "middle", x+width/2
	if at > plotWidth-60 {
		anchor, at = "end", plotWidth-plotRight
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s" fill="#b71c1c" font-size="12">%s</text>`+"\n", at, laneTop-5, anchor, millis(to.Sub(from)))
}

// scale is the time axis.
type scale struct {
	start    time.Time
	perPixel float64 // nanoseconds
}

func (a scale) x(t time.Time) float64 { return labelWidth + float64(t.Sub(a.start))/a.perPixel }

// width is at least a pixel and a half: what is short is seen all the same.
func (a scale) width(from, to time.Time) float64 { return max(1.5, float64(to.Sub(from))/a.perPixel) }

// steps are the distances that ticks can have, beside the whole days.
var steps = [...]time.Duration{
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour,
}

// draw puts ticks below, with the time since the start.
func (a scale) draw(b *strings.Builder, end time.Time, bottom int) {
	whole := end.Sub(a.start)
	step := whole/10/(24*time.Hour)*(24*time.Hour) + 24*time.Hour
	for _, s := range steps {
		if whole/s <= 10 {
			step = s
			break
		}
	}
	for d := time.Duration(0); d <= whole; d += step {
		x := a.x(a.start.Add(d))
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle" fill="#555" font-size="12">%s</text>`+"\n", x, laneTop, bottom+4, x, bottom+19, d)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#555" font-size="12">since %s</text>`+"\n", 16, bottom+19, a.start.Format("15:04:05"))
}

func short(s string) string {
	if r := []rune(s); len(r) > 22 {
		return string(r[:21]) + "…"
	}
	return s
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
