package main

import (
	"bytes"
	"strings"

	"github.com/stentor-net/stentor/core/control"
)

// indent sets text off from the line above it.
func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// encode gives the bytes that --json prints.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := control.Encode(&b, v)
	return b.Bytes(), err
}
