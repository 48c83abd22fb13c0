package bird

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

var errCut = errors.New("cut off here")

// cutAfter gives a backend that dies before its nth step.
func (r *rig) cutAfter(n int) (*Backend, *string) {
	b, last := r.backend(), new(string)
	b.step = func(name string) error {
		if *last = name; n == 0 {
			return errCut
		}
		n--
		return nil
	}
	return b, last
}

// TestCutAtEachStep: whatever step a process dies before, BIRD may restart, and
// the next process ends in exactly what is wanted then. The operator's part is
// as it was.
func TestCutAtEachStep(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	_, probe := r.scripted(nil)
	conf := r.read(r.dir + "/bird.conf")
	empty := plugins.Speaker{}
	first := speakerOf([]plugins.Peer{probe}, announcement("198.18.0.1/32", 1), announcement("198.18.0.2/32", 1))
	role := speakerOf([]plugins.Peer{probe}, announcement("198.18.0.1/32", 2), announcement("198.18.0.2/32", 1))
	fewer := speakerOf([]plugins.Peer{probe}, announcement("198.18.0.2/32", 1))
	for _, c := range []struct {
		name     string
		from, to plugins.Speaker
	}{
		{"add", empty, first}, {"role", first, role}, {"withdraw", role, fewer}, {"remove", fewer, empty},
	} {
		steps := 0
		for n := 0; ; n++ {
			r.apply(c.from)
			b, last := r.cutAfter(n)
			err := b.Apply(r.Context(), c.to)
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) {
				t.Fatalf("%s, cut before step %d (%s): %v", c.name, n, *last, err)
			}
			steps++
			for _, restart := range []bool{false, true} {
				if restart {
					r.stopBIRD()
					r.startBIRD()
				}
				for _, then := range []plugins.Speaker{c.to, c.from, c.to} {
					r.b = r.backend()
					r.apply(then)
					r.settled(then)
					r.holdsExactly(fmt.Sprintf("%s, cut before %s, restart %v", c.name, *last, restart), then)
				}
			}
		}
		if steps < 3 {
			t.Errorf("%s has %d steps only", c.name, steps)
		}
	}
	if after := r.read(r.dir + "/bird.conf"); after != conf {
		t.Errorf("bird.conf is now\n%s", after)
	}
}

// holdsExactly asks BIRD for the routes in our tables, and looks at the folder.
func (r *rig) holdsExactly(when string, want plugins.Speaker) {
	r.Helper()
	var got []string
	if want.ASN != 0 {
		for _, p := range parseRoutes(r.ask("show route table " + names{ours}.table(4))) {
			got = append(got, p.String())
		}
	}
	var expect []string
	for _, a := range want.Announcements {
		expect = append(expect, a.Prefix.String())
	}
	if fmt.Sprint(got) != fmt.Sprint(expect) {
		r.Fatalf("%s: BIRD has %v, want %v", when, got, expect)
	}
	if want.ASN == 0 {
		if code := r.ask("show protocols \"stentor_*\"").code(); code != codeNoProtocol {
			r.Fatalf("%s: BIRD still has protocols of ours", when)
		}
		if files := r.files(); len(files) > 0 {
			r.Fatalf("%s: left behind: %v", when, files)
		}
	}
}
