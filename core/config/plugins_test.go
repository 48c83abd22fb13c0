package config

import (
	"strings"
	"testing"

	"github.com/stentor-net/stentor/plugins"
)

// TestRequirePin: whether plugins need a pin is known before the first of them
// is asked for.
func TestRequirePin(t *testing.T) {
	const rest = "[bgp]\nbackend = \"acme\"\nasn = 65001\n[bgp.peer.tor1]\naddress = \"192.0.2.1\"\nasn = 64512\n"
	for text, want := range map[string]bool{
		"":                                    false,
		"[plugins]\n":                         false,
		"[plugins]\nrequire_pin = false\n":    false,
		"[plugins]\nrequire_pin = true\n":     true,
		"[plugins]\nrequire_pin = \"true\"\n": false, // and a mistake
	} {
		var told *bool
		_, _, err := LoadTexts([]File{{Path: "stentor.toml", Text: text + rest}}, Options{
			Offline:    true,
			RequirePin: func(all bool) { told = &all },
			Info: func(_ plugins.Kind, name string) (plugins.Info, bool) {
				if told == nil {
					t.Errorf("%q: asked for %s too early", text, name)
				}
				return plugins.Info{Name: name}, true
			},
		})
		if told == nil || *told != want {
			t.Errorf("%q: %v", text, told)
		}
		wrong := strings.Contains(text, `"`)
		if (err != nil) != wrong || wrong && !strings.Contains(err.Error(), "stentor.toml:2:15: require_pin must be true or false, not a string") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
