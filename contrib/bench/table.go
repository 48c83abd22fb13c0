package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table has a row for each thing measured and a column for each speaker, the
// first of which the others are compared with.
type table struct {
	machine, legend string
	columns         []column
	notes           []string
	rows            []*row
}

type column struct{ name, version string }

// notInstalled stands in place of a version.
const notInstalled = "not installed"

type row struct {
	name  string
	unit  unit
	cells map[string]figure // by column
}

func newTable(machine, legend string) *table { return &table{machine: machine, legend: legend} }

// column adds a speaker; no version means that it is not installed.
func (t *table) column(name, version string) {
	if version == "" {
		version = notInstalled
	}
	t.columns = append(t.columns, column{name, version})
}

// note adds a line below the table, on how to read it.
func (t *table) note(text string) { t.notes = append(t.notes, text) }

// set fills a cell, in the row of that name or in a new one at the end.
func (t *table) set(col, name string, u unit, f figure) {
	for _, r := range t.rows {
		if r.name == name {
			r.cells[col] = f
			return
		}
	}
	t.rows = append(t.rows, &row{name, u, map[string]figure{col: f}})
}

// title is a row's name with its unit.
func (r *row) title() string {
	if r.unit == count {
		return r.name
	}
	return fmt.Sprintf("%s, %s", r.name, r.unit)
}

func (t *table) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s; %s\n\n", t.machine, t.legend)
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	line := func(first string, cell func(i int, c column) string) {
		fmt.Fprint(w, first)
		for i, c := range t.columns {
			fmt.Fprintf(w, "\t%s", cell(i, c))
		}
		fmt.Fprintln(w)
	}
	line("", func(_ int, c column) string { return c.name })
	line("", func(_ int, c column) string { return c.version })
	for _, r := range t.rows {
		line(r.title(), func(i int, c column) string { return t.cell(r, i, c) })
	}
	w.Flush()
	fmt.Fprintln(out)
	for _, n := range t.notes {
		fmt.Fprintln(out, n)
	}
}

func (t *table) cell(r *row, i int, c column) string {
	f, ok := r.cells[c.name]
	if !ok {
		return ""
	}
	text := f.text(r.unit)
	if ratio := f.ratio(r.cells[t.columns[0].name]); i > 0 && ratio > 0 {
		text += "  " + times(ratio)
	}
	return text
}

// times writes a ratio with at least one digit that says something.
func times(ratio float64) string {
	if ratio < 0.1 {
		return fmt.Sprintf("%.2gx", ratio)
	}
	return fmt.Sprintf("%.1fx", ratio)
}
