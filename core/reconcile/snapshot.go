package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/health"
	"github.com/stentor-net/stentor/core/host"
	"github.com/stentor-net/stentor/core/status"
	"github.com/stentor-net/stentor/plugins"
)

// snapshot puts into words what the pass saw.
func (l *Loop) snapshot(cfg *config.Config, generation int, view host.View, results health.View, want Desired, lingering int) *status.Status {
	s := &status.Status{
		Version: l.Version, Generation: generation,
		Network: status.Network{Backend: l.Net.Info().Name, Why: l.NetWhy},
		BGP:     status.BGP{Backend: l.bgp.name(), ASN: cfg.BGP.ASN, RouterID: want.Speaker.RouterID.String()},
		VIPs:    []status.VIP{}, Peers: []status.Peer{}, Problems: []status.Problem{}, Backends: []status.Backend{},
	}
	if l.Processes != nil {
		s.Backends = append(s.Backends, l.Processes(plugins.KindNet, l.Net.Info().Name)...)
		for _, p := range l.speakers() {
			s.Backends = append(s.Backends, l.Processes(plugins.KindBGP, p.name())...)
		}
	}
	told, foreign := toldBy(l.sessions()), adopted(l.net.seen)
	for _, v := range cfg.VIPs {
		s.VIPs = append(s.VIPs, l.vip(cfg, view, v, want.Verdicts[v.Name], told[v.Prefix], foreign[v.Addr]))
	}
	s.Checks = checks(cfg, results)
	s.Peers, s.Problems = l.peers(cfg)
	s.Restart = outlook(cfg.BGP, l.bgp.bgp.Info(), l.Restarting != nil, s.Peers)
	s.Problems = append(s.Problems, l.healthProblems(cfg, s.Checks, want)...)
	s.Problems = append(s.Problems, l.backendProblems()...)
	s.Problems = append(s.Problems, driftProblems(l.net.seen)...)
	if lingering > 0 {
		s.Problems = append(s.Problems, status.Problem{Object: "network",
			Message: fmt.Sprintf("%d removed addresses stay on the host until the peers have been sent their withdrawal", lingering)})
	}
	if l.Problems != nil {
		s.Problems = append(s.Problems, l.Problems()...)
	}
	slices.SortStableFunc(s.Problems, func(a, b status.Problem) int { return cmp.Compare(a.Object, b.Object) })
	s.Converged = lingering == 0 && len(l.lost) == 0 && l.leaving == nil && l.failed == "" && l.bgp.settled(want.Speaker) && l.net.settled(want.Host)
	return s
}

func (l *Loop) vip(cfg *config.Config, view host.View, v config.VIP, verdict Verdict, told []string, adopted bool) status.VIP {
	onHost, _ := view.Holds(v.Addr)
	out := status.VIP{
		Name: v.Name, Address: netip.PrefixFrom(v.Addr, v.Addr.BitLen()).String(), Announce: v.Prefix.String(),
		Role: string(v.Role), State: verdict.State, Why: verdict.Why,
		OnHost: onHost, Adopted: adopted, AnnouncedTo: []string{}, Peers: len(v.Peers),
		Checks: v.Checks, Health: string(verdict.Health), Demoted: verdict.Demoted, Penalty: verdict.Penalty, Next: verdict.Next,
	}
	if len(v.Peers) == 0 {
		out.Peers = len(cfg.BGP.Peers)
	}
	out.AnnouncedTo = append(out.AnnouncedTo, told...)
	switch {
	case verdict.State == status.Drained && !verdict.Announce:
		out.Why += drainedStep(len(told) > 0, onHost, verdict.Removed)
	case len(told) > 0 && verdict.State == status.Drained: // why tells how far it is
	case len(told) > 0:
		out.State = status.Announced
		switch {
		case !verdict.Announce:
			out.Why = "being withdrawn: " + verdict.Why
		case len(told) < out.Peers && verdict.Why == "":
			out.Why = l.whyPartly(cfg, v, told)
		case len(told) < out.Peers && verdict.Demoted:
			out.Why += "; " + l.whyPartly(cfg, v, told)
		}
	case verdict.State == status.Drained:
	case verdict.Announce && verdict.State == status.Pending:
		out.Why = l.whyUntold()
		if l.bgp.err != nil {
			out.State = status.Failed
		}
	case verdict.State == status.Pending && l.net.err != nil:
		out.State, out.Why = status.Failed, sentence(l.net.err)
	}
	return out
}

// drainedStep tells how far a drain is whose route shall be gone.
func drainedStep(told, onHost, removed bool) string {
	switch {
	case told:
		return ": being withdrawn"
	case !removed:
		return ": withdrawn"
	case onHost:
		return ": withdrawn, and the address is about to leave the host"
	default:
		return ": withdrawn, and the address is off the host"
	}
}

// whyUntold says why no peer was told of an announcement that the speaker holds.
func (l *Loop) whyUntold() string {
	if l.bgp.err != nil {
		return sentence(l.bgp.err)
	}
	up, last := 0, ""
	for _, p := range l.sessions().Peers {
		if p.State == plugins.StateEstablished {
			up++
		}
		if p.LastError != "" {
			last = p.Name + ": " + p.LastError
		}
	}
	switch {
	case up == 0 && last != "":
		return "no session is established; " + last
	case up == 0:
		return "waiting for the first session to be established"
	case last != "":
		return "no peer was told; " + last
	default:
		return "about to be announced"
	}
}

// whyPartly names the peers that were not told.
func (l *Loop) whyPartly(cfg *config.Config, v config.VIP, told []string) string {
	var missing []string
	for _, p := range cfg.BGP.Peers {
		if (len(v.Peers) == 0 || slices.Contains(v.Peers, p.Name)) && !slices.Contains(told, p.Name) {
			missing = append(missing, p.Name)
		}
	}
	return "not told: " + strings.Join(missing, ", ")
}

func bfd(b *plugins.BFDState) *status.BFD {
	if b == nil {
		return nil
	}
	return &status.BFD{State: b.State, Since: b.Since, DetectMS: b.DetectTime.Milliseconds(), LateMS: b.Late.Milliseconds(), Why: b.Why}
}

// peers tells the sessions, and what is wrong with them.
func (l *Loop) peers(cfg *config.Config) ([]status.Peer, []status.Problem) {
	sessions := l.sessions().Peers
	seen := make(map[string]plugins.PeerState, len(sessions))
	for _, p := range sessions {
		seen[p.Name] = p
	}
	peers, problems := []status.Peer{}, []status.Problem{}
	for _, p := range cfg.BGP.Peers {
		now, ok := seen[p.Name]
		if !ok {
			now.State = plugins.StateIdle
		}
		peers = append(peers, status.Peer{
			Name: p.Name, Address: p.Addr.String(), ASN: p.ASN, State: string(now.State), Since: now.Since,
			Announced: len(now.Announced), Received: now.Received, LastError: now.LastError, BFD: bfd(now.BFD),
			GracefulRestart: now.GracefulRestart,
		})
		if now.State == plugins.StateEstablished {
			if now.LastError != "" && !now.ErrorAt.Before(now.Since) {
				problems = append(problems, status.Problem{Object: "peer " + p.Name, Message: now.LastError})
			}
			continue
		}
		msg := "session is " + string(now.State)
		if now.LastError != "" {
			msg = now.LastError
		}
		problems = append(problems, status.Problem{Object: "peer " + p.Name, Message: msg})
	}
	return peers, problems
}

func (l *Loop) backendProblems() []status.Problem {
	var problems []status.Problem
	add := func(object, name string, err error) {
		if err != nil {
			problems = append(problems, status.Problem{Object: object, Message: name + ": " + sentence(err), Hint: hint(err)})
		}
	}
	add("network", l.Net.Info().Name, l.net.err)
	for _, s := range l.speakers() {
		add("bgp", s.name(), s.err)
	}
	if l.leaving != nil {
		problems = append(problems, status.Problem{Object: "bgp", Message: l.hand.String()})
	}
	if l.failed != "" {
		problems = append(problems, status.Problem{Object: "bgp", Message: l.failed})
	}
	return problems
}

func driftProblems(seen []plugins.VIPState) []status.Problem {
	var problems []status.Problem
	for _, v := range seen {
		if v.Drift != "" {
			problems = append(problems, status.Problem{Object: "vip " + v.Name, Kind: status.Drift, Message: v.Drift})
		}
	}
	return problems
}

// adopted are the addresses that something else puts on the host.
func adopted(seen []plugins.VIPState) map[netip.Addr]bool {
	addrs := map[netip.Addr]bool{}
	for _, v := range seen {
		if v.Adopted {
			addrs[v.Addr] = true
		}
	}
	return addrs
}

// toldBy turns what each peer was told into who was told of each prefix.
func toldBy(s plugins.SpeakerState) map[netip.Prefix][]string {
	told := map[netip.Prefix][]string{}
	for _, p := range s.Peers {
		for _, prefix := range p.Announced {
			told[prefix] = append(told[prefix], p.Name)
		}
	}
	return told
}

// sentence is an error without the marks that only programs need.
func sentence(err error) string {
	s := err.Error()
	for _, mark := range []error{plugins.ErrUnavailable, plugins.ErrUnsupported, plugins.ErrForeign} {
		s = strings.TrimSuffix(s, ": "+mark.Error())
	}
	return s
}

// hint is what to do about an error, where its kind tells.
func hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "run as root, or with CAP_NET_ADMIN"
	case errors.Is(err, plugins.ErrForeign):
		return "it is not ours, so it was not touched; move it away, or take the VIP out of the config"
	case errors.Is(err, plugins.ErrUnsupported):
		return "another backend may be able to"
	default:
		return ""
	}
}
