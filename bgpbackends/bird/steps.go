package bird

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/stentor-net/stentor/bgpbackends/internal/lazy"
	"github.com/stentor-net/stentor/plugins"
)

// steps tells a survey to people.
func (b *Backend) steps(v *survey) []plugins.Step {
	if v.fits() {
		return nil
	}
	path := b.file.path()
	switch {
	case v.fileFits():
		return []plugins.Step{{Verb: "change", Object: "what BIRD runs", Diff: "it reads " + path + " again"}}
	case !v.disk.exists && v.body == nil && !v.leftover:
		return []plugins.Step{{Verb: "remove", Object: "what BIRD runs of " + path}}
	case !v.disk.exists && v.body == nil:
		return []plugins.Step{{Verb: "remove", Object: b.file.temp()}}
	}
	s := plugins.Step{Verb: "change", Object: path, Diff: unified(path, v.disk.body, v.body)}
	switch {
	case !v.disk.exists:
		s.Verb = "add"
	case v.body == nil:
		s.Verb = "remove"
	}
	if v.disk.open {
		s.Diff = "everybody can read it; only BIRD shall\n" + s.Diff
	}
	return []plugins.Step{s}
}

// unread tells which files of the operator's have changed since BIRD has read
// them: it takes them over when it reads ours. Where that can't be found out,
// it tells nothing.
func (s *session) unread(ctx context.Context, own string) []plugins.Step {
	r, err := s.ask(ctx, "show status")
	if err != nil {
		return nil
	}
	var read time.Time
	for _, l := range r {
		if word, ok := strings.CutPrefix(strings.TrimSpace(l.text), "Last reconfiguration on "); ok {
			read, _ = parseTime(word, time.Now())
		}
	}
	main, err := s.mainFile(ctx)
	if err != nil || read.IsZero() {
		return nil
	}
	w, _ := includes(main) // as far as it can be read
	var steps []plugins.Step
	for _, f := range w.files {
		if st, err := os.Stat(f); err == nil && f != own && st.ModTime().After(read.Add(time.Second)) {
			steps = append(steps, plugins.Step{Verb: "change", Object: "what BIRD runs of " + f,
				Diff: "its operator has changed it since BIRD has read it; BIRD takes it over with ours\n"})
		}
	}
	return steps
}

// passwordText is the word and the rest of its line, or of the next one.
var passwordText = lazy.Regexp(`(?i)(password)([ \t]*\n)?[^\n]*`)

// mask takes the passwords out of a text. An edited file may have them in any
// shape, so whatever follows the word goes.
func mask(text []byte) []byte { return passwordText().ReplaceAll(text, []byte("${1} (hidden)")) }

// unified compares two versions of our file, without the passwords.
func unified(path string, before, after []byte) string {
	a, z := lines(mask(before)), lines(mask(after))
	if bytes.Equal(mask(before), mask(after)) {
		if bytes.Equal(before, after) {
			return ""
		}
		return "a password changes\n"
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", path, path)
	for _, h := range hunks(a, z) {
		h.write(&out, a, z)
	}
	return out.String()
}

func lines(text []byte) []string {
	var l []string
	for s := range bytes.Lines(text) {
		l = append(l, string(bytes.TrimSuffix(s, []byte("\n"))))
	}
	return l
}

// onlyWithdraws tells whether after is before without some of its prefixes.
func onlyWithdraws(before, after []byte) bool {
	if before == nil {
		return false
	}
	left := lines(after)
	for _, l := range lines(before) {
		switch _, route := routeLine([]byte(l)); {
		case len(left) > 0 && (left[0] == l || isRevision(left[0]) && isRevision(l)):
			left = left[1:]
		case !route:
			return false
		}
	}
	return len(left) == 0
}
