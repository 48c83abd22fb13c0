package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const (
	inNamespace = "STENTOR_TEST_JOURNAL_MOUNTS"
	socket      = "/run/systemd/journal/socket" // where every journal listens
)

// TestProtocol plays the journal, whose socket has a fixed place, in a mount
// namespace of its own.
func TestProtocol(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		again(t)
		return
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	read := func() []string {
		t.Helper()
		if err := in.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64<<10)
		n, err := in.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(buf[:n]), "\n"), "\n")
		slices.Sort(lines)
		return lines
	}
	var fallback bytes.Buffer
	log := slog.New(New(slog.LevelInfo, slog.NewTextHandler(&fallback, nil)))
	log.Debug("not this")
	log.With("peer", "rs1").WithGroup("bgp").Warn("session lost", "why", "hold timer expired", "hop-count", 3, slog.Group("g", "x", netip.MustParseAddr("192.0.2.1")), "empty", "")
	want := []string{
		`MESSAGE=session lost peer=rs1 bgp.why="hold timer expired" bgp.hop-count=3 bgp.g.x=192.0.2.1 bgp.empty=""`,
		"PRIORITY=4", "STENTOR_BGP_EMPTY=", "STENTOR_BGP_G_X=192.0.2.1", "STENTOR_BGP_HOP_COUNT=3", "STENTOR_BGP_WHY=hold timer expired", "STENTOR_PEER=rs1", "SYSLOG_IDENTIFIER=stentor",
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Error(diff)
	}
	for level, priority := range map[slog.Level]string{slog.LevelInfo: "6", slog.LevelError: "3"} {
		log.Log(context.Background(), level, "x")
		if got := read(); !slices.Contains(got, "PRIORITY="+priority) {
			t.Errorf("%s: %q", level, got)
		}
	}
	// A text of several lines is one record, and no field is made of the second.
	log.Info("x", "trace", "a\nPRIORITY=0")
	if got := read(); !slices.Contains(got, `MESSAGE=x trace="a\nPRIORITY=0"`) || !slices.Contains(got, "STENTOR_TRACE") {
		t.Errorf("%q", got)
	}
	if fallback.Len() > 0 {
		t.Errorf("%q went to stderr as well", &fallback)
	}
	in.Close()
	os.Remove(socket)
	log.With("peer", "rs1").Info("the journal is gone", "vip", "web")
	if got := fallback.String(); !strings.Contains(got, `msg="the journal is gone" peer=rs1 vip=web`) {
		t.Errorf("%q", got)
	}
}

func again(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a mount namespace")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=1m")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	// Unshareflags makes the tree private too, so that no mount gets out.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestThere: a stderr that is a pipe or a file of somebody else's is none.
func TestThere(t *testing.T) {
	var stat unix.Stat_t
	if err := unix.Fstat(2, &stat); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JOURNAL_STREAM", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1))
	if There() {
		t.Error("another file is taken for the journal")
	}
	t.Setenv("JOURNAL_STREAM", "")
	if There() {
		t.Error("a stderr without JOURNAL_STREAM is taken for the journal")
	}
}
