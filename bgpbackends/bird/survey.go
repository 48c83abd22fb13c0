package bird

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/plugins"
)

// survey compares what is wanted with the file and with the running BIRD. There
// is no journal: a call that was cut off at any step leaves a difference
// between the three, and the next one finds it.
type survey struct {
	target   speaker
	refused  error  // names what of it this BIRD can't do
	body     []byte // of the file that is wanted; nil wants none
	revision string // that it has
	disk     content
	leftover bool     // of a write that was cut off
	session  *session // nil: BIRD does not run, as down says
	down     error
	running  string // the revision that BIRD runs; "" is none of ours
	disabled bool   // routes of ours are, by an Apply that could do no more
}

// look makes a survey. Its session is to be closed.
func (b *Backend) look(ctx context.Context, target speaker) (*survey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := &survey{target: target, leftover: b.file.leftover()}
	var err error
	if v.disk, err = b.file.read(); err != nil && !(errors.Is(err, plugins.ErrForeign) && target.asn == 0) {
		return nil, err
	}
	if errors.Is(err, plugins.ErrForeign) {
		v.disk = content{} // nothing of ours is there
	}
	v.session, err = dial(ctx, b.socket)
	if errors.Is(err, errDown) {
		v.down = err
		v.body, v.revision = withhold(v.disk.body, target)
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	v.target, v.refused = v.session.version.limit(target)
	around, err := v.session.surroundings(ctx)
	if err == nil {
		v.body, v.revision = renderFile(v.target, around)
		v.disabled = around.disabled
		v.running, err = v.session.revision(ctx)
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *survey) close() {
	if v.session != nil {
		v.session.close()
	}
}

// fileFits tells whether the file is as it shall be.
func (v *survey) fileFits() bool {
	return !v.leftover && v.disk.exists == (v.body != nil) && !v.disk.edited && !v.disk.open && bytes.Equal(v.disk.body, v.body)
}

// fits tells whether nothing is to be done.
func (v *survey) fits() bool {
	return v.fileFits() && (v.session == nil || v.running == v.revision && !v.disabled)
}

// surroundings asks for what a rendering depends on.
func (s *session) surroundings(ctx context.Context) (surroundings, error) {
	r, err := s.ask(ctx, "show protocols")
	if err != nil && refused(err) != codeNoProtocol {
		return surroundings{}, err
	}
	around := surroundings{}
	for _, p := range parseProtocols(r) {
		own := strings.HasPrefix(p.name, ours)
		around.bfd = around.bfd || p.kind == "BFD" && !own
		around.disabled = around.disabled || p.kind == "Static" && own && p.state == "down"
	}
	return around, nil
}

// revision asks for the revision of our configuration that BIRD runs.
func (s *session) revision(ctx context.Context) (string, error) {
	r, err := s.ask(ctx, "eval "+names{ours}.revision())
	switch {
	case refused(err) == codeSyntax: // BIRD knows no such symbol
		return "", nil
	case err != nil:
		return "", err
	}
	return strings.Trim(r.text(codeEval), "\""), nil
}

// fileHead tells a person who opens the file what it is.
const fileHead = "# For BIRD, by stentor, which writes it anew. Change stentor's own config instead.\n\n"

func renderFile(s speaker, around surroundings) (body []byte, revision string) {
	text, revision := render(s, names{ours}, around)
	if text == nil {
		return nil, ""
	}
	return append([]byte(fileHead), text...), revision
}

// withhold takes the lines of prefixes that are not wanted out of a file: all
// that can be done with it while BIRD is down and can't check another one.
// What was withdrawn must not be announced when BIRD comes back.
func withhold(body []byte, target speaker) ([]byte, string) {
	if target.asn == 0 || body == nil {
		return nil, ""
	}
	wanted := prefixes(target)
	var kept bytes.Buffer
	removed := false
	for l := range bytes.Lines(body) {
		if p, ok := routeLine(l); ok && !wanted[p] {
			removed = true
			continue
		}
		kept.Write(l)
	}
	if !removed {
		return body, ""
	}
	// Another revision, so that the next Apply sees that it is no rendering.
	revision := fmt.Sprintf("%x", sha256.Sum256(kept.Bytes()))[:16]
	return replaceRevision(kept.Bytes(), revision), revision
}

// prefixes are those that a speaker announces.
func prefixes(s speaker) map[netip.Prefix]bool {
	all := make(map[netip.Prefix]bool, len(s.routes))
	for _, a := range s.routes {
		all[a.Prefix] = true
	}
	return all
}

// routeLine reads the prefix of a line that announces one.
func routeLine(l []byte) (netip.Prefix, bool) {
	word, ok := strings.CutPrefix(strings.TrimSpace(string(l)), "route ")
	if !ok {
		return netip.Prefix{}, false
	}
	word, _, _ = strings.Cut(word, " ")
	p, err := netip.ParsePrefix(word)
	return p, err == nil
}

// leaving gives the families of which a file announces what is not wanted.
func leaving(body []byte, target speaker) []int {
	wanted := prefixes(target)
	var l []int
	for line := range bytes.Lines(body) {
		if p, ok := routeLine(line); ok && !wanted[p] {
			l = append(l, familyOf(p))
		}
	}
	slices.Sort(l)
	return slices.Compact(l)
}

// revisionLine begins the line that names the revision.
var revisionLine = "define " + names{ours}.revision() + " = "

func isRevision(l string) bool { return strings.HasPrefix(l, revisionLine) }

func replaceRevision(body []byte, revision string) []byte {
	var out bytes.Buffer
	for l := range bytes.Lines(body) {
		if isRevision(string(l)) {
			l = fmt.Appendf(nil, "%s%q;\n", revisionLine, revision)
		}
		out.Write(l)
	}
	return out.Bytes()
}
