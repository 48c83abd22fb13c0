package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestUnreachable(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"a database", `{"modified": "2026-11-20T10:00:00Z"}`, ""},
		{"an empty one", `{}`, "it is empty"},
		{"a captive portal", `<html>`, "invalid character"},
		{"none", "", "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.body == "" || r.URL.Path != "/index/db.json" {
					http.NotFound(w, r)
					return
				}
				_, _ = io.WriteString(w, c.body)
			}))
			defer db.Close()
			err := unreachable(t.Context(), db.URL)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, got %v", c.want, err)
			}
		})
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if err := unreachable(t.Context(), gone.URL); err == nil {
		t.Error("a server that is gone was reached")
	}
}

func TestSummary(t *testing.T) {
	var out strings.Builder
	summary{passed: 2, skipped: []string{"b: why", "a: why"}, left: []string{"the moon: it is far"}}.print(&out)
	if want := "skipped: a: why\nskipped: b: why\nNOT CHECKED: the moon: it is far\n2 passed, 0 failed, 2 skipped\n"; out.String() != want {
		t.Errorf("want\n%s, got\n%s", want, out.String())
	}
}
