package config

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFindingString(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Finding
		want string
	}{
		{"file alone", Finding{Pos: Pos{File: "a"}, Msg: "m"}, "a: m"},
		{"warning", Finding{Pos: Pos{File: "a"}, Severity: SeverityWarning, Msg: "m", Hint: "h"}, "a: warning: m\n  hint: h"},
		{"line", Finding{Pos: Pos{"a", 7, 3}, Len: 2, Msg: "m", Source: "x=12 "}, "a:7:3: m\n   7 | x=12 \n     |   ^^"},
		{"tab", Finding{Pos: Pos{"a", 7, 3}, Len: 1, Msg: "m", Source: "\tx\ty"}, "a:7:3: m\n   7 | \tx\ty\n     | \t ^"},
		{"wide", Finding{Pos: Pos{"a", 7, 3}, Len: 2, Msg: "m", Source: "日x語y"}, "a:7:3: m\n   7 | 日x語y\n     |    ^^^"},
		{"combining", Finding{Pos: Pos{"a", 7, 3}, Len: 1, Msg: "m", Source: "e\u0301x"}, "a:7:3: m\n   7 | e\u0301x\n     |  ^"},
		{"end of line", Finding{Pos: Pos{"a", 7, 3}, Len: 1, Msg: "m", Source: "xy"}, "a:7:3: m\n   7 | xy\n     |   ^"},
		{"beyond what is shown", Finding{Pos: Pos{"a", 7, 9}, Len: 1, Msg: "m", Source: "xy"}, "a:7:9: m\n   7 | xy"},
	} {
		if got := c.f.String(); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

func TestFindingJSON(t *testing.T) {
	got, err := json.Marshal(Finding{Pos: Pos{"a", 7, 3}, Len: 2, Severity: SeverityError, Msg: "m", Hint: "h", Source: "s"})
	const want = `{"file":"a","line":7,"col":3,"len":2,"severity":"error","message":"m","hint":"h","source":"s"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s (%v)\nwant %s", got, err, want)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		`password = "x"`:                       `password = ...`,
		`"Password"="x"`:                       `"Password"= ...`,
		`a = {b = 1, api_token = "x"}`:         `a = {b = 1, api_token = ...`,
		`password_file = "/etc/k"`:             `password_file = ...`,
		`key_file = "/etc/k"`:                  `key_file = "/etc/k"`,
		`private_key = "x"`:                    `private_key = ...`,
		`İİ secret = "x"`:                      `İİ secret = ...`,
		`role = "primary" # the key to it all`: `role = "primary" # the key to it all`,
		`address = "203.0.113.10/32"`:          `address = "203.0.113.10/32"`,
		`keepalive = "3s"`:                     `keepalive = "3s"`,
		`key = 1 # and then secret = "x"`:      `key = ...`,
		`# the secret is out: password = "x"`:  `# the secret is out: password = ...`,
	} {
		if got := redact(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"address", "asn", "hold_time", "role", "tx"}
	for in, want := range map[string]string{
		"adress": "address", "ADDRESS": "address", "ans": "asn", "hold": "hold_time", "rol": "role", "tz": "tx",
		"frobnicate": "", "": "", strings.Repeat("a", 1000): "",
	} {
		if got := suggest(in, known); got != want {
			t.Errorf("%.20q suggests %q, want %q", in, got, want)
		}
	}
}

// TestEdits: the count is a distance.
func TestEdits(t *testing.T) {
	word := rapid.StringMatching(`[a-c]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := edits(a, b)
		if (d == 0) != (a == b) || d != edits(b, a) || d > max(len(a), len(b)) {
			t.Fatalf("%q to %q is %d, back %d", a, b, d, edits(b, a))
		}
	})
}
