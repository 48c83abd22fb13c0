package health

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"ok\n", "ok"},
		{"  two\n\n\tlines  ", "two lines"},
		{"\x1b[31mred\x1b[0m", "[31mred [0m"},
		{"bad \xff bytes", "bad bytes"},
		{"right to \u202eleft", "right to left"},
		{strings.Repeat("ä", 300), strings.Repeat("ä", maxOutput) + "…"},
	}
	for _, tt := range tests {
		if got := line(tt.in); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("ok\n")
	f.Add("\x1b[31m\xff\u202e")
	f.Fuzz(func(t *testing.T, in string) {
		got := line(in)
		if n := utf8.RuneCountInString(got); n > maxOutput+1 || !utf8.ValidString(got) {
			t.Errorf("%q becomes %d characters: %q", in, n, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf) }) {
			t.Errorf("%q becomes %q", in, got)
		}
	})
}
