package span

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

const (
	frrDir = "/usr/lib/frr/"
	vtysh  = "/usr/bin/vtysh"
)

var frrConf = template.Must(template.New("frr").Parse(`router bgp 65000
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 bgp graceful-restart-disable
{{- range .Neighbors}}
 neighbor {{.Addr}} remote-as 65001
 neighbor {{.Addr}} passive
 neighbor {{.Addr}} timers 3 9
 neighbor {{.Addr}} update-source {{.Local}}
 neighbor {{.Addr}} capability extended-nexthop
{{- if .Multihop}}
 neighbor {{.Addr}} ebgp-multihop 16
{{- end}}
{{- if $.BFD}}
 neighbor {{.Addr}} bfd {{$.BFD.Multiplier}} {{$.BFD.RX.Milliseconds}} {{$.BFD.TX.Milliseconds}}
{{- end}}
{{- end}}
{{- range $family := .Families}}
 address-family {{$family}} unicast
{{- range $.Neighbors}}
  neighbor {{.Addr}} activate
{{- end}}
 exit-address-family
{{- end}}
`))

type frr struct{ processes }

// NewFRR is zebra, bfdd and bgpd, which wait for the near host.
func NewFRR(s *Span, o Options) (Speaker, error) {
	f := &frr{o.on(s)}
	if _, err := f.run(context.Background(), "chown", "frr:frr", s.dir); err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := frrConf.Execute(&text, o.data()); err != nil {
		return nil, err
	}
	for name, conf := range map[string]string{"zebra": "", "bfdd": "", "bgpd": text.String()} {
		if _, err := s.write(name+".conf", conf); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"zebra", "bfdd", "bgpd"} {
		f.all = append(f.all, &process{
			name: name,
			argv: []string{frrDir + name, "-f", s.in(name + ".conf"), "-i", s.in(name + ".pid"), "-z", s.in("zserv.api"),
				"--vty_socket", s.dir, "-A", "127.0.0.1", "-P", "0", "--log", "stdout"},
			ready: func() error { _, err := os.Stat(filepath.Join(s.dir, name+".vty")); return err },
		})
	}
	return f, nil
}

func (f *frr) Kill(part string) error {
	err := f.processes.Kill(part)
	for _, p := range f.all {
		if part == "" || p.name == part {
			os.Remove(f.span.in(p.name + ".vty")) // says that it answers
		}
	}
	return err
}

func (f *frr) Holds(ctx context.Context, p netip.Prefix) ([]netip.Addr, error) {
	family := "ipv4"
	if p.Addr().Is6() {
		family = "ipv6"
	}
	out, err := f.run(ctx, vtysh, "--vty_socket", f.span.dir, "-d", "bgpd", "-c", "show bgp "+family+" unicast "+p.String()+" json")
	if err != nil {
		return nil, err
	}
	var detail struct {
		Paths []struct {
			Peer struct {
				ID netip.Addr `json:"peerId"`
			} `json:"peer"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(out), &detail); err != nil {
		return nil, err
	}
	var from []netip.Addr
	for _, path := range detail.Paths {
		from = append(from, path.Peer.ID)
	}
	slices.SortFunc(from, netip.Addr.Compare)
	return from, nil
}

func (f *frr) Show(ctx context.Context) string {
	shell := func(command string) []string { return []string{vtysh, "--vty_socket", f.span.dir, "-c", command} }
	return f.show(ctx, shell("show bgp neighbors"), shell("show bfd peers"))
}
