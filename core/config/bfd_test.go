package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBFDPassword: the key is read from its file, and what belongs to it makes
// no sense without.
func TestBFDPassword(t *testing.T) {
	key := filepath.Join(t.TempDir(), "bfd.key")
	if err := os.WriteFile(key, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	head := "[bgp]\nprovider = \"linode\"\ndcid = 4\n[bgp.bfd]\n%s\n[vip.web]\naddress = \"203.0.113.10/32\"\nrole = \"primary\"\n"
	read := func(text string) (*Config, error) {
		o := testOptions()
		o.Offline = false
		cfg, _, err := load(&report{}, []*source{newSource("test.toml", fmt.Appendf(nil, head, text))}, o)
		return cfg, err
	}
	type signed struct {
		Password   string
		KeyID      int
		Meticulous bool
	}
	for text, want := range map[string]signed{
		"":                                     {},
		fmt.Sprintf("password_file = %q", key): {"s3cret", 1, false},
		fmt.Sprintf("password_file = %q\nkey_id = 0\nauth = \"meticulous-keyed-sha1\"", key): {"s3cret", 0, true},
	} {
		cfg, err := read(text)
		if err != nil {
			t.Fatal(err)
		}
		b := cfg.BGP.Peers[0].BFD
		if d := cmp.Diff(want, signed{b.Password, b.KeyID, b.Meticulous}); d != "" {
			t.Errorf("%s: (-want +got):\n%s", text, d)
		}
	}
	if err := os.WriteFile(key, []byte(strings.Repeat("x", 21)), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"key_id = 3":                           "without a password_file",
		`auth = "keyed-sha1"`:                  "without a password_file",
		fmt.Sprintf("password_file = %q", key): "longer than the 20 bytes",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
