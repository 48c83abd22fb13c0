package frr

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

// TestCut ends Apply after each few lines that FRR is given, as if the process
// had been killed: the next Apply ends where it should, and nothing of the
// operator's is lost.
func TestCut(t *testing.T) { onEachFRR(t, cut) }

func cut(t *testing.T, put installer) {
	r := newRig(t, put, lab.Embedded, 1, operator)
	before := r.config()
	first := r.speaker(announce(vipA, primary), announce(vipB, primary))
	first.Peers[0].BFD = &plugins.BFD{TX: 300e6, RX: 300e6, Multiplier: 3}
	other := r.speaker(announce(vipB, secondary))
	other.Peers[0].Hold, other.Peers[0].Password = other.Peers[0].Hold*2, "s3cret"
	changes := []struct {
		name     string
		from, to plugins.Speaker
	}{
		{"start", plugins.Speaker{}, first},
		{"change", first, other},
		{"end", other, plugins.Speaker{}},
	}
	for _, c := range changes {
		cuts := 0
		for lines := 0; ; lines += 7 {
			r.apply(c.from)
			if !r.cutOff(c.to, lines) {
				break // it needs no more than that
			}
			cuts++
			r.b = r.newBackend(nil)
			r.apply(c.to)
			if p, err := r.b.Plan(r.ctx, c.to); err != nil || len(p.Steps) > 0 {
				t.Fatalf("%s, cut after %d lines: left to do: %+v, %v", c.name, lines, p, err)
			}
			r.apply(plugins.Speaker{})
			// A cut between our last profile and the `bfd` that it stood in leaves
			// that behind, empty; nothing tells whose it is.
			after := strings.Replace(r.config(), "bfd\nexit\n!\n", "", 1)
			if d := cmp.Diff(before, after); d != "" {
				t.Fatalf("%s, cut after %d lines: traces:\n%s", c.name, lines, d)
			}
		}
		if cuts < 2 {
			t.Errorf("%s was cut off %d times", c.name, cuts)
		}
	}
}

// cutOff runs an Apply that dies after some lines of configuration; false if
// it was done before that.
func (r *rig) cutOff(want plugins.Speaker, lines int) bool {
	r.Helper()
	c := &cutter{TB: r.TB, dir: r.TempDir(), to: r.frr.sockets, left: lines}
	sockets, err := filepath.Glob(filepath.Join(c.to, "*.vty"))
	if err != nil {
		r.Fatal(err)
	}
	for _, s := range sockets {
		if name := filepath.Base(s); name != bgpdName+".vty" {
			if err := os.Symlink(s, filepath.Join(c.dir, name)); err != nil {
				r.Fatal(err)
			}
		}
	}
	c.listen()
	vtysh := filepath.Join(c.dir, "vtysh")
	script := fmt.Sprintf(standIn, c.dir, c.to, r.frr.vtysh[0])
	if err := os.WriteFile(vtysh, []byte(script), 0o755); err != nil {
		r.Fatal(err)
	}
	c.save()
	return r.newBackend(map[string]any{"vtysh": vtysh, "vty_socket": c.dir}).Apply(r.ctx, want) != nil
}

// standIn is in the place of vtysh: of what it is to execute it does only the
// lines that are left, and nothing afterwards. The folder is the cutter's.
const standIn = `#!/bin/bash
dir=%s
shift 2 # --vty_socket
set -- --vty_socket %s "$@"
[[ $3 = -C ]] && exec %[3]s "$@"
left=$(cat $dir/left)
n=$(((($# - 2) / 2) - 1)) # but for "configure terminal"
echo $((left > n ? left - n : 0)) >$dir/left
[[ $left -ge $n ]] && exec %[3]s "$@"
[[ $left -gt 0 ]] && %[3]s "${@:1:$((2 * left + 4))}" >/dev/null 2>&1
exit 9
`

// cutter stands between the backend and bgpd, and lets only so many lines of
// configuration through.
type cutter struct {
	testing.TB
	dir, to string
	left    int
}

func (c *cutter) save() {
	if err := os.WriteFile(filepath.Join(c.dir, "left"), fmt.Append(nil, c.left), 0o644); err != nil {
		c.Error(err)
	}
}

func (c *cutter) load() {
	text, err := os.ReadFile(filepath.Join(c.dir, "left"))
	if err == nil {
		_, err = fmt.Sscan(string(text), &c.left)
	}
	if err != nil {
		c.Error(err)
	}
}

func (c *cutter) listen() {
	l, err := net.Listen("unix", filepath.Join(c.dir, bgpdName+".vty"))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(conn)
		}
	}()
}

// serve passes one command after the other.
func (c *cutter) serve(conn net.Conn) {
	defer conn.Close()
	d := &daemon{}
	var err error
	if d.conn, err = net.Dial("unix", filepath.Join(c.to, bgpdName+".vty")); err != nil {
		return
	}
	defer d.conn.Close()
	commands, configures := bufio.NewReader(conn), false
	answer := make([]byte, 64<<10)
	for {
		command, err := commands.ReadString(0)
		if err != nil {
			return
		}
		if configures {
			if c.load(); c.left == 0 {
				return
			}
			c.left--
			c.save()
		}
		configures = configures || command == "configure terminal\x00"
		if _, err := d.conn.Write([]byte(command)); err != nil {
			return
		}
		for all := []byte(nil); ; {
			n, err := d.conn.Read(answer)
			if err != nil {
				return
			}
			conn.Write(answer[:n])
			all = append(all, answer[:n]...)
			if _, _, done := endOfAnswer(all); done {
				break
			}
		}
	}
}
