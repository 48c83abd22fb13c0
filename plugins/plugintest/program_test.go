package plugintest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/internal/wire"
)

// serveArg has the test binary be the reference backend's program.
const serveArg = "serve-reference"

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == serveArg {
		serveReference(os.Args[2], os.Args[3])
		return
	}
	os.Exit(m.Run())
}

// serveReference is a main function, with a bug.
func serveReference(bug, etc string) {
	_, byCore := os.LookupEnv(wire.Handshake().MagicCookieKey)
	fall := func(why string) {
		fmt.Fprintln(os.Stderr, why)
		os.Exit(1)
	}
	switch {
	case bug == "says nothing by hand" && !byCore:
		os.Exit(1)
	case bug == "is content by hand" && !byCore:
		fmt.Println("hello")
		os.Exit(0)
	case bug == "prints before its handshake":
		fmt.Println("hello")
	case bug == "claims any version" && strings.HasPrefix(os.Getenv("PLUGIN_PROTOCOL_VERSIONS"), "98"):
		fmt.Println("1|98|unix|/nowhere|grpc|")
		select {}
	case bug == "needs its standard input":
		// Where it was closed, the Go runtime puts /dev/null, open for both ways.
		if flags, err := unix.FcntlInt(0, unix.F_GETFL, 0); err != nil || flags&unix.O_ACCMODE == unix.O_RDWR {
			fall("no standard input")
		}
	case bug == "needs a quiet TMPDIR" && strings.Contains(os.Getenv("TMPDIR"), " "):
		fall("no such folder: " + os.Getenv("TMPDIR"))
	case bug == "needs a HOME" && os.Getenv("HOME") == "/nonexistent":
		fall("where is my home?")
	case bug == "needs a locale" && os.Getenv("LANG") == "xx":
		fall("unsupported locale setting")
	case bug == "shares its files":
		if old := syscall.Umask(0); old == 0o077 {
			fall("umask 077?")
		}
	case bug == "stays in its folder":
		if dir, err := os.Getwd(); err != nil || dir != "/" {
			fall("not in /")
		}
	}
	plugins.ServeNet(func(*slog.Logger) plugins.NetBackend {
		return &boggy{reference: &reference{bug: bug, etc: etc}, slots: make(chan struct{}, 10)}
	})
	if bug == "does not end" {
		select {}
	}
}

// boggy has the bugs that take a process.
type boggy struct {
	*reference
	mu    sync.Mutex
	slots chan struct{}
}

func (b *boggy) Configure(ctx context.Context, c plugins.Config) error {
	if b.bug == "chokes on a big message" && len(fmt.Sprint(c.Settings)) > 4<<20 {
		return errors.New("too much")
	}
	switch b.bug {
	case "leaves a child":
		child := exec.Command("sleep", "600")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			return err
		}
	case "leaves a file":
		if err := os.WriteFile(filepath.Join(os.TempDir(), "cache"), nil, 0o600); err != nil {
			return err
		}
	case "leaves a file at home":
		if err := os.WriteFile(filepath.Join(os.Getenv("HOME"), ".cache"), nil, 0o600); err != nil {
			return err
		}
	}
	return b.reference.Configure(ctx, c)
}

func (b *boggy) Detect(ctx context.Context) (plugins.Detection, error) {
	if b.bug == "does one thing at a time" {
		b.mu.Lock()
		defer b.mu.Unlock()
	}
	if b.bug == "prints on standard output" {
		_, _ = syscall.Write(1, []byte("detecting\n")) // go-plugin has another os.Stdout
	}
	return b.reference.Detect(ctx)
}

func (b *boggy) Plan(ctx context.Context, want []plugins.VIP) (plugins.Plan, error) {
	if b.bug == "plans nothing big" && len(want) > 1000 {
		return plugins.Plan{}, nil
	}
	return b.reference.Plan(ctx, want)
}

func (b *boggy) Apply(ctx context.Context, want []plugins.VIP) error {
	if b.bug == "goes on after a call was cut off" {
		b.mu.Lock()
		defer b.mu.Unlock()
		<-time.After(2 * endTime)
	}
	if b.bug == "locks itself out" {
		lock := filepath.Join(b.stateDir, "lock")
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("somebody else is at work: %w", err)
		}
		f.Close()
		defer os.Remove(lock)
		<-time.After(50 * time.Millisecond)
	}
	return b.reference.Apply(ctx, want)
}

func (b *boggy) Observe(ctx context.Context) ([]plugins.VIPState, error) {
	switch b.bug {
	case "goes on after a call was cut off":
		b.mu.Lock()
		defer b.mu.Unlock()
	case "keeps each Watch":
		b.slots <- struct{}{}
		defer func() { <-b.slots }()
	}
	return b.reference.Observe(ctx)
}

func (b *boggy) Watch(ctx context.Context, changed func(plugins.Change)) error {
	switch b.bug {
	case "does one thing at a time":
		b.mu.Lock()
		defer b.mu.Unlock()
	case "keeps each Watch":
		b.slots <- struct{}{} // and never gives it back
	}
	return b.reference.Watch(ctx, changed)
}

// programUnder puts the reference backend's program to the suite.
func programUnder(t *testing.T, bug string) Net {
	t.Helper()
	u := under(t, bug)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	i := (&reference{}).Info()
	m := plugins.Manifest{Name: i.Name, Kind: i.Kind, Version: i.Version, API: i.API, Caps: i.Caps}
	if bug == "promises more in its manifest" {
		m.Caps = []plugins.Cap{plugins.CapPersist}
	}
	u.Program = &Program{Path: self, Args: []string{serveArg, bug, u.Dirs[0]}, Manifest: &m}
	return u
}

func TestProgramKeepsAllPromises(t *testing.T) {
	u := programUnder(t, "")
	for _, c := range netProgramCases() {
		t.Run(c.name, func(t *testing.T) {
			r := runNetCase(t.Context(), u, c)
			if r.Err != nil {
				t.Fail()
			}
			t.Log(r)
		})
	}
}

// TestBrokenProgramsAreFound: for each case there is a bug that it finds.
func TestBrokenProgramsAreFound(t *testing.T) {
	bugs := map[string][]string{
		"program-by-hand":   {"says nothing by hand", "is content by hand"},
		"program-handshake": {"prints before its handshake", "prints on standard output"},
		"program-versions":  {"claims any version"},
		"program-manifest":  {"promises more in its manifest"},
		"program-environment": {
			"needs its standard input", "shares its files", "stays in its folder", "needs a locale", "needs a quiet TMPDIR", "needs a HOME",
		},
		"program-big-message": {"chokes on a big message", "plans nothing big"},
		"program-parallel":    {"does one thing at a time"},
		"program-deadline":    {"goes on after a call was cut off"},
		"program-watches":     {"keeps each Watch"},
		"program-killed":      {"locks itself out"},
		"program-ends":        {"does not end", "leaves a child", "leaves a file", "leaves a file at home"},
	}
	for _, c := range netProgramCases() {
		if len(bugs[c.name]) == 0 {
			t.Errorf("no bug shows that case %s can fail", c.name)
		}
		for _, bug := range bugs[c.name] {
			t.Run(c.name+"/"+bug, func(t *testing.T) {
				t.Parallel()
				r := runNetCase(t.Context(), programUnder(t, bug), c)
				if r.Err == nil {
					t.Errorf("a program that %s passes", bug)
				}
				t.Log(r)
			})
		}
	}
}
