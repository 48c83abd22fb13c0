package firewall

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"strings"
	"time"
)

const (
	// readTime is how long the firewall's own programs may take, together.
	readTime = 500 * time.Millisecond
	// rulesMax is the most that is read of one program, in bytes: who has more
	// rules has lists of blocked addresses.
	rulesMax = 8 << 20
)

// Read asks the firewall's programs for the rules of this network namespace.
// What can't be had, as without root, is left out. A program whose part of the
// kernel is not loaded is not asked: the question would load it.
func Read(ctx context.Context, root fs.FS) Ruleset {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	var rules, four, six []byte
	tables := kernelHas(root, "nf_tables")
	if tables {
		rules = output(ctx, "nft", "-j", "list", "ruleset")
	}
	if tables || uses(root, "ip_tables_names") {
		four = output(ctx, "iptables-save")
	}
	if tables || uses(root, "ip6_tables_names") {
		six = output(ctx, "ip6tables-save")
	}
	return Parse(rules, string(four), string(six))
}

// Parse makes a Ruleset of what `nft -j list ruleset`, iptables-save and
// ip6tables-save print. Each may be empty, and what can't be understood is as
// good as not there.
func Parse(nft []byte, iptables, ip6tables string) Ruleset {
	var r Ruleset
	r.nft(nft)
	r.iptables(iptables, false)
	r.iptables(ip6tables, true)
	return r
}

// uses tells whether there are tables of the older kind (iptables-legacy).
func uses(root fs.FS, names string) bool {
	b, err := fs.ReadFile(root, "proc/thread-self/net/"+names)
	return err == nil && len(b) > 0
}

// kernelHas tells whether a part of the kernel is there by now: loaded or built
// in, or nothing can be loaded, so that no question changes that.
func kernelHas(root fs.FS, module string) bool {
	if _, err := fs.Stat(root, "sys/module/"+module); err == nil {
		return true
	}
	release, err := fs.ReadFile(root, "proc/sys/kernel/osrelease")
	if err != nil {
		return false
	}
	modules := path.Join("lib/modules", strings.TrimSpace(string(release)))
	if _, err := fs.Stat(root, modules); errors.Is(err, fs.ErrNotExist) {
		return true
	}
	builtin, err := fs.ReadFile(root, modules+"/modules.builtin")
	return err == nil && bytes.Contains(builtin, []byte("/"+module+".ko"))
}

// output is what a program prints; nothing, if it is missing or fails.
func output(ctx context.Context, name string, args ...string) []byte {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &limited{&out, rulesMax}
	if err := cmd.Run(); err != nil {
		return nil
	}
	return out.Bytes()
}

// limited takes so many bytes and then refuses, which ends the program.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return l.w.Write(p)
}
