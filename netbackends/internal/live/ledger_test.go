package live

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
)

var web = plugins.VIP{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"}

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
				path := filepath.Join(dir, LedgerName)
				if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
				err := apply(newHost(t, dir), nil, web)
				if err == nil || !strings.Contains(err.Error(), tt.say) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v\nwant it to say %q and name %s", err, tt.say, path)
				}
				if addrs, err := net.InterfaceAddrs(); err != nil || len(addrs) != 2 {
					t.Errorf("host: %v, %v; want 127.0.0.1 and ::1 alone", addrs, err)
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
			if err := make(filepath.Join(dir, LedgerName)); err != nil {
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
		if err := apply(newHost(t, dir), nil, web); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(filepath.Join(dir, LedgerName))
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

// TestKept: after a reboot the ledger knows nothing, and what a file of ours
// put on the host is ours all the same.
func TestKept(t *testing.T) {
	inside(t, "address add 203.0.113.10/32 dev lo\naddress add 203.0.113.11/32 dev lo", func() {
		dir := t.TempDir()
		theirs := plugins.VIP{Name: "theirs", Addr: netip.MustParseAddr("203.0.113.11"), Link: "lo"}
		if err := apply(newHost(t, dir), []plugins.VIP{web}, web, theirs); err != nil {
			t.Fatal(err)
		}
		if err := apply(newHost(t, dir), nil); err != nil {
			t.Fatal(err)
		}
		addrs, err := net.InterfaceAddrs()
		if err != nil || len(addrs) != 3 || addrs[1].String() != "203.0.113.11/32" {
			t.Errorf("host: %v, %v; want the foreign 203.0.113.11 to be left, and no more", addrs, err)
		}
	})
}
