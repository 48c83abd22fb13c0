package doctor

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// program is one beside us that announces or moves addresses too.
type program struct {
	name    string
	backend string   // that drives it; empty: none does
	comms   []string // its processes' names (proc_pid_comm(5))
	configs []string // where it is told its neighbours and routes
}

// speakers are those that can have sessions of their own.
var speakers = []program{
	{"FRR", "frr", []string{"bgpd"}, []string{"etc/frr/*.conf"}},
	{"BIRD", "bird", []string{"bird", "bird6"}, []string{"etc/bird.conf", "etc/bird/*.conf", "etc/bird/*/*.conf"}},
	{"GoBGP", "", []string{"gobgpd"}, []string{"etc/gobgp*.conf", "etc/gobgp/*", "etc/gobgpd/*"}},
	{"ExaBGP", "", []string{"exabgp"}, []string{"etc/exabgp/*.conf", "etc/exabgp/*.cfg"}},
}

// rival is a process that announces shared IPs too: Linode's wrapper of GoBGP.
const rival = "lelastic"

// beside: two speakers on one host announce and withdraw behind each other's
// back.
func (x *exam) beside() {
	running := x.processes()
	for _, id := range running[rival] {
		more := ", and whatever any local user gives it on 127.0.0.1:50051"
		if exe, err := fs.ReadLink(x.Files, path.Join("proc", id, "exe")); err == nil && path.Base(exe) == "stentor" {
			more = "" // ours, by that name
		}
		x.add(CodeLelastic, Warning, rival, fmt.Sprintf("%s runs beside Stentor (process %s): it announces shared IPs by itself%s", rival, id, more),
			"before stentor run: systemctl disable --now lelastic")
	}
	if len(running[rival]) == 0 {
		wanted, _ := fs.Glob(x.Files, "etc/systemd/system/*.wants/lelastic.service") // only a bad pattern is an error
		for _, name := range wanted {
			x.addAt(CodeLelastic, Warning, rival, "lelastic starts at the next boot, and announces shared IPs by itself", "systemctl disable lelastic", place{path: "/" + name})
		}
	}
	for _, s := range speakers {
		for _, comm := range s.comms {
			if ids := running[comm]; len(ids) > 0 && s.backend != x.Config.BGP.Backend {
				x.rivalry(s, ids[0])
			}
		}
	}
}

// processes are those of this network namespace by name. One whose namespace
// can't be seen counts.
func (x *exam) processes() map[string][]string {
	ours, _ := fs.ReadLink(x.Files, "proc/thread-self/ns/net")
	running := map[string][]string{}
	found, _ := fs.Glob(x.Files, "proc/[0-9]*/comm")
	for _, name := range found {
		b, err := fs.ReadFile(x.Files, name)
		if err != nil {
			continue // it has ended
		}
		dir := path.Dir(name)
		if theirs, err := fs.ReadLink(x.Files, path.Join(dir, "ns/net")); err == nil && theirs != ours {
			continue // another container's
		}
		comm := strings.TrimSpace(string(b))
		running[comm] = append(running[comm], path.Base(dir))
	}
	return running
}

// rivalry: a speaker that runs, and is told of our peers or shared IPs.
func (x *exam) rivalry(s program, id string) {
	peers := map[string]string{}
	for _, p := range x.Config.BGP.Peers {
		peers[p.Addr.WithZone("").String()] = p.Name
	}
	for _, pattern := range s.configs {
		files, _ := fs.Glob(x.Files, pattern)
		for _, name := range files {
			for n, line := range x.lines(name) {
				for _, a := range addresses(line) {
					at := place{"/" + name, n + 1}
					if peer, ok := peers[a.String()]; ok {
						x.addAt(CodeSpeaker, Warning, "peer "+peer, fmt.Sprintf("%s runs on this host too (process %s), and has %s as its neighbour: of two sessions with one host a peer ends one (RFC 4271 §6.8)", s.name, id, a),
							s.instead("take the neighbour out there"), at)
					}
					if vip, ok := x.shared[a]; ok {
						x.addAt(CodeSpeaker, Warning, "vip "+vip, fmt.Sprintf("%s runs on this host too (process %s), and is told of %s: it may announce what Stentor has withdrawn", s.name, id, a),
							s.instead("take it out there"), at)
					}
				}
			}
		}
	}
}

// instead adds the backend that would drive the program.
func (s program) instead(fix string) string {
	if s.backend == "" {
		return fix
	}
	return fmt.Sprintf("%s, or have Stentor announce by it: [bgp] backend = %q", fix, s.backend)
}
