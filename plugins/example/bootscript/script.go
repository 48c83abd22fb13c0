package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// The script's own lines. The second one tells whose it is, and whether the
// rest is as we wrote it.
const (
	shebang = "#!/bin/sh\n"
	owner   = "# written by Stentor's backend bootscript, sha256="
	advice  = `# It puts this host's shared addresses on lo at boot. Do not edit it: change
# /etc/stentor/stentor.toml. When no VIP is left there, this file goes too.
`
	ours    = "ip address replace %s dev lo # %s\n"
	adopted = "# there before, and not ours: %s # %s\n"
)

// maxScript is far above what ten thousand addresses need.
const maxScript = 1 << 20

// entry is one address in the script.
type entry struct {
	name    string
	addr    netip.Addr
	adopted bool // was on the host before us
}

// script is the file: no entries and no text if there is none.
type script struct {
	entries []entry // by address
	text    string
	edited  bool // by hand, since we wrote it
}

func (s script) find(a netip.Addr) (entry, bool) {
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.addr == a })
	if i < 0 {
		return entry{}, false
	}
	return s.entries[i], true
}

// with has what either of the two has; what both have is as next says.
func (s script) with(next script) (script, error) {
	all := slices.Clone(next.entries)
	for _, e := range s.entries {
		if _, there := next.find(e.addr); !there {
			all = append(all, e)
		}
	}
	return newScript(all)
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// newScript writes the text for entries.
func newScript(entries []entry) (script, error) {
	if len(entries) == 0 {
		return script{}, nil
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.addr.Compare(b.addr) })
	var body strings.Builder
	body.WriteString(advice)
	for _, e := range entries {
		if !plain(e.name) || !e.addr.IsValid() || e.addr.Zone() != "" {
			return script{}, fmt.Errorf("VIP %q with the address %s can't stand in a script", e.name, e.addr)
		}
		format := ours
		if e.adopted {
			format = adopted
		}
		fmt.Fprintf(&body, format, host(e.addr), e.name)
	}
	return script{entries: entries, text: shebang + owner + sum(body.String()) + "\n" + body.String()}, nil
}

// plain names can't end the comment in which they stand; root runs the script.
func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	})
}

func sum(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

var errNotOurs = errors.New("not written by Stentor's backend bootscript")

// parseScript reads a text of ours.
func parseScript(text string) (script, error) {
	rest, ok := strings.CutPrefix(text, shebang+owner)
	if !ok {
		return script{}, errNotOurs
	}
	is, body, _ := strings.Cut(rest, "\n")
	s := script{text: text, edited: is != sum(body)}
	for line := range strings.Lines(body) {
		for format, foreign := range map[string]bool{ours: false, adopted: true} {
			var prefix, name string
			if n, _ := fmt.Sscanf(line, format, &prefix, &name); n != 2 || !plain(name) {
				continue
			}
			p, err := netip.ParsePrefix(prefix)
			if _, twice := s.find(p.Addr()); err == nil && p.IsSingleIP() && !twice {
				s.entries = append(s.entries, entry{name: name, addr: p.Addr(), adopted: foreign})
			}
		}
	}
	return s, nil
}

func readScript(path string) (script, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return script{}, nil
	} else if err != nil {
		return script{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	if err != nil {
		return script{}, err
	}
	s, err := parseScript(string(text))
	if err != nil || len(text) > maxScript {
		return script{}, fmt.Errorf("%s: %w, and it is left alone; move it away, or set script in [backend.bootscript]: %w", path, errNotOurs, plugins.ErrForeign)
	}
	return s, nil
}

// write puts the script in place, whole or not at all; an empty one is removed.
func (s script) write(path string) error {
	// OpenRC runs *.start alone, and a file left by a crash is used again.
	draft := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if s.text == "" {
		for _, p := range []string{path, draft} {
			if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		return nil
	}
	if now, err := os.ReadFile(path); err == nil && bytes.Equal(now, []byte(s.text)) {
		return nil
	}
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.text)
	if err == nil {
		err = f.Sync() // or the new name may stand for an empty file after a power cut
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return os.Rename(draft, path)
}

// save keeps a copy of what was edited by hand.
func (s script) save(dir string) error {
	return os.WriteFile(filepath.Join(dir, "edited-"+sum(s.text)[:12]), []byte(s.text), 0o600)
}

// diff shows the lines that go and come.
func diff(path, from, to string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s\n", path, path)
	for _, side := range []struct{ sign, text, other string }{{"-", from, to}, {"+", to, from}} {
		other := map[string]bool{}
		for line := range strings.Lines(side.other) {
			other[line] = true
		}
		for line := range strings.Lines(side.text) {
			if !other[line] {
				b.WriteString(side.sign + line)
			}
		}
	}
	return b.String()
}
