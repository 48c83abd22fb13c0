package survey

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stentor-net/stentor/core/draft"
	"github.com/stentor-net/stentor/core/provider"
)

// Config writes the facts as a config, and names what is left to a person.
// Where something is unknown the config has a value that a check refuses.
func (f Facts) Config() (text []byte, unknown []string) {
	w := &writer{Facts: f}
	w.doc.Head = []string{"Written by `stentor init` for this host. `stentor check` says what is wrong with it, `stentor diff` what it would change."}
	w.neighbours()
	w.network()
	w.bgp()
	for _, v := range f.VIPs {
		w.vip(v)
	}
	if len(f.VIPs) == 0 {
		w.doc.Add("vip.web", "A shared IP, under a name of your own.").
			Set("address", "", w.missing("a shared IP", "WRITE IT: "+w.candidates())).
			Set("role", f.Role, w.role())
	}
	return w.doc.Bytes(), w.unknown
}

// candidates are what may be the shared IP: what the cloud has given to this
// host beside the uplink's own address.
func (f Facts) candidates() string {
	var words []string
	for _, p := range f.Given {
		private := p.Addr().IsPrivate() || p.Addr() == f.RouterID
		if usable(p) && !private && len(words) < 4 {
			words = append(words, strconv.Quote(p.String()))
		}
	}
	if len(words) == 0 {
		return `"203.0.113.10/32", or an IPv6 range with its length`
	}
	return "perhaps " + strings.Join(words, " or ") + ", which the cloud gave to this host"
}

// keyFile is where a BGP password goes that there is no other place for yet.
const keyFile = "/etc/stentor/bgp.key"

type writer struct {
	Facts
	doc     draft.Doc
	names   draft.Namer
	unknown []string
}

// missing notes what a person has to write, and gives the comment for its place.
func (w *writer) missing(what, comment string) string {
	if !slices.Contains(w.unknown, what) {
		w.unknown = append(w.unknown, what)
	}
	return comment
}

// role is the comment of a role.
func (w *writer) role() string {
	if w.Role == "" {
		return w.missing("the role of this host", `WRITE "primary" here and "secondary" on the other host, or the other way round`)
	}
	return "the other host says the other word; the same word on both: no failback"
}

func (w *writer) neighbours() {
	for _, o := range w.Others {
		w.doc.Head = append(w.doc.Head, "", fmt.Sprintf("%s is set up on this host, in %s. To take over what it does: stentor import %s %s", o.Name, o.Path, o.Name, o.Path))
	}
	for _, t := range w.Trouble {
		w.doc.Head = append(w.doc.Head, "", "Not to be asked: "+t)
	}
}

func (w *writer) network() {
	t := w.doc.Add("network")
	if w.Uplink != "" {
		t.Notes = []string{fmt.Sprintf("The uplink is %s. Stentor touches neither it nor its addresses.", w.Uplink)}
	}
	if w.Network == "" {
		t.Notes = append(t.Notes, "It can't be told who looks after the addresses of this host: "+w.Why)
		t.Set("backend", "", w.missing("the network backend", "WRITE ONE: netplan, networkd, networkmanager, ifupdown, or iproute (until reboot)"))
		return
	}
	t.Notes = append(t.Notes, fmt.Sprintf("%s fits: %s", w.Network, w.Why))
	t.Set("backend", "auto")
}

func (w *writer) bgp() {
	t := w.doc.Add("bgp")
	if w.Cloud != "" {
		t.Notes = []string{fmt.Sprintf("%s: %s.", w.Provider, w.Cloud)}
	}
	switch w.Provider {
	case "linode":
		t.Set("provider", w.Provider)
		w.region(t)
	case "vultr":
		t.Set("provider", w.Provider)
		if w.ASN == 0 {
			t.Set("asn", 0, w.missing("the AS number that Vultr gave you", "WRITE IT: the panel has it under Network, BGP"))
		} else {
			t.Set("asn", w.ASN)
		}
		if w.Key {
			t.Set("password_file", keyFile)
		} else {
			t.Set("password_file", keyFile, w.missing("the BGP password of Vultr's panel, into "+keyFile, "WRITE THE BGP PASSWORD of Vultr's panel into it, and chmod 600"))
		}
		w.peers()
	default:
		t.Notes = []string{"No provider that is known was recognised. With one of " + strings.Join(provider.Names(), ", ") + ", write provider = \"NAME\" in place of the peers below."}
		t.Set("asn", 0, w.missing("the AS number of this host", "WRITE IT: private use is 64512 to 65534"))
		w.doc.Add("bgp.peer.tor1", "The router that shall hear of the shared IPs.").
			Set("address", "", w.missing("a BGP peer: its address and AS number", `WRITE IT: "192.0.2.1"`)).
			Set("asn", 0, "WRITE ITS AS NUMBER")
	}
	if w.RouterID.IsValid() {
		t.Example("router_id", w.RouterID.String(), "the default")
	}
}

// region writes Linode's data centre. One that is not in the table keeps a check
// from passing, until its number is.
func (w *writer) region(t *draft.Table) {
	linode, _ := provider.Lookup("linode")
	known, ok := linode.Region(w.Region)
	switch {
	case w.Region == "":
		t.Set("region", "", w.missing("the data centre", `WRITE IT, as the cloud's panel and API name it: "eu-central"`))
	case !ok:
		t.Set("region", w.Region, w.missing("the number of the data centre", "NOT KNOWN TO THIS VERSION: add [provider.linode.regions] with "+w.Region+" = NUMBER"))
	default:
		t.Set("region", w.Region, known.Name)
	}
}

// peers writes those that differ from what is known of the provider.
func (w *writer) peers() {
	known, _ := provider.Lookup(w.Provider)
	slices.SortFunc(w.Peers, func(a, b Peer) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range w.Peers {
		same := slices.Contains(known.Peers, provider.Peer{Name: p.Name, Addr: p.Addr}) && p.ASN == known.PeerASN
		if !same {
			w.doc.Add("bgp.peer."+p.Name, "As the metadata service says.").Set("address", p.Addr.String()).Set("asn", p.ASN)
		}
	}
}

func (w *writer) vip(v VIP) {
	t := w.doc.Add("vip." + w.names.VIP(v.Address))
	if v.Why != "" {
		t.Set("address", v.Address.String(), v.Why)
	} else {
		t.Set("address", v.Address.String())
	}
	t.Set("role", w.Role, w.role())
}
