package span

import (
	"context"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

const (
	birdPath = "/usr/sbin/bird"
	birdc    = "/usr/sbin/birdc"
)

var birdConf = template.Must(template.New("bird").Parse(`router id 192.0.2.2;
log stderr all;
protocol device { }
{{- if .BFD}}
protocol bfd { {{with .Auth}}interface "*" { {{.}} }; multihop { {{.}} };{{end}} }
{{- end}}
{{- range .Neighbors}}
protocol bgp {{.Name}} {
  local {{.Local}} as 65000;
  neighbor {{.Addr}} as 65001;
  {{if .Multihop}}multihop 16{{else}}direct{{end}}; passive on;
  hold time 9; keepalive time 3;
  # After an error, BFD's too, the host is let in again at once.
  error wait time 1, 1;
  graceful restart off;
{{- with $.BFD}}
  bfd { min tx interval {{.TX.Milliseconds}} ms; min rx interval {{.RX.Milliseconds}} ms; multiplier {{.Multiplier}}; };
{{- end}}
  ipv4 { {{if .Addr.Is6}}extended next hop on; {{end}}import all; export none; };
  ipv6 { import all; export none; };
}
{{- end}}
`))

type bird struct{ processes }

// NewBIRD is a BIRD that waits for the near host.
func NewBIRD(s *Span, o Options) (Speaker, error) {
	var text strings.Builder
	if err := birdConf.Execute(&text, o.data()); err != nil {
		return nil, err
	}
	conf, err := s.write("bird.conf", text.String())
	if err != nil {
		return nil, err
	}
	b := &bird{o.on(s)}
	b.all = []*process{{
		name:  "bird",
		argv:  []string{birdPath, "-f", "-c", conf, "-s", s.in("bird.ctl"), "-P", s.in("bird.pid")},
		ready: func() error { _, err := b.ask(context.Background(), "status"); return err },
	}}
	return b, nil
}

func (b *bird) ask(ctx context.Context, what string) (string, error) {
	return b.run(ctx, birdc, "-s", b.span.in("bird.ctl"), "show "+what)
}

var birdFrom = regexp.MustCompile(`\[(\w+) `)

func (b *bird) Holds(ctx context.Context, p netip.Prefix) ([]netip.Addr, error) {
	out, err := b.ask(ctx, "route for "+p.String()+" all")
	if err != nil && !strings.Contains(err.Error(), "not found") {
		return nil, err
	}
	var from []netip.Addr
	for _, m := range birdFrom.FindAllStringSubmatch(out, -1) {
		for _, n := range neighbors() {
			if n.Name == m[1] {
				from = append(from, n.Addr)
			}
		}
	}
	slices.SortFunc(from, netip.Addr.Compare)
	return from, nil
}

func (b *bird) Show(ctx context.Context) string {
	shell := func(command string) []string { return []string{birdc, "-s", b.span.in("bird.ctl"), "show", command} }
	return b.show(ctx, append(shell("protocols"), "all"), append(shell("bfd"), "sessions"))
}
