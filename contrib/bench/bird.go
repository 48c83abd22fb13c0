package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// bird is BIRD 2, without its waits at the start.
type bird struct {
	bed *bed
	dir string
}

func (b *bird) name() string                       { return "BIRD" }
func (b *bird) version(ctx context.Context) string { return versionOf(ctx, "bird") }
func (b *bird) note() string {
	return "BIRD has connect delay time 0 and connect retry time 1, where its defaults would add seconds; its prefixes are static routes."
}
func (b *bird) installed() bool { return found("bird") }

func (b *bird) prepare(ctx context.Context, announce []netip.Prefix) (err error) {
	if b.dir, err = b.bed.fresh(ctx, "bird"); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "bird.conf"), []byte(b.config(announce)), 0o644)
}

func (b *bird) config(announce []netip.Prefix) string {
	var c strings.Builder
	fmt.Fprintf(&c, "log stderr all;\nrouter id %s;\nprotocol device {}\n", b.bed.routerID())
	static := func(name, channel string, nets []netip.Prefix) {
		fmt.Fprintf(&c, "protocol static %s {\n  %s;\n", name, channel)
		for _, p := range nets {
			fmt.Fprintf(&c, "  route %s blackhole { bgp_community.add((65000,1)); };\n", p)
		}
		c.WriteString("}\n")
	}
	v4, v6 := split(announce)
	static("shared4", "ipv4", v4)
	static("shared6", "ipv6", v6)
	fmt.Fprintf(&c, `template bgp route_server {
  local %s as 65001;
  multihop 16;
  hold time 9;
  keepalive time 3;
  connect delay time 0;
  connect retry time 1;
  ipv4 { extended next hop on; import none; export where proto = "shared4"; next hop self; };
  ipv6 { import none; export where proto = "shared6"; next hop self; };
}
`, b.bed.source())
	c.WriteString(b.bed.eachPeer(func(i int, a netip.Addr) string {
		return fmt.Sprintf("protocol bgp peer%d from route_server { neighbor %s as 65000; }\n", i+1, a)
	}))
	return c.String()
}

func (b *bird) start(context.Context) (*running, error) {
	r := &running{}
	in := func(file string) string { return filepath.Join(b.dir, file) }
	return r, b.bed.start(r, "bird", []string{"bird", "-f", "-c", in("bird.conf"), "-s", in("bird.ctl"), "-P", in("bird.pid")})
}
