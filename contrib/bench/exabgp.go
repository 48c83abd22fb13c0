package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// exabgp is ExaBGP, in Python.
type exabgp struct {
	bed *bed
	dir string
}

func (x *exabgp) name() string                       { return "ExaBGP" }
func (x *exabgp) version(ctx context.Context) string { return versionOf(ctx, "exabgp") }
func (x *exabgp) note() string                       { return "ExaBGP has its prefixes as static routes of each neighbor." }
func (x *exabgp) installed() bool                    { return found("exabgp") && found("unshare") }

func (x *exabgp) prepare(ctx context.Context, announce []netip.Prefix) (err error) {
	if x.dir, err = x.bed.fresh(ctx, "exabgp"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(x.dir, "exabgp.conf"), []byte(x.config(announce)), 0o644)
}

// config names every route again for each neighbor: ExaBGP has no groups in
// its static routes.
func (x *exabgp) config(announce []netip.Prefix) string {
	source := x.bed.source()
	var static strings.Builder
	for _, p := range announce {
		fmt.Fprintf(&static, "    route %s { next-hop %s; community [ 65000:1 ]; }\n", p, source)
	}
	return x.bed.eachPeer(func(_ int, a netip.Addr) string {
		return fmt.Sprintf(`neighbor %s {
  router-id %s;
  local-address %s;
  local-as 65001;
  peer-as 65000;
  hold-time 9;
  outgoing-ttl 16;
  capability { nexthop; }
  family { ipv4 unicast; ipv6 unicast; }
  nexthop { ipv4 unicast ipv6; }
  static {
%s  }
}
`, a, x.bed.routerID(), source, static.String())
	})
}

// start gives it a host name that needs no DNS: it looks its own one up first
// thing, and without an answer stands still for seconds.
func (x *exabgp) start(context.Context) (*running, error) {
	r := &running{}
	return r, x.bed.start(r, "exabgp", []string{"unshare", "--uts", "sh", "-c", "hostname localhost && exec exabgp " + filepath.Join(x.dir, "exabgp.conf")},
		"exabgp_daemon_user=root", "exabgp_tcp_bind=", "exabgp_log_level=ERR", "exabgp_api_cli=false", "exabgp_cache_nexthops=false")
}
