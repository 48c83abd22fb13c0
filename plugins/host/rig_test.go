package host

import (
	"bytes"
	"encoding/json"
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

	"github.com/stentor-net/stentor/plugins"
)

// patience is how long a condition may take on a busy machine.
const patience = 20 * time.Second

// soon are limits that keep tests short.
func soon() limits {
	return limits{
		start: 5 * time.Second, ping: 50 * time.Millisecond, pong: 2 * time.Second, call: 10 * time.Second, bye: 2 * time.Second,
		retryMin: 10 * time.Millisecond, retryMax: 100 * time.Millisecond, calm: time.Minute,
	}
}

// rig is a plugin folder with the faulty program in it, under any name.
type rig struct {
	testing.TB
	Options
	dir string
	log *logBook
}

// binDir is where TestMain has programs built.
var binDir string

// faulty is built once for all tests.
var faulty = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binDir, "faulty")
	if out, err := exec.Command("go", "build", "-o", bin, "./testdata/faulty").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == daemonArg {
		daemonThatIsKilled(os.Args[2:])
	}
	var err error
	if binDir, err = os.MkdirTemp("", "sp"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(binDir)
	os.Exit(code)
}

// newRig has short paths: a socket's has 108 bytes (unix(7)).
func newRig(t testing.TB) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "sp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // for plugins that have another uid
		t.Fatal(err)
	}
	r := &rig{TB: t, dir: filepath.Join(dir, "plugins"), log: &logBook{}}
	run := filepath.Join(dir, "run")
	for _, d := range []string{r.dir, run} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.Options = Options{
		Dirs: []string{r.dir}, RunDir: run, PinFile: filepath.Join(dir, "pins"),
		Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), limits: soon(),
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(run); err != nil || len(left) > 0 {
			t.Errorf("left behind in the run folder: %v, %v", left, err)
		}
	})
	return r
}

// install puts the faulty program and a manifest into the folder.
func (r *rig) install(name string, change ...func(*plugins.Manifest)) string {
	r.Helper()
	from, err := faulty()
	if err != nil {
		r.Fatal(err)
	}
	text, err := os.ReadFile(from)
	if err != nil {
		r.Fatal(err)
	}
	path := filepath.Join(r.dir, name)
	r.write(path, text, 0o755)
	m := plugins.Manifest{Name: name, Kind: plugins.KindNet, Version: "0.1", API: 1, Caps: []plugins.Cap{plugins.CapLink}}
	for _, c := range change {
		c(&m)
	}
	if text, err = json.Marshal(m); err != nil {
		r.Fatal(err)
	}
	r.write(path+".json", text, 0o644)
	return path
}

// write makes a file without this process ever having it open for writing: a
// fork of another test's would inherit that and make it "text file busy".
func (r *rig) write(path string, text []byte, mode os.FileMode) {
	r.Helper()
	cmd := exec.Command("sh", "-c", `cat >"$1" && chmod "$2" "$1"`, "sh", path, fmt.Sprintf("%o", mode))
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("%v\n%s", err, out)
	}
}

// open starts an installed plugin.
func (r *rig) open(name string) *Net {
	r.Helper()
	b, err := r.tryOpen(name)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		if err := b.Close(); err != nil {
			r.Logf("close: %v", err)
		}
	})
	return b
}

func (r *rig) tryOpen(name string) (*Net, error) {
	prog, err := Find(r.Options, name)
	if err != nil {
		return nil, err
	}
	return OpenNet(r.Context(), r.Options, prog)
}

func (r *rig) eventually(what string, ok func() bool) {
	r.Helper()
	if !within(ok) {
		r.Fatalf("not so after %s: %s\n%s", patience, what, r.log)
	}
}

func within(ok func() bool) bool {
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			return false
		case <-tick.C:
		}
	}
	return true
}

// says fails unless err has all the words.
func (r *rig) says(err error, words ...string) {
	r.Helper()
	if err == nil {
		r.Fatal("no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			r.Errorf("%q is missing in:\n%v", w, err)
		}
	}
	for _, w := range []string{"rpc error", "code =", "desc ="} {
		if strings.Contains(err.Error(), w) {
			r.Errorf("not for people:\n%v", err)
		}
	}
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z ")) && syscall.Kill(pid, 0) == nil
}

// logBook is what was logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
