package hosts_test

import (
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// pluginDir is where a host has plugins of its own.
const pluginDir = "/usr/local/libexec/stentor/plugins/"

// TestConformance runs the suite of package plugintest on each host, with the
// backend as core may run it: in the same process, in one of its own, and as a
// plugin.
func TestConformance(t *testing.T) {
	onEach(t, func(t *testing.T, r *rig) {
		verify := r.verify()
		r.step(t, "direct", func(r *rig) { r.verified(verify + r.backend) })
		if !r.core { // how it is run is nothing to a release
			return
		}
		r.step(t, "isolated", func(r *rig) { r.verified(verify + r.backend + " --isolated") })
		r.step(t, "plugin", func(r *rig) {
			path := pluginDir + r.backend
			installAs(t, r.host, "backend", path)
			r.do(path + " --manifest >" + path + ".json")
			r.verified(verify + path)
		})
	})
}

// verified runs the suite, which has to find all promises kept.
func (r *rig) verified(command string) {
	r.t.Helper()
	r.t.Log(r.do(command))
	r.untraced()
}

// verify is the command that runs the suite here, but for the backend.
func (r *rig) verify() string {
	r.t.Helper()
	const settings = "/root/settings.toml"
	command := "stentor plugins verify --here --folder /etc --folder /run/systemd/network "
	if r.table == "" {
		return command
	}
	if err := r.host.Put(settings, hosts.File{Content: r.table, Mode: 0o600}); err != nil {
		r.t.Fatal(err)
	}
	return command + "--settings " + settings + " "
}
