package main

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/stentor-net/stentor/core/control"
)

// indent sets text off from the line above it.
func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// number counts things, in words that fit one of them too.
func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// columns aligns rows, and gives one line for each.
func columns(rows [][]string) []string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush() // into memory
	if b.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// encode gives the bytes that --json prints.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := control.Encode(&b, v)
	return b.Bytes(), err
}
