package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/contrib/lab/internal/netns"
)

// nobody is a user without any rights.
const nobody = 65534

// person is someone at a shell of this machine, with the stand-in for stentor.
type person struct {
	t      *testing.T
	uid    int
	binary string
	tmp    string
}

// people are root and a user without rights, each with a folder of their own
// for temporary files, so that their labs are no one else's.
func people(t *testing.T) map[string]person {
	t.Helper()
	needRoot(t)
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The test binary lies where only root may look.
	binary := filepath.Join(dir, "stentor")
	if err := copyFile("/proc/self/exe", binary); err != nil {
		t.Fatal(err)
	}
	out := map[string]person{}
	for name, uid := range map[string]int{"root": 0, "user": nobody} {
		tmp := filepath.Join(dir, name)
		if err := os.Mkdir(tmp, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(tmp, uid, uid); err != nil {
			t.Fatal(err)
		}
		out[name] = person{t: t, uid: uid, binary: binary, tmp: tmp}
	}
	return out
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (p person) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(bounded(p.t), p.binary, args...)
	cmd.Env = append(cleanEnviron(), "TMPDIR="+p.tmp, "XDG_RUNTIME_DIR=")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.uid)}}
	return cmd
}

func (p person) run(args ...string) string {
	p.t.Helper()
	out, err := p.command(args...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "user namespace") {
		p.t.Skipf("this kernel forbids user namespaces to users: %s", out)
	}
	if err != nil {
		p.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p person) labDir() string {
	if p.uid == 0 {
		return "/run/stentor-lab"
	}
	return filepath.Join(p.tmp, fmt.Sprintf("stentor-lab-%d", p.uid))
}

// TestDemo: it tells its story, and leaves nothing.
func TestDemo(t *testing.T) {
	for name, p := range people(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.t = t
			out := p.run("demo")
			for _, want := range []string{
				`(?m)^Network and route servers \(embedded\) are up after \d+ ms$`,
				`(?m)^  \| role    = "primary"$`,
				`(?m)^  \| web 198.18.0.1/32 primary announced 4/4 peers$`,
				`(?m)^Stop stentor on a .*\n  198\.18\.0\.1 +answered by b after \d+ ms, .*pings lost.*\n  2001:db8:5a:1::1 +answered by b`,
				`(?m)^Kill stentor on a .*\n  198\.18\.0\.1 +answered by b after \d+ ms`,
				`(?m)^Start stentor on a again\n  198\.18\.0\.1 +answered by a after \d+ ms`,
				`(?m)^Done in [\d.]+ s; nothing is left behind\.$`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %q in the output:\n%s", want, out)
				}
			}
			for _, dir := range []string{p.tmp, scratchDir} {
				if left, _ := filepath.Glob(dir + "/*demo*"); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
			}
		})
	}
}

var keptBy = regexp.MustCompile(`kept by process (\d+)`)

// keeper is the process that has a person's lab up, by what `up` says of it.
func (p person) keeper() int {
	p.t.Helper()
	out, err := p.command("up").CombinedOutput()
	m := keptBy.FindSubmatch(out)
	if err == nil || m == nil {
		p.t.Fatalf("up, a second time: %v\n%s", err, out)
	}
	pid, err := strconv.Atoi(string(m[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	return pid
}

// TestUpAndDownVerbs: the lab stands when up returns, serves, and is gone after
// down; after a crash of its keeper too.
func TestUpAndDownVerbs(t *testing.T) {
	for name, p := range people(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p.t = t
			if out := p.run("down"); !strings.Contains(out, "no lab") {
				t.Errorf("down without a lab: %s", out)
			}
			for crashed, want := range map[bool]string{false: "The lab is gone.", true: "What a crashed lab had left is gone."} {
				out := p.run("up")
				if !strings.Contains(out, "lab-a bash") {
					t.Errorf("up does not tell how to look around:\n%s", out)
				}
				pid := p.keeper()
				p.wantServing(pid)
				if crashed {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
					eventually(t, "the keeper's end", func() string {
						now, err := owner(p.labDir())
						if err != nil || now != 0 {
							return fmt.Sprintf("process %d has the lab (%v)", now, err)
						}
						return ""
					})
				}
				if out := p.run("down"); !strings.Contains(out, want) {
					t.Errorf("down: %q, want %q", out, want)
				}
				if _, err := os.Stat(p.labDir()); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("its folder is left: %v", err)
				}
				if left, _ := filepath.Glob(netns.IPRoute2Dir + "/lab-*"); p.uid == 0 && len(left) > 0 {
					t.Errorf("namespaces are left: %v", left)
				}
			}
		})
	}
}

// wantServing looks into a standing lab as its keeper's mounts show it: the
// router has a route to the shared address by host a.
func (p person) wantServing(keeper int) {
	p.t.Helper()
	path := netns.IPRoute2Dir + "/lab-" + Router
	if p.uid != 0 {
		path = fmt.Sprintf("/proc/%d/root%s/netns/lab-%s", keeper, p.labDir(), Router)
	}
	router, err := netns.Open(path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer router.Close()
	h, err := handle(router)
	if err != nil {
		p.t.Fatal(err)
	}
	defer h.Close()
	routes, err := h.RouteGet(demoVIPs[1].AsSlice())
	if err != nil || len(routes) == 0 {
		p.t.Fatalf("the router has no route to %s: %v", demoVIPs[1], err)
	}
	if via, _ := netip.AddrFromSlice(routes[0].Gw); via != hostA6.Addr() {
		p.t.Errorf("the router sends %s by %s, want host a at %s", demoVIPs[1], via, hostA6.Addr())
	}
}
