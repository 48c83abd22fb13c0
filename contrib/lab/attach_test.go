package lab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttachRefuses: nobody's links and sysctls are touched by a wrong path.
func TestAttachRefuses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	o := Linode(10, 1)
	o.Name, o.Dir, o.Outside = "attach", filepath.Join(t.TempDir(), "lab"), []string{HostA}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ host, path, want string }{
		{HostA, l.NetNS(Router), "is up"},
		{HostA, filepath.Join(o.Dir, "none"), "no such file"},
		{HostB, l.NetNS(Client), "no host from outside"},
	} {
		if err := l.Attach(tt.host, tt.path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("attach %s to %s: %v, want %q", tt.host, tt.path, err, tt.want)
		}
	}
}
