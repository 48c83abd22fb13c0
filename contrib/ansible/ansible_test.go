// Package ansible holds the role and the playbooks, and checks them as far as
// that goes without a host; contrib/hosts runs them.
package ansible

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// playbook runs ansible-playbook in a copy of this folder, so that `go test`
// knows that it depends on what is there.
func playbook(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("needs the package ansible-core")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nice", append([]string{"ansible-playbook"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "PWD="+dir, "LC_ALL=C.UTF-8")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ansible-playbook %s: %v\n%s", args, err, out)
	}
}

func TestSyntax(t *testing.T) {
	t.Parallel()
	playbook(t, "--syntax-check", "rollout.yml", "uninstall.yml")
}

// templatePlay writes a config as the role does.
const templatePlay = `
- hosts: all
  gather_facts: false
  tasks:
  - template: {src: "{{ lookup('env', 'PWD') }}/roles/stentor/templates/stentor.toml.j2", dest: "{{ out }}"}
`

// render writes a config by the template, with more arguments for
// ansible-playbook, and has Stentor check it.
func render(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	play, out := filepath.Join(dir, "play.yml"), filepath.Join(dir, "stentor.toml")
	if err := os.WriteFile(play, []byte(templatePlay), 0o644); err != nil {
		t.Fatal(err)
	}
	playbook(t, append(args, "-c", "local", "-e", "out="+out, play)...)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), "nice", "go", "run", "../../cmd/stentor", "--config", out, "check", "--offline")
	check.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, said)
	}
	return string(text)
}

// TestInventory: each host of the example has its own role.
func TestInventory(t *testing.T) {
	t.Parallel()
	for host, role := range map[string]string{"web1.example.net": "primary", "web2.example.net": "secondary"} {
		config := render(t, "-i", "inventory.yml", "--limit", host, "-e", `{"stentor_content": "{{ stentor_config }}"}`)
		if !strings.Contains(config, `role = "`+role+`"`) {
			t.Errorf("%s is no %s:\n%s", host, role, config)
		}
	}
}

// TestTemplate has every kind of value and table written as TOML, which Stentor
// takes.
func TestTemplate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		vars string // YAML
		want string
	}{
		"mapping": {`
asn: 65001
stentor_content:
  # Tables first: they have to come last.
  vip:
    web:
      check:
        app: {exec: [/usr/bin/test, -e, "/srv/\"ä\" \\c"], every: 2s}
      address: 203.0.113.10/32
      role: primary
      communities: []
    dns: {address: "2001:db8::/64", role: secondary, preempt: false}
  bgp:
    backend: native
    asn: "{{ asn }}"
    graceful_restart: 0s
    bfd: {}
    router_id: null
    peer:
      tor1: {address: 192.0.2.1, asn: 64512}
`, `# Ansible managed

[vip.web]
address = "203.0.113.10/32"
role = "primary"
communities = []

[vip.web.check.app]
exec = ["/usr/bin/test", "-e", "/srv/\"ä\" \\c"]
every = "2s"

[vip.dns]
address = "2001:db8::/64"
role = "secondary"
preempt = false

[bgp]
backend = "native"
asn = 65001
graceful_restart = "0s"

[bgp.bfd]

[bgp.peer.tor1]
address = "192.0.2.1"
asn = 64512
`},
		"text": {"stentor_content: |\n  # mine\n  [bgp]\n  provider = \"linode\"\n  dcid = 10\n", "# mine\n[bgp]\nprovider = \"linode\"\ndcid = 10\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vars := filepath.Join(t.TempDir(), "vars.yml")
			if err := os.WriteFile(vars, []byte(tt.vars), 0o644); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, render(t, "-i", "localhost,", "-e", "@"+vars)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
