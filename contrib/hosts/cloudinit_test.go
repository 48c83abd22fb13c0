package hosts_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// firstBoots are the snippets of contrib/cloud-init, what a reader has to write
// in them, and what a new host announces then.
var firstBoots = []struct {
	snippet string
	written []string // old, new, ...
	vips    []string
	peers   string // of `stentor status`
}{
	{"user-data.yaml", []string{
		"    provider = \"linode\"\n    region   = \"us-southeast\"\n",
		"    asn = 64500\n    [bgp.peer.gw]\n    address = \"" + hosts.Gateway4 + "\"\n    asn = 64496\n    password_file = \"/etc/stentor/gw.key\"\n",
		"runcmd:\n",
		"- path: /etc/stentor/gw.key\n  permissions: \"0600\"\n  content: " + sessionKey + "\nruncmd:\n",
	}, []string{web}, "gw"},
	{"user-data-init.yaml", nil, []string{web, api}, "rs1"},
}

// TestCloudInit boots hosts for the first time, with what a person gives the
// cloud for them; the package comes by HTTP.
func TestCloudInit(t *testing.T) {
	if why := hosts.Missing(); why != "" {
		t.Skip(why)
	}
	deb, err := os.ReadFile(filepath.Join(buildPackages(t), "stentor_0.1.0-1_"+debArch(t)+".deb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range firstBoots {
		t.Run(b.snippet, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile("../cloud-init/" + b.snippet)
			if err != nil {
				t.Fatal(err)
			}
			userData := write(t, string(text), append([]string{
				"package=https://packages.example.net/stentor_1.0.0-1_amd64.deb", "package=http://" + hosts.Gateway4 + "/stentor.deb",
				"sha256=" + strings.Repeat("0", 64), fmt.Sprintf("sha256=%x", sha256.Sum256(deb)),
			}, b.written...)...)
			r := bareRigWith(t, stack{suite: hosts.Bookworm, profile: hosts.Networkd, backend: "networkd"}, hosts.Options{
				Files: cloud(userData, string(deb)), Enable: []string{"cloud.service", "vendor.service"}, Packages: []string{"cloud-init", "curl", "bird2"},
			})
			r.firstBoot()
			r.unit("enabled", "active")
			r.holds(b.vips...)
			if out := r.try("stentor status").Stdout; !strings.Contains(out, "  "+b.peers+" ") {
				t.Errorf("the peers are others:\n%s", out)
			}
			if b.peers != "gw" {
				return // the route servers of the data centre are not there
			}
			r.eventually("all is as configured", func() bool { return r.try("stentor status").Code == 0 })
			r.eventually("the route server has it", func() bool { return slices.Equal(learned(r), []string{web + "/32"}) })
		})
	}
}

// write is the text after what a reader of it writes, each in one place.
func write(t *testing.T, text string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if strings.Count(text, oldnew[i]) != 1 {
			t.Fatalf("there is not one %q in:\n%s", oldnew[i], text)
		}
		text = strings.Replace(text, oldnew[i], oldnew[i+1], 1)
	}
	return text
}

// cloud is what a cloud gives a host: the seed of cloud-init, a machine that
// says it is Linode's, the metadata service, and here a web server with the
// package as well.
func cloud(userData, deb string) map[string]hosts.File {
	files := map[string]hosts.File{
		"/var/lib/cloud/seed/nocloud/user-data": {Content: userData, Mode: 0o600},
		"/var/lib/cloud/seed/nocloud/meta-data": {Content: "instance-id: i-1\n", Mode: 0o600},
		"/etc/cloud/cloud.cfg.d/90-seed.cfg":    {Content: "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: C.UTF-8\n", Mode: 0o644},
		"/srv/web/stentor.deb":                  {Content: deb, Mode: 0o644},
		"/srv/class/dmi/id/sys_vendor":          {Content: "Akamai\n", Mode: 0o444},
		"/srv/web/v1/instance":                  {Content: `{"id": 1, "region": "us-ord"}`, Mode: 0o644},
		"/srv/web/v1/network":                   {Content: `{"ipv4": {"shared": ["` + web + `", "` + api + `/32"]}}`, Mode: 0o644},
		"/srv/cloud.py":                         {Content: cloudServer, Mode: 0o644},
		"/etc/systemd/system/cloud.service":     {Content: cloudUnit, Mode: 0o644},
		"/etc/systemd/system/vendor.service":    {Content: vendorUnit, Mode: 0o644},
	}
	for path, f := range routeServer {
		files[path] = f
	}
	return files
}

const cloudUnit = `[Unit]
After=wiring.service
Before=cloud-config.service
[Service]
Type=notify
NetworkNamespacePath=/run/netns/far
ExecStartPre=/bin/ip address replace 169.254.169.254/32 dev lo
ExecStart=/usr/bin/python3 /srv/cloud.py
[Install]
WantedBy=multi-user.target
`

// vendorUnit has the kernel name a vendor, which it does not in a container.
const vendorUnit = `[Unit]
Before=cloud-config.service
[Service]
Type=oneshot
ExecStart=/bin/mount -t overlay -o lowerdir=/srv/class:/sys/class overlay /sys/class
[Install]
WantedBy=multi-user.target
`

// cloudServer serves files, and a token to who asks for one first.
const cloudServer = `
import http.server, os, socket
class Handler(http.server.SimpleHTTPRequestHandler):
    def do_PUT(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'["t0ken"]')
    def do_GET(self):
        if self.path.startswith('/v1/') and self.headers.get('Metadata-Token') != 't0ken':
            return self.send_error(401)
        super().do_GET()
os.chdir('/srv/web')
server = http.server.ThreadingHTTPServer(('', 80), Handler)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
server.serve_forever()
`

// firstBoot waits for the end of cloud-init, which has to be a good one.
func (r *rig) firstBoot() {
	r.t.Helper()
	if res := r.try("cloud-init status --wait --long"); res.Code != 0 || !strings.Contains(res.Stdout, "status: done") {
		r.t.Fatalf("%s\n%s", res, r.do("tail -n 50 /var/log/cloud-init-output.log /var/log/cloud-init.log"))
	}
	r.do("cloud-init schema --config-file /var/lib/cloud/instance/user-data.txt")
}
