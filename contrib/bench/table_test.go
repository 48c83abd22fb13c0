package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *table {
	t := newTable("2 CPUs", "medians")
	t.column("stentor", "1.0")
	t.column("FRR", "8.4.4")
	t.column("BIRD", "")
	t.set("stentor", "start", ms, figure{values: []float64{1000, 900, 1100}})
	t.set("stentor", "UPDATEs", count, one(4))
	t.set("FRR", "start", ms, figure{values: []float64{2500, 2000}})
	t.set("FRR", "UPDATEs", count, one(0.05))
	t.note("a note")
	return t
}

func TestPrint(t *testing.T) {
	var out strings.Builder
	sample().print(&out)
	want := `
2 CPUs; medians

            stentor            FRR                       BIRD
            1.0                8.4.4                     not installed
start, ms   1000 (900..1100)   2250 (2000..2500)  2.2x   
UPDATEs     4                  0  0.013x                 

a note
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWriteJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	if err := sample().writeJSON(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got document
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	value := func(v float64) *float64 { return &v }
	want := document{
		Machine:  "2 CPUs",
		Speakers: map[string]string{"stentor": "1.0", "FRR": "8.4.4", "BIRD": "not installed"},
		Notes:    []string{"a note"},
		Rows: []jsonRow{
			{Name: "start", Unit: ms, Cells: map[string]jsonCell{
				"stentor": {Values: []float64{1000, 900, 1100}, Median: value(1000), Min: value(900), Max: value(1100)},
				"FRR":     {Values: []float64{2500, 2000}, Median: value(2250), Min: value(2000), Max: value(2500), Ratio: 2.25},
			}},
			{Name: "UPDATEs", Cells: map[string]jsonCell{
				"stentor": {Values: []float64{4}, Median: value(4), Min: value(4), Max: value(4)},
				"FRR":     {Values: []float64{0.05}, Median: value(0.05), Min: value(0.05), Max: value(0.05), Ratio: 0.0125},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
