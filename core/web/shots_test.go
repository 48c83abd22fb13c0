package web

import (
	"bytes"
	"encoding/base64"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var shots = flag.String("shots", "", "write the documentation's screenshots to this folder")

// TestScreenshots draws the page as the documentation shows it:
//
//	go test ./core/web -run TestScreenshots -shots ../../contrib/docs/img
func TestScreenshots(t *testing.T) {
	dir := *shots
	if dir == "" {
		dir = t.TempDir() // that it can be drawn is worth a test by itself
	}
	url, b := browse(t, incident(t))
	for _, shot := range []struct {
		file          string
		width, height int
		scheme        string
	}{
		{"status-light.png", 1280, 1320, "light"},
		{"status-dark.png", 1280, 1320, "dark"},
		{"status-phone.png", 360, 1420, "light"},
	} {
		p := b.open(url, shot.width, shot.height, object{"prefers-color-scheme": shot.scheme, "prefers-reduced-motion": "reduce"})
		p.shows("#link", "live")
		p.shows("#event-list", "vip api")
		var answer struct{ Data string }
		p.call(p.session, "Page.captureScreenshot", object{"format": "png"}, &answer)
		picture, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(answer.Data)))
		if err != nil {
			t.Fatal(err)
		}
		var small bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, paletted(picture)); err != nil {
			t.Fatal(err)
		}
		if small.Len() < 10_000 || small.Len() > 150_000 {
			t.Errorf("%s has %d bytes", shot.file, small.Len())
		}
		if err := os.WriteFile(filepath.Join(dir, shot.file), small.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// paletted makes a picture of a page small: its 256 most frequent colours say
// all of it.
func paletted(m image.Image) image.Image {
	count := map[color.Color]int{}
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			count[m.At(x, y)]++
		}
	}
	var colours color.Palette
	for c := range count {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b color.Color) int { return count[b] - count[a] })
	out := image.NewPaletted(m.Bounds(), colours[:min(256, len(colours))])
	draw.Draw(out, m.Bounds(), m, m.Bounds().Min, draw.Src)
	return out
}
