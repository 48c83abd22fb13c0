package host

import (
	"errors"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

// TestKeepTrying: what does not come up at first is a backend all the same, says
// what is wrong, and works once it comes up, with the settings that it was given.
func TestKeepTrying(t *testing.T) {
	for name, words := range map[string][]string{
		"late":       {"ended before it shook hands: exit status 3", "the licence server is down"},
		"lateconfig": {"configured as before", "exit status 4"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			path := r.install(name)
			settings := plugins.Config{Settings: map[string]any{"why": "because"}}
			b, err := r.tryOpen(name)
			if err == nil {
				err = b.Configure(t.Context(), settings)
				b.Close()
			}
			if err == nil {
				t.Fatal("its failure is no error")
			}
			r.KeepTrying = true
			b = r.open(name)
			if i := b.Info(); i.Name != name || !i.Has(plugins.CapLink) {
				t.Errorf("it is not what its manifest says: %+v", i)
			}
			if err := b.Configure(t.Context(), settings); err != nil {
				t.Fatal(err)
			}
			r.eventually("it was started again", func() bool { return strings.Contains(b.State().LastEnd, words[0]) })
			r.eventually("it says what is wrong", func() bool {
				_, err = b.Detect(t.Context())
				return err != nil
			})
			r.says(err, append(words, "plugin "+path)...)
			if !errors.Is(err, plugins.ErrUnavailable) {
				t.Errorf("%v: nobody would try again", err)
			}
			r.write(path+".ready", nil, 0o644)
			r.eventually("it runs, configured", func() bool {
				d, err := b.Detect(t.Context())
				return err == nil && d.Why == "because"
			})
		})
	}
}

// TestKeepTryingEnds: Close does not wait for what never comes up.
func TestKeepTryingEnds(t *testing.T) {
	r := newRig(t)
	r.KeepTrying = true
	r.install("exits")
	if err := r.open("exits").Close(); err != nil {
		t.Error(err)
	}
}
