package hosts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// TestAnsible has the role install, configure and change hosts: one in the core,
// else two, one after the other.
func TestAnsible(t *testing.T) {
	t.Parallel()
	p := newPlaybooks(t, "first")
	if thorough() {
		p.boot("second")
		p.changes(true, "rollout.yml", "--check")
		p.on(func(_ *testing.T, r *rig) { r.do("test ! -e /usr/bin/stentor && test ! -e /etc/stentor") })
	}
	p.changes(true, "rollout.yml")
	p.on(func(t *testing.T, r *rig) {
		r.unit("enabled", "active")
		r.holds(web)
		if got := r.do("stat -c '%a %U %s' /etc/stentor/gw.key"); got != fmt.Sprintf("600 root %d\n", len(sessionKey)) {
			t.Errorf("the password file: %s", got)
		}
	})
	p.changes(false, "rollout.yml")
	p.reload()
	if thorough() {
		p.mistake()
		p.password()
		p.trouble()
		p.uninstall()
	}
}

// reload: a change is seen beforehand, and then taken over with the session kept.
func (p *playbooks) reload() {
	p.t.Helper()
	before := map[string]string{}
	for name, r := range p.hosts {
		before[name] = session(r)
	}
	p.vars["stentor_conf_d"] = map[string]any{"api": "[vip.api]\naddress = \"" + api + "/32\"\nrole = \"secondary\"\n"}
	if thorough() {
		if said := p.changes(true, "rollout.yml", "--check"); !strings.Contains(said, "+[vip.api]") {
			p.t.Errorf("check mode does not show the change:\n%s", said)
		}
		p.on(func(_ *testing.T, r *rig) { r.holds(web) })
	}
	p.changes(true, "rollout.yml")
	for name, r := range p.hosts {
		if after := session(r); after != before[name] {
			p.t.Errorf("on %s it was no reload: %s, then %s", name, before[name], after)
		}
		if d := cmp.Diff([]string{web + "/32", api + "/32"}, learned(r), sorted); d != "" {
			p.t.Errorf("%s announces (-want +got):\n%s", name, d)
		}
	}
}

// sorted compares prefixes in any order.
var sorted = cmp.Transformer("sorted", func(s []string) []string { return slices.Sorted(slices.Values(s)) })

// mistake: a config that is refused leaves a host as it was.
func (p *playbooks) mistake() {
	p.t.Helper()
	first := p.hosts["first"]
	config := func() map[string]hosts.FileState {
		files, err := first.host.Files("/etc/stentor", "/tmp")
		if err != nil {
			p.t.Fatal(err)
		}
		return files
	}
	before := config()
	good := p.vars["stentor_conf_d"]
	// Alone it is right; with the other file it is not.
	p.vars["stentor_conf_d"] = map[string]any{"other": map[string]any{"vip": map[string]any{"api": map[string]any{"role": "secondary"}}}}
	said := p.fails()
	for _, want := range []string{"/etc/stentor/conf.d/other.toml:3:1", "nothing was changed"} {
		if !strings.Contains(said, want) {
			p.t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	if d := cmp.Diff(before, config()); d != "" {
		p.t.Errorf("a config with a mistake changed the host (-before +after):\n%s", d)
	}
	p.vars["stentor_conf_d"] = good
}

// password: one that the daemon does not take costs nothing but the run.
func (p *playbooks) password() {
	p.t.Helper()
	first := p.hosts["first"]
	before := session(first)
	good := p.vars["stentor_secrets"]
	p.vars["stentor_secrets"] = map[string]string{"gw.key": strings.Repeat(sessionKey, 3)}
	if said := p.fails(); !strings.Contains(said, "is longer than the 80 bytes") {
		p.t.Errorf("it is not said what is wrong:\n%s", said)
	}
	if after := session(first); after != before {
		p.t.Errorf("the session was %s and is %s", before, after)
	}
	p.vars["stentor_secrets"] = good
}

// trouble: the rollout ends at a host that does not announce.
func (p *playbooks) trouble() {
	p.t.Helper()
	p.hosts["first"].do("systemctl stop bird")
	p.vars["stentor_conf_d"] = map[string]any{"api": nil}
	if said := p.fails("-e", "rollout_patience=2"); !strings.Contains(said, "not healthy after 2 s") || !strings.Contains(said, "gw") {
		p.t.Errorf("it is not said what is wrong:\n%s", said)
	}
	p.hosts["first"].holds(web)
	p.hosts["second"].holds(web, api)
	p.hosts["first"].do("systemctl start bird")
	said, recaps, err := p.play("rollout.yml")
	if err != nil || recaps["first"]["changed"] != 0 || recaps["second"]["changed"] == 0 {
		p.t.Errorf("it did not go on with the second host: %v\n%s", err, said)
	}
}

// uninstall leaves nothing on the network, and with uninstall_purge nothing at all.
func (p *playbooks) uninstall() {
	p.t.Helper()
	p.changes(true, "uninstall.yml")
	p.on(func(t *testing.T, r *rig) {
		r.holds()
		r.do("test ! -e /usr/bin/stentor && test -s /etc/stentor/stentor.toml && test ! -e /var/cache/stentor && ! grep -rl stentor /etc/systemd/network")
		if routes := learned(r); len(routes) > 0 {
			t.Errorf("still announced: %v", routes)
		}
	})
	p.changes(true, "uninstall.yml", "-e", "uninstall_purge=true")
	p.on(func(_ *testing.T, r *rig) { r.do("test ! -e /etc/stentor && test ! -e /var/lib/stentor") })
	p.changes(false, "uninstall.yml", "-e", "uninstall_purge=true")
}
