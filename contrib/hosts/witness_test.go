package hosts_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// files are all of /etc, but what we write there on behalf of the test.
func (r *rig) files() map[string]hosts.FileState {
	r.t.Helper()
	all, err := r.host.Files("/etc")
	if err != nil {
		r.t.Fatal(err)
	}
	for path := range all {
		if strings.HasPrefix(path, "/etc/stentor/") || path == "/etc/resolv.conf" || path == "/etc/machine-id" {
			delete(all, path)
		}
	}
	return all
}

// witness begins a record of what happens from now on.
func (r *rig) witness() {
	r.t.Helper()
	if r.besides() {
		r.do("ip address replace " + bystander + " dev lo")
	}
	var err error
	if r.record, err = r.host.Record(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

// unwatched runs f, in which the uplink and lo may do what they want, as when
// somebody reboots the host or runs the stack's own commands.
func (r *rig) unwatched(f func()) {
	r.t.Helper()
	r.intact()
	if _, err := r.record.Stop(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	f()
	r.witness()
}

// besides tells whether others can have addresses on lo beside ours. While
// NetworkManager has a profile on lo, it takes off what is not in it.
func (r *rig) besides() bool { return r.backend != "networkmanager" || r.table == "" }

// sacred are the addresses that we must never take away.
func (r *rig) sacred() map[string]string {
	s := map[string]string{"127.0.0.1/8": "lo", "::1/128": "lo"}
	if r.besides() {
		s[bystander] = "lo"
	}
	if r.profile != hosts.Bare {
		s[hosts.Uplink4], s[hosts.Uplink6] = "eth0", "eth0"
	}
	return s
}

// intact expects that lo, the uplink and everybody else's files are what they
// were, all the time since the witness came.
func (r *rig) intact() {
	r.t.Helper()
	events, err := r.record.Events(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	now := r.addresses()
	for prefix, link := range r.sacred() {
		holes := hosts.Holes(events, link, netip.MustParsePrefix(prefix))
		if prefix == "::1/128" && !r.besides() {
			holes = nil // NetworkManager itself takes it off and puts it back whenever its profile on lo changes
		}
		for _, h := range holes {
			r.t.Errorf("%s on %s was absent from %s on, for %s (0s: for good)", h.What, link, h.From.Format("15:04:05.000"), h.Length)
		}
		if !slices.Contains(now, prefix+" "+link) {
			r.t.Errorf("%s is not on %s", prefix, link)
		}
	}
	if !strings.Contains(r.do("ip -o link show lo"), ",UP") {
		r.t.Error("lo is down")
	}
	if r.profile != hosts.Bare {
		for _, family := range []string{"-4", "-6"} {
			if r.do("ip "+family+" route show default") == "" {
				r.t.Errorf("no default route: ip %s route", family)
			}
		}
	}
	files := r.files()
	for path, was := range r.first {
		is, ok := files[path]
		switch {
		case slices.Contains(r.leave, path):
		case !ok:
			r.t.Errorf("%s is gone", path)
		case is.Mode != was.Mode || is.Content != was.Content:
			r.t.Errorf("%s is not ours, and was changed (-was +is):\n%s", path, cmp.Diff(was.File, is.File))
		}
	}
}

// quiet expects f to cause no event at all, and to write no file.
func (r *rig) quiet(f func()) {
	r.t.Helper()
	ctx := context.Background()
	before, err := r.record.Events(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	files := r.files()
	f()
	after, err := r.record.Events(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range after[len(before):] {
		r.t.Errorf("event: %s", e)
	}
	if d := cmp.Diff(files, r.files()); d != "" {
		r.t.Errorf("files in /etc (-before +after):\n%s", d)
	}
}

// untraced expects no file in /etc that was not there in the beginning.
func (r *rig) untraced() {
	r.t.Helper()
	for path := range r.files() {
		if _, ok := r.first[path]; !ok && !slices.Contains(r.leave, path) {
			r.t.Errorf("%s is left behind", path)
		}
	}
}

// ours are the files in /etc that were not there in the beginning.
func (r *rig) ours() []string {
	r.t.Helper()
	var paths []string
	for path := range r.files() {
		if _, ok := r.first[path]; !ok && !slices.Contains(r.leave, path) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// changed lists the files that differ, were written again, came or went.
func changed(a, b map[string]hosts.FileState) []string {
	var paths []string
	for path, was := range a {
		if is, ok := b[path]; !ok || is != was {
			paths = append(paths, path)
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}
