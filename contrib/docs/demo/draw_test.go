package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestDraw looks for every line, at its time, in a document that XML parsers take.
func TestDraw(t *testing.T) {
	shown := []line{{0, "$ stentor lab demo"}, {5 * time.Second, "a <b> & c"}, {5 * time.Second, "none of 3 pings lost"}}
	for i := range rows {
		shown = append(shown, line{10 * time.Second, fmt.Sprint(i)})
	}
	svg := draw(shown)
	texts := texts(t, svg)
	if len(texts) != len(shown) {
		t.Fatalf("%d lines of %d are there", len(texts), len(shown))
	}
	for i, l := range shown {
		if texts[i] != l.text {
			t.Errorf("line %d is %q, want %q", i, texts[i], l.text)
		}
	}
	// 5 s of 10 s and the rest; and the last three lines push the first ones out.
	for _, want := range []string{"@keyframes l1 { 0% { opacity: 0 } 33.33%, 100%", "66.67% { transform: translateY(-54px) }"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("there is no %q", want)
		}
	}
}

// TestDemo looks at the drawing that README shows.
func TestDemo(t *testing.T) {
	svg, err := os.ReadFile("../img/demo.svg")
	if err != nil {
		t.Fatal(err)
	}
	if len(svg) > 200<<10 {
		t.Errorf("it has %d bytes", len(svg))
	}
	all := strings.Join(texts(t, svg), "\n")
	for _, want := range []string{"$ stentor lab demo", "b takes over", "none of", "nothing is left behind"} {
		if !strings.Contains(all, want) {
			t.Errorf("it does not show %q; record it anew", want)
		}
	}
}

// texts are the lines of a drawing.
func texts(t *testing.T, svg []byte) (all []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	inside := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if inside = e.Name.Local == "text"; inside {
				all = append(all, "")
			}
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside {
				all[len(all)-1] += string(e)
			}
		}
	}
}
