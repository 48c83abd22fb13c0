package survey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/host"
)

// A host at a cloud, with an uplink, and one shared IP on lo.
func onHost() host.View {
	v := host.View{Uplink4: "eth0", Uplink6: "eth0", Addrs: map[netip.Addr][]host.Addr{},
		Links: map[string]host.Link{"lo": {Name: "lo", Loopback: true, Up: true}, "eth0": {Name: "eth0", Index: 2, Up: true}}}
	for _, a := range []host.Addr{
		{Prefix: netip.MustParsePrefix("192.0.2.7/24"), Link: "eth0", Usable: true, Global: true},
		{Prefix: netip.MustParsePrefix("203.0.113.10/32"), Link: "lo", Usable: true, Global: true},
	} {
		v.Addrs[a.Prefix.Addr()] = []host.Addr{a}
	}
	return v
}

func files(vendor string, more ...string) fstest.MapFS {
	m := fstest.MapFS{}
	if vendor != "" {
		m["sys/class/dmi/id/sys_vendor"] = &fstest.MapFile{Data: []byte(vendor + "\n")}
	}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = &fstest.MapFile{Data: []byte(more[i+1])}
	}
	return m
}

// linodeService answers as Linode's metadata service does, to those who have
// its token.
func linodeService(region, network string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/v1/token" && r.Header.Get("Metadata-Token-Expiry-Seconds") != "":
			fmt.Fprint(w, `["t0ken"]`)
		case r.Header.Get("Metadata-Token") != "t0ken" || r.Header.Get("Accept") != "application/json":
			http.Error(w, "no token", http.StatusUnauthorized)
		case r.URL.Path == "/v1/instance":
			fmt.Fprintf(w, `{"id": 1, "label": "a", "region": %q, "tags": []}`, region)
		case r.URL.Path == "/v1/network":
			fmt.Fprint(w, network)
		default:
			http.NotFound(w, r)
		}
	})
}

func answers(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
}

const shared = `{"interfaces": [], "ipv4": {"public": ["192.0.2.7/32"], "private": [], "shared": ["203.0.113.10/32", "203.0.113.11"]},
	"ipv6": {"slaac": "2600:3c03::f03c:91ff:fe00:1/128", "ranges": [], "link_local": "fe80::1/128", "shared_ranges": ["2600:3c03:e000:100::/64"]}}`

func TestLook(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   fstest.MapFS
		service http.Handler
		role    string
		want    []string // in the config, in this order
		unknown []string
		check   string // what a check of the config says, beside warnings
	}{
		{"Linode", files("Akamai"), linodeService("eu-central", shared), "primary", []string{
			"The uplink is eth0", "networkd fits: it runs", `backend = "auto"`, "linode: the firmware's vendor is Akamai", `provider = "linode"`, `region = "eu-central"  # Frankfurt (Germany)`,
			`#router_id = "192.0.2.7"`, "[vip.203-0-113-10]", `address = "203.0.113.10/32"  # the metadata service calls it shared`,
			"[vip.203-0-113-11]", "[vip.2600-3c03-e000-100]", `address = "2600:3c03:e000:100::/64"`, `role = "primary"`}, nil, ""},
		{"Linode, words of its guide", files("Linode"), linodeService("eu-central", `{"ipv4": {"elastic": ["203.0.113.12"]}, "ipv6": {"elastic-ranges": ["2600:3c03:e000:100::/56"]}}`), "secondary",
			[]string{"203.0.113.12/32", "2600:3c03:e000:100::/56", "203.0.113.10/32\"  # it stands on lo"}, nil, ""},
		{"Linode, new data centre", files("Linode"), linodeService("de-fra-2", shared), "primary", []string{`region = "de-fra-2"  # NOT KNOWN`}, []string{"the number of the data centre"},
			`unknown region "de-fra-2"`},
		{"Linode, silent", files("Linode"), http.NotFoundHandler(), "primary", []string{"Not to be asked: the metadata service: PUT /v1/token", `region = ""`, `203.0.113.10/32"  # it stands on lo`},
			[]string{"the data centre"}, "unknown region"},
		{"Linode, nothing shared yet", files("Linode"), linodeService("eu-central", `{"ipv4": {"public": ["192.0.2.7/32", "198.51.100.9"], "private": ["192.168.133.7/17"]}, "ipv6": {"ranges": ["2600:3c03:e000:200::/64"]}}`), "primary",
			[]string{"203.0.113.10/32\"  # it stands on lo"}, nil, ""},
		{"Vultr", files("Vultr", "etc/stentor/bgp.key", "x"), answers(`{"bgp": {"ipv4": {"my-address": "192.0.2.7", "my-asn": "64777", "peer-address": "169.254.169.254", "peer-asn": "64515"},
			"ipv6": {"my-address": "", "my-asn": "", "peer-address": "2001:19f0:ffff::2", "peer-asn": 64515}}}`), "primary",
			[]string{`provider = "vultr"`, "asn = 64777", "password_file", "[bgp.peer.vultr6]", `address = "2001:19f0:ffff::2"`, "asn = 64515"}, nil, ""},
		{"Vultr without BGP", files("Vultr"), answers(`{"bgp": {"ipv4": {"my-asn": ""}}}`), "primary", []string{"asn = 0  # WRITE IT", "# WRITE THE BGP PASSWORD"},
			[]string{"the AS number that Vultr gave you", "the BGP password of Vultr's panel, into /etc/stentor/bgp.key"}, "asn must be"},
		{"elsewhere", files("QEMU", "etc/frr/frr.conf", "hostname a\nrouter bgp 65001\n", "etc/bird.conf", "# protocol bgp x { }\n", "etc/systemd/system/lelastic.service", "ExecStart=/usr/local/bin/lelastic"),
			answers("never asked"), "", []string{"lelastic is set up on this host, in /etc/systemd/system/lelastic.service", "stentor import frr /etc/frr/frr.conf", "asn = 0", "[bgp.peer.tor1]", `role = ""`},
			[]string{"the AS number of this host", "a BGP peer: its address and AS number", "the role of this host"}, "role"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(c.service)
			defer server.Close()
			m := LinkLocalMetadata()
			m.Base = server.URL
			f := Look(t.Context(), Input{Files: c.files, View: onHost(), Metadata: m, Network: "networkd", Why: "it runs", Role: c.role})
			text, unknown := f.Config()
			if diff := cmp.Diff(c.unknown, unknown); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(string(text), "import bird") {
				t.Error("what is commented out in bird.conf is taken for a session")
			}
			rest := strings.ReplaceAll(string(text), "\n# ", " ")
			for _, want := range c.want {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("%q is not in its place:\n%s", want, text)
				}
				rest = after
			}
			_, _, err := config.LoadTexts([]config.File{{Path: "stentor.toml", Text: string(text)}}, config.Options{Offline: true})
			if (err == nil) != (c.check == "") || err != nil && !strings.Contains(err.Error(), c.check) {
				t.Errorf("check says %v, want %q\n%s", err, c.check, text)
			}
			if (err == nil) != (len(unknown) == 0) {
				t.Errorf("unknown is %q, and check says %v", unknown, err)
			}
		})
	}
}

// TestCandidates: what the cloud has given beside the uplink's own address may
// be the shared IP.
func TestCandidates(t *testing.T) {
	view := onHost()
	delete(view.Addrs, netip.MustParseAddr("203.0.113.10"))
	server := httptest.NewServer(linodeService("eu-central", `{"ipv4": {"public": ["192.0.2.7/32", "198.51.100.9"], "private": ["192.168.133.7/17"]}, "ipv6": {"ranges": ["2600:3c03:e000:200::/64"]}}`))
	defer server.Close()
	m := LinkLocalMetadata()
	m.Base = server.URL
	f := Look(t.Context(), Input{Files: files("Linode"), View: view, Metadata: m, Network: "networkd", Role: "primary"})
	text, unknown := f.Config()
	if want := `# WRITE IT: perhaps "198.51.100.9/32" or "2600:3c03:e000:200::/64", which the cloud gave to this host`; !strings.Contains(string(text), want) || !cmp.Equal(unknown, []string{"a shared IP"}) {
		t.Errorf("%q\n%s", unknown, text)
	}
}

// TestUndecided has no backend to name.
func TestUndecided(t *testing.T) {
	f := Look(t.Context(), Input{Files: files("Linode"), View: onHost(), Why: "two run", Role: "primary"})
	f.Region = "eu-central"
	text, unknown := f.Config()
	if !strings.Contains(string(text), `backend = ""  # WRITE ONE`) || !cmp.Equal(unknown, []string{"the network backend"}) {
		t.Errorf("%q\n%s", unknown, text)
	}
}

// TestHostileService: a service that lies, is slow, or never ends costs a
// second at most, and nothing of it gets into the config but values that hold.
func TestHostileService(t *testing.T) {
	gone := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	})
	drip := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-gone:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	for name, c := range map[string]struct {
		service http.Handler
		trouble string
	}{
		"slow":         {slow, "no answer within 1s"},
		"drip":         {drip, "longer than 1s"},
		"huge":         {answers(strings.Repeat("[", metadataMax+1)), "larger than"},
		"garbage":      {answers("<html>"), "no token"},
		"header split": {answers(`["a\r\nX: y"]`), "no token"},
		"elsewhere":    {http.RedirectHandler("http://192.0.2.1/", http.StatusFound), "302"},
		"bad region":   {linodeService("x\"]\n[vip.evil]", shared), "no region"},
		"bad address":  {linodeService("eu-central", `{"ipv4": {"shared": ["203.0.113.12", "evil\n[x]"]}}`), "no address"},
		"not to share": {linodeService("eu-central", `{"ipv4": {"shared": ["127.0.0.1", "169.254.1.1", "224.0.0.1", "10.0.0.0/8"]}, "ipv6": {"shared_ranges": ["::/0", "fe80::/64", "::ffff:1.2.3.4/128"]}}`), ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.service)
			m := LinkLocalMetadata()
			m.Base = server.URL
			f := Look(t.Context(), Input{Files: files("Linode"), View: onHost(), Metadata: m, Network: "iproute", Role: "primary"})
			server.CloseClientConnections()
			text, _ := f.Config()
			if got := strings.Join(f.Trouble, "\n"); (got == "") != (c.trouble == "") || !strings.Contains(got, c.trouble) {
				t.Errorf("trouble is %q, want %q", got, c.trouble)
			}
			if bytes.Contains(text, []byte("\n[vip.evil]")) || bytes.Contains(text, []byte("127.0.0.1")) {
				t.Errorf("%s", text)
			}
			for _, v := range f.VIPs {
				if v.Address.String() != "203.0.113.10/32" && v.Address.String() != "203.0.113.12/32" {
					t.Errorf("%s is taken for a shared IP", v.Address)
				}
			}
		})
	}
	close(gone)
}

// FuzzMetadata: whatever the service answers, the config has no more mistakes
// than the placeholders that are told.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`["t"]`), []byte(`{"region":"eu-central"}`), []byte(shared), true)
	f.Add([]byte(`{}`), []byte(`{"region":3}`), []byte(`{"ipv4":{"shared":[null]}}`), true)
	f.Add([]byte(`{"bgp":{"ipv4":{"my-asn":"64777","peer-address":"169.254.169.254","peer-asn":64515}}}`), []byte(nil), []byte(nil), false)
	f.Fuzz(func(t *testing.T, first, instance, network []byte, linode bool) {
		bodies := map[string][]byte{"/v1/token": first, "/v1.json": first, "/v1/instance": instance, "/v1/network": network}
		m := &Metadata{Base: "http://metadata", Client: &http.Client{Transport: canned(bodies)}}
		vendor := "Vultr"
		if linode {
			vendor = "Linode"
		}
		facts := Look(context.Background(), Input{Files: files(vendor), View: onHost(), Metadata: m, Network: "iproute", Role: "primary"})
		text, unknown := facts.Config()
		_, _, err := config.LoadTexts([]config.File{{Path: "stentor.toml", Text: string(text)}}, config.Options{Offline: true})
		if err != nil && len(unknown) == 0 && !strings.Contains(err.Error(), "asn ") {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}

// canned answers without a network.
type canned map[string][]byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(c[r.URL.Path])), Request: r}, nil
}
