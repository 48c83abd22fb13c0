package span

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/template"
)

var exabgpConf = template.Must(template.New("exabgp").Parse(`process told {
  run /usr/bin/tee -a {{.Told}};
  encoder json;
}
{{- range .Neighbors}}
neighbor {{.Addr}} {
  router-id 192.0.2.2;
  local-address {{.Local}};
  local-as 65000;
  peer-as 65001;
  hold-time 9;
  passive true;
  {{if .Multihop}}outgoing-ttl 16;{{end}}
  capability { nexthop; }
  family { ipv4 unicast; ipv6 unicast; }
  nexthop { ipv4 unicast ipv6; }
  api { processes [ told ]; neighbor-changes; receive { parsed; update; } }
}
{{- end}}
`))

type exabgp struct{ processes }

// NewExaBGP is an ExaBGP that waits for the near host, and writes down what it
// is told. It has no BFD.
func NewExaBGP(s *Span, o Options) (Speaker, error) {
	x := &exabgp{o.on(s)}
	var text strings.Builder
	if err := exabgpConf.Execute(&text, struct {
		Neighbors []neighbor
		Told      string
	}{neighbors(), x.told()}); err != nil {
		return nil, err
	}
	conf, err := s.write("exabgp.conf", text.String())
	if err != nil {
		return nil, err
	}
	if _, err := s.write("told", ""); err != nil {
		return nil, err
	}
	var bind []string
	for _, n := range neighbors() {
		bind = append(bind, n.Local.String())
	}
	x.all = []*process{{
		name: "exabgp",
		// A host name that needs no DNS: it looks its own one up first thing.
		argv: []string{"unshare", "--uts", "sh", "-c", "hostname localhost && exec exabgp " + conf},
		env: []string{"exabgp_daemon_user=root", "exabgp_tcp_bind=" + strings.Join(bind, " "), "exabgp_tcp_port=179", "exabgp_log_level=ERR", "exabgp_api_cli=false",
			"exabgp_api_ack=false", "exabgp_cache_nexthops=false"},
		ready: func() error {
			_, err := s.onFar(context.Background(), "sh", "-c", "ss -ltnH 'sport = 179' | grep -q .")
			return err
		},
	}}
	return x, nil
}

func (x *exabgp) told() string { return x.span.in("told") }

// Kill makes it forget: what it was told went with its sessions.
func (x *exabgp) Kill(part string) error {
	return errors.Join(x.processes.Kill(part), os.Truncate(x.told(), 0))
}

// Holds replays what was written down.
func (x *exabgp) Holds(_ context.Context, p netip.Prefix) ([]netip.Addr, error) {
	f, err := os.Open(x.told())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	held := map[netip.Addr]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct {
			Type     string
			Neighbor struct {
				Address struct{ Peer netip.Addr }
				State   string
				Message struct {
					Update struct {
						Announce map[string]map[string][]struct{ NLRI netip.Prefix }
						Withdraw map[string][]struct{ NLRI netip.Prefix }
					}
				}
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%w: %s", err, lines.Text())
		}
		peer, update := e.Neighbor.Address.Peer, e.Neighbor.Message.Update
		if e.Type == "state" && e.Neighbor.State != "up" {
			delete(held, peer)
		}
		for _, all := range update.Withdraw {
			for _, one := range all {
				if one.NLRI == p {
					delete(held, peer)
				}
			}
		}
		for _, hops := range update.Announce {
			for _, all := range hops {
				for _, one := range all {
					if one.NLRI == p {
						held[peer] = true
					}
				}
			}
		}
	}
	var from []netip.Addr
	for peer := range held {
		from = append(from, peer)
	}
	slices.SortFunc(from, netip.Addr.Compare)
	return from, lines.Err()
}

func (x *exabgp) Show(ctx context.Context) string {
	return x.show(ctx, []string{"tail", "-n", "20", x.told()}, []string{"tail", "-n", "20", x.span.in("exabgp.log")})
}
