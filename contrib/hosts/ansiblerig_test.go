package hosts_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// playbooks runs those of contrib/ansible on booted hosts, as somebody does who
// has ssh to them.
type playbooks struct {
	t     *testing.T
	dir   string
	hosts map[string]*rig
	vars  map[string]any
}

// recap is what was done on a host, as the end of a run tells: ok, changed,
// failed, ...
type recap map[string]int

func newPlaybooks(t *testing.T, names ...string) *playbooks {
	t.Helper()
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("needs the package ansible-core")
	}
	p := &playbooks{t: t, dir: t.TempDir(), hosts: map[string]*rig{}, vars: map[string]any{
		"stentor_package": filepath.Join(buildPackages(t), "stentor_0.1.0-1_"+debArch(t)+".deb"),
		"stentor_secrets": map[string]string{"gw.key": sessionKey},
		"stentor_config": map[string]any{
			"bgp": map[string]any{"asn": "{{ our_asn }}", "router_id": "192.0.2.2", "peer": map[string]any{
				"gw": map[string]any{"address": hosts.Gateway4, "asn": 64496, "password_file": "/etc/stentor/gw.key"},
			}},
			"vip": map[string]any{"web": map[string]any{"address": web + "/32", "role": "{{ our_role }}", "communities": []string{"64500:1"}}},
		},
		"our_asn": 64500, "our_role": "primary",
	}}
	// A copy, so that `go test` knows that it depends on what is there.
	if err := os.CopyFS(p.dir, os.DirFS("../ansible")); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		p.boot(name)
	}
	return p
}

// boot boots a host, and makes an ssh that gets there. ansible calls it with
// options, the host's name, and a command line for its shell.
func (p *playbooks) boot(name string) {
	p.t.Helper()
	r := bareRigWith(p.t, stack{suite: hosts.Bookworm, profile: hosts.Networkd, backend: "networkd"},
		hosts.Options{Files: routeServer, Packages: []string{"python3-apt", "bird2"}})
	p.hosts[name] = r
	enter, err := r.host.Enter()
	if err != nil {
		p.t.Fatal(err)
	}
	ssh := "#!/bin/sh\nfor command; do :; done\nexec " + strings.Join(enter, " ") + " /bin/sh -c \"$command\"\n"
	if err := os.WriteFile(p.ssh(name), []byte(ssh), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p *playbooks) ssh(name string) string { return filepath.Join(p.dir, "ssh-"+name) }

// play runs a playbook, and gives what it says and its recap.
func (p *playbooks) play(playbook string, args ...string) (string, map[string]recap, error) {
	p.t.Helper()
	group := map[string]any{}
	for name := range p.hosts {
		group[name] = map[string]any{"ansible_ssh_executable": p.ssh(name)}
	}
	vars := maps.Clone(p.vars)
	vars["ansible_user"], vars["ansible_ssh_transfer_method"] = "root", "piped"
	// YAML takes JSON.
	inventory, err := json.Marshal(map[string]any{"stentor": map[string]any{"hosts": group, "vars": vars}})
	if err != nil {
		p.t.Fatal(err)
	}
	path := filepath.Join(p.dir, "hosts.json")
	if err := os.WriteFile(path, inventory, 0o600); err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), "nice", append([]string{"ansible-playbook", "-i", path, playbook, "--diff"}, args...)...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "ANSIBLE_NOCOLOR=1", "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	out, err := cmd.CombinedOutput()
	p.t.Logf("%s %s took %.0f s", playbook, args, time.Since(began).Seconds())
	said := string(out)
	if strings.Contains(said, sessionKey) {
		p.t.Errorf("the password shows:\n%s", said)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return said, recapOf(said), err
}

// recapLine is "first : ok=12 changed=0 unreachable=0 failed=0 ...".
var recapLine = regexp.MustCompile(`(?m)^(\w+)\s+: (ok=.*)$`)

func recapOf(said string) map[string]recap {
	all := map[string]recap{}
	for _, m := range recapLine.FindAllStringSubmatch(said, -1) {
		r := recap{}
		for _, word := range strings.Fields(m[2]) {
			name, count, _ := strings.Cut(word, "=")
			r[name], _ = strconv.Atoi(count) // ansible's own
		}
		all[m[1]] = r
	}
	return all
}

// changes runs a playbook that has to succeed on all hosts, and to change
// something on each or on none.
func (p *playbooks) changes(want bool, playbook string, args ...string) string {
	p.t.Helper()
	said, recaps, err := p.play(playbook, args...)
	if err != nil || len(recaps) != len(p.hosts) {
		p.t.Fatalf("%s: %v\n%s", playbook, err, said)
	}
	for name, r := range recaps {
		if got := r["changed"] > 0; got != want {
			p.t.Errorf("%s changed %d things on %s\n%s", playbook, r["changed"], name, said)
		}
	}
	return said
}

// fails runs the rollout, which has to stop at the first host, and gives what
// it says.
func (p *playbooks) fails(args ...string) string {
	p.t.Helper()
	said, recaps, err := p.play("rollout.yml", args...)
	if err == nil || len(recaps) != 1 || recaps["first"]["failed"] != 1 {
		p.t.Fatalf("it did not stop at the first host: %v\n%s", err, said)
	}
	return said
}

// on has every host looked at.
func (p *playbooks) on(look func(t *testing.T, r *rig)) {
	p.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(p.hosts)) {
		look(p.t, p.hosts[name])
	}
}

// session is since when the peer is up, and the process that keeps it so.
func session(r *rig) string {
	r.t.Helper()
	var s struct{ Peers []struct{ Since string } }
	if err := json.Unmarshal([]byte(r.do("stentor status --json")), &s); err != nil || len(s.Peers) != 1 {
		r.t.Fatalf("%v: %v", s, err)
	}
	return r.pid() + s.Peers[0].Since
}
