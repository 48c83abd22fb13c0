package hosts_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// TestUnitChecks has checks of systemd units followed by what only a real systemd
// does: a stop that takes its time, aliases, a crash, and systemd executed anew.
func TestUnitChecks(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	r := newRig(t, stack{suite: hosts.Bookworm, profile: hosts.Bare, backend: "iproute"})
	for path, text := range map[string]string{
		// It takes its time to stop, in which it serves nobody.
		"/root/stop":                      "2",
		"/etc/systemd/system/app.service": "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sh -c 'sleep $$(cat /root/stop)'\n[Install]\nAlias=web.service\nWantedBy=multi-user.target\n",
		conf: configText(r.backend, r.table, web) + `
[vip.web.check.app]
unit = "app.service"
[vip.web.check.alias]
unit = "web.service"
[vip.web.check.none]
unit = "none.service"
`,
	} {
		if err := r.host.Put(path, hosts.File{Content: text, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	r.do("systemctl daemon-reload && systemctl enable -q app && systemctl start app")
	r.do("systemd-run -q --unit stentor-test --service-type notify stentor run")
	both := func(state string) (since time.Time) {
		t.Helper()
		r.check("web/alias", state)
		return r.check("web/app", state)
	}
	both("up")
	r.check("web/none", "broken")

	stop := func() {
		t.Helper()
		// The moment before and after, by the clock that status is told by.
		times := strings.Fields(r.do("date +%s.%N; systemctl stop app; date +%s.%N"))
		began, ended := moment(t, times[0]), moment(t, times[1])
		since := both("down")
		t.Logf("down %s after `systemctl stop` was called, which took %s", since.Sub(began).Round(time.Millisecond), ended.Sub(began).Round(time.Millisecond))
		if !since.Before(ended) {
			t.Errorf("it was down %s after the stop was over", since.Sub(ended))
		}
	}
	stop()
	r.do("systemctl start app")
	both("up")
	r.do("systemctl kill -s KILL app")
	both("down")
	r.do("systemctl reset-failed app; systemctl start app")
	both("up")
	r.do("systemctl daemon-reexec")
	both("up")
	stop()
	r.do("systemctl start app")
	both("up")
	if strings.TrimSpace(r.do("systemctl is-active dbus || :")) == "active" {
		r.do("echo 6 >/root/stop; systemctl restart dbus || :") // systemd's own way back to the bus takes longest
		stop()
	}
	r.do("systemctl stop stentor-test")
}

// check waits until a health check is in a state, and tells since when.
func (r *rig) check(name, state string) (since time.Time) {
	r.t.Helper()
	type check struct {
		Name, State, Output string
		Since               time.Time
	}
	var last []check
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		var s struct{ Checks []check }
		if err := json.Unmarshal([]byte(r.do("stentor status --json || :")), &s); err != nil {
			r.t.Fatal(err)
		}
		last = s.Checks
		for _, c := range s.Checks {
			if c.Name == name && c.State == state {
				return c.Since
			}
		}
	}
	r.t.Fatalf("%s is not %s: %+v", name, state, last)
	return time.Time{}
}

func moment(t testing.TB, unix string) time.Time {
	t.Helper()
	s, ns, _ := strings.Cut(unix, ".")
	seconds, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	nanos, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(seconds, nanos)
}
