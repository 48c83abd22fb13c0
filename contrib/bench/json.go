package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// document is the table for programs.
type document struct {
	Machine  string            `json:"machine"`
	Speakers map[string]string `json:"speakers"` // name: version
	Notes    []string          `json:"notes"`
	Rows     []jsonRow         `json:"rows"`
}

type jsonRow struct {
	Name  string              `json:"name"`
	Unit  unit                `json:"unit"`
	Cells map[string]jsonCell `json:"cells"` // by speaker
}

// jsonCell has either Text or the rest.
type jsonCell struct {
	Text   string    `json:"text,omitempty"`
	Values []float64 `json:"values,omitempty"` // one for each run, in order
	Median *float64  `json:"median,omitempty"`
	Min    *float64  `json:"min,omitempty"`
	Max    *float64  `json:"max,omitempty"`
	// Ratio is the median by that of the first speaker.
	Ratio float64 `json:"ratio,omitempty"`
}

func (t *table) document() document {
	d := document{Machine: t.machine, Speakers: map[string]string{}, Notes: t.notes, Rows: []jsonRow{}}
	for _, c := range t.columns {
		d.Speakers[c.name] = c.version
	}
	for _, r := range t.rows {
		jr := jsonRow{Name: r.name, Unit: r.unit, Cells: map[string]jsonCell{}}
		for i, c := range t.columns {
			f, ok := r.cells[c.name]
			if !ok {
				continue
			}
			cell := jsonCell{Text: f.words, Values: f.values}
			if len(f.values) > 0 {
				m, low, high := median(f.values), slices.Min(f.values), slices.Max(f.values)
				cell.Median, cell.Min, cell.Max = &m, &low, &high
			}
			if i > 0 {
				cell.Ratio = f.ratio(r.cells[t.columns[0].name])
			}
			jr.Cells[c.name] = cell
		}
		d.Rows = append(d.Rows, jr)
	}
	return d
}

func (t *table) writeJSON(path string) error {
	b, err := json.MarshalIndent(t.document(), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("figures: %w", err)
	}
	return nil
}
