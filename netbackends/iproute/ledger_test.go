package iproute

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDamagedLedger: nothing may be guessed from it, and nothing changed.
func TestDamagedLedger(t *testing.T) {
	const head = `{"version":1,"origin":{"boot_id":"b","netns":"n"},"addresses":[`
	const good = `{"vip":"web","address":"203.0.113.10","link":"lo","index":1}`
	tests := []struct{ name, text, say string }{
		{"empty", "", "EOF"},
		{"cut off", head + good, "unexpected EOF"},
		{"no version", `{}`, "it does not say of which version and boot it is"},
		{"of the future", `{"version":2,"more":"keys"}`, "its version is 2, and this stentor knows version 1 only"},
		{"no origin", `{"version":1,"addresses":[]}`, "it does not say of which version and boot it is"},
		{"unknown key", head + `{"vip":"web","address":"203.0.113.10","link":"lo","index":1,"x":1}]}`, `unknown field "x"`},
		{"no address", head + `{"vip":"web","link":"lo","index":1}]}`, "address 1 (invalid IP) lacks a part"},
		{"loopback", head + `{"vip":"web","address":"127.0.0.1","link":"lo","index":1}]}`, "address 1 (127.0.0.1) lacks a part"},
		{"no link", head + `{"vip":"web","address":"203.0.113.10","index":1}]}`, "address 1 (203.0.113.10) lacks a part"},
		{"twice", head + good + "," + good + "]}", "203.0.113.10 is there twice for link lo"},
		{"trailing", head + good + "]}{}", "something follows its end"},
		{"huge", strings.Repeat(" ", ledgerMax+1), "is larger than 16 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inside(t, "", func() {
				dir := t.TempDir()
				path := filepath.Join(dir, ledgerName)
				if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
				err := newBackend(t, dir).Apply(context.Background(), vips(web))
				if err == nil || !strings.Contains(err.Error(), tt.say) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v\nwant it to say %q and name %s", err, tt.say, path)
				}
				if host := standing(t); host != nil {
					t.Errorf("host: %q", host)
				}
			})
		})
	}
}

func TestLedgerIsNoLinkAndNoPipe(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"link": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"pipe": func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(filepath.Join(dir, ledgerName)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := (store{dir: dir}).load(origin{}); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestLedgerMode(t *testing.T) {
	inside(t, "", func() {
		dir := t.TempDir()
		apply(t, newBackend(t, dir), web)
		st, err := os.Stat(filepath.Join(dir, ledgerName))
		if err != nil || st.Mode() != fs.FileMode(0o600) {
			t.Errorf("%v, %v", st.Mode(), err)
		}
	})
}

// FuzzLedger looks for files that are read without an error and are not what
// save would write.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"version":1,"origin":{"boot_id":"b","netns":"n"},"addresses":[{"vip":"web","address":"203.0.113.10","link":"lo","index":1,"adopted":true}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := decodeLedger(b)
		if err != nil {
			return
		}
		for _, e := range file.Addresses {
			if !e.Addr.IsGlobalUnicast() || e.Index <= 0 {
				t.Errorf("entry %+v", e)
			}
		}
	})
}
