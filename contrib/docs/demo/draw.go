package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// The terminal: rows that are seen at once, and the size of a character.
const (
	rows, columns = 30, 106
	charWidth     = 7.8 // of 13 px in a monospace font
	lineHeight    = 18
	margin        = 14
	// rest is how long the end stands before it begins again.
	rest = 5 * time.Second
)

// draw makes a drawing that plays in a browser by itself (CSS Animations Level
// 1), at the pace of the recording. Who asked for less motion sees the end.
func draw(shown []line) []byte {
	total := shown[len(shown)-1].at + rest
	at := func(d time.Duration) string { return fmt.Sprintf("%.2f%%", 100*d.Seconds()/total.Seconds()) }
	width, height := 2*margin+columns*charWidth, 2*margin+rows*lineHeight

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" role="img" aria-label="stentor lab demo in a terminal: failover and failback without a lost ping">`+"\n", width, height)
	b.WriteString("<style>\n" +
		"text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d6dbe4; white-space: pre }\n" +
		".c { fill: #8fd0ff } .s { fill: #ffd479 } .g { fill: #9be39b } .q { fill: #8b93a1 }\n")
	fmt.Fprintf(&b, "#all, .l { animation: %.2fs step-end infinite }\n", total.Seconds())
	b.WriteString("#all { animation-name: scroll }\n@keyframes scroll { 0% { transform: none }")
	for i, l := range shown {
		if past := i + 1 - rows; past > 0 {
			fmt.Fprintf(&b, " %s { transform: translateY(-%dpx) }", at(l.at), past*lineHeight)
		}
	}
	b.WriteString(" }\n")
	for i, l := range shown {
		if i == 0 || l.at != shown[i-1].at {
			fmt.Fprintf(&b, "@keyframes l%d { 0%% { opacity: 0 } %s, 100%% { opacity: 1 } }\n", i, at(l.at))
		}
	}
	fmt.Fprintf(&b, "@media (prefers-reduced-motion: reduce) { #all, .l { animation: none } #all { transform: translateY(-%dpx) } }\n", max(0, len(shown)-rows)*lineHeight)
	b.WriteString("</style>\n")
	fmt.Fprintf(&b, `<clipPath id="w"><rect width="%.0f" height="%d"/></clipPath><rect width="100%%" height="100%%" rx="8" fill="#171a21"/>`+"\n", width, height)
	b.WriteString(`<g clip-path="url(#w)"><g id="all">` + "\n")
	came := 0
	for i, l := range shown {
		if l.at != shown[came].at {
			came = i
		}
		fmt.Fprintf(&b, `<text class="l%s" style="animation-name:l%d" x="%d" y="%d">%s</text>`+"\n", kind(l.text), came, margin, margin+(i+1)*lineHeight-5, escape(l.text))
	}
	b.WriteString("</g></g></svg>\n")
	return b.Bytes()
}

// kind is a line's colour, as a class after the first one.
func kind(text string) string {
	switch {
	case strings.HasPrefix(text, "$ "):
		return " c"
	case strings.Contains(text, "none of "):
		return " g"
	case strings.HasPrefix(text, "  | "):
		return " q"
	case text != "" && !strings.HasPrefix(text, " "):
		return " s"
	}
	return ""
}

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes everything
	return b.String()
}
