package span

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
)

var gobgpdConf = template.Must(template.New("gobgpd").Parse(`[global.config]
  as = 65000
  router-id = "192.0.2.2"
{{- range .Neighbors}}
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{{.Addr}}"
    peer-as = 65001
  [neighbors.transport.config]
    passive-mode = true
    local-address = "{{.Local}}"
  [neighbors.timers.config]
    hold-time = 9
    keepalive-interval = 3
{{- if .Multihop}}
  [neighbors.ebgp-multihop.config]
    enabled = true
    multihop-ttl = 16
{{- end}}
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
{{- end}}
`))

type gobgpd struct{ processes }

// apiPort is where gobgpd takes commands, on the far host.
const apiPort = "50051"

// NewGoBGP is a gobgpd that waits for the near host. It has no BFD.
func NewGoBGP(s *Span, o Options) (Speaker, error) {
	var text strings.Builder
	if err := gobgpdConf.Execute(&text, o.data()); err != nil {
		return nil, err
	}
	conf, err := s.write("gobgpd.toml", text.String())
	if err != nil {
		return nil, err
	}
	g := &gobgpd{o.on(s)}
	g.all = []*process{{
		name:  "gobgpd",
		argv:  []string{"gobgpd", "-f", conf, "--api-hosts", "127.0.0.1:" + apiPort, "--pprof-disable"},
		ready: func() error { return g.cli(context.Background(), nil, "neighbor") },
	}}
	return g, nil
}

// said is what gobgp says on the far host.
func (g *gobgpd) said(ctx context.Context, args ...string) (string, error) {
	return g.span.onFar(ctx, g.inside(append([]string{"gobgp", "-p", apiPort}, args...)...)...)
}

// cli is what it says as JSON, unless into is nil.
func (g *gobgpd) cli(ctx context.Context, into any, args ...string) error {
	out, err := g.said(ctx, append([]string{"-j"}, args...)...)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		return fmt.Errorf("gobgp %v: %w: %s", args, err, out)
	}
	return nil
}

func (g *gobgpd) Holds(ctx context.Context, p netip.Prefix) ([]netip.Addr, error) {
	family := "ipv4"
	if p.Addr().Is6() {
		family = "ipv6"
	}
	var table map[string][]struct {
		Neighbor netip.Addr `json:"neighbor-ip"`
	}
	if err := g.cli(ctx, &table, "global", "rib", "-a", family); err != nil {
		return nil, err
	}
	var from []netip.Addr
	for _, path := range table[p.String()] {
		from = append(from, path.Neighbor)
	}
	slices.SortFunc(from, netip.Addr.Compare)
	return from, nil
}

func (g *gobgpd) Show(ctx context.Context) string {
	var all strings.Builder
	for _, what := range [][]string{{"neighbor"}, {"global", "rib"}} {
		out, err := g.said(ctx, what...)
		if err != nil {
			out = err.Error()
		}
		all.WriteString(out)
	}
	return all.String()
}
