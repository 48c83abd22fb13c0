package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	zebraPath = "/usr/lib/frr/zebra"
	bgpdPath  = "/usr/lib/frr/bgpd"
)

// frr is FRRouting's zebra and bgpd.
type frr struct {
	bed *bed
	dir string
}

func (f *frr) name() string                       { return "FRR" }
func (f *frr) version(ctx context.Context) string { return versionOf(ctx, bgpdPath) }
func (f *frr) note() string {
	return "FRR is zebra and bgpd; its prefixes need no address on the host."
}
func (f *frr) installed() bool { return found(bgpdPath) && found(zebraPath) }

func (f *frr) prepare(ctx context.Context, announce []netip.Prefix) (err error) {
	if f.dir, err = f.bed.fresh(ctx, "frr"); err != nil {
		return err
	}
	if err := giveTo("frr", f.dir); err != nil {
		return err
	}
	// The route servers are reached by the default route.
	zebra := "ip nht resolve-via-default\nipv6 nht resolve-via-default\n"
	if err := os.WriteFile(filepath.Join(f.dir, "zebra.conf"), []byte(zebra), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(f.dir, "bgpd.conf"), []byte(f.config(announce)), 0o644)
}

// config announces with the timers of the linode provider. It needs no address
// on the host: import-check is off.
func (f *frr) config(announce []netip.Prefix) string {
	var c strings.Builder
	fmt.Fprintf(&c, `route-map SHARED permit 10
 set community 65000:1
route-map NONE deny 10
router bgp 65001
 bgp router-id %s
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor RS peer-group
 neighbor RS remote-as 65000
 neighbor RS ebgp-multihop 16
 neighbor RS timers 3 9
 neighbor RS timers connect 5
 neighbor RS capability extended-nexthop
`, f.bed.routerID())
	c.WriteString(f.bed.eachPeer(func(_ int, a netip.Addr) string { return fmt.Sprintf(" neighbor %s peer-group RS\n", a) }))
	family := func(name string, nets []netip.Prefix) {
		fmt.Fprintf(&c, " address-family %s unicast\n", name)
		for _, p := range nets {
			fmt.Fprintf(&c, "  network %s\n", p)
		}
		c.WriteString("  neighbor RS activate\n  neighbor RS route-map SHARED out\n  neighbor RS route-map NONE in\n exit-address-family\n")
	}
	v4, v6 := split(announce)
	family("ipv4", v4)
	family("ipv6", v6)
	return c.String()
}

// start waits for zebra's socket in between, as its own scripts do: bgpd would
// else try again after seconds.
func (f *frr) start(ctx context.Context) (*running, error) {
	r := &running{}
	in := func(file string) string { return filepath.Join(f.dir, file) }
	args := func(path, name string) []string {
		return []string{path, "-f", in(name + ".conf"), "-i", in(name + ".pid"), "-z", in("zserv.api"), "--vty_socket", f.dir, "--log", "stdout"}
	}
	if err := f.bed.start(r, "zebra", args(zebraPath, "zebra")); err != nil {
		return r, err
	}
	ctx, stop := r.alive(ctx)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, settle, &tooLate{settle})
	defer cancel()
	for {
		if _, err := os.Stat(in("zserv.api")); err == nil {
			return r, f.bed.start(r, "bgpd", args(bgpdPath, "bgpd"))
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return r, r.tail(fmt.Errorf("zebra makes no socket: %w", context.Cause(ctx)))
		}
	}
}

// giveTo makes dir the folder of the user that the daemons change to.
func giveTo(name, dir string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return errors.Join(err1, err2, os.Chown(dir, uid, gid))
}
