// Package container holds the recipe of the image, and tries the image.
package container

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tools are what the test runs, and the packages of Debian that bring them.
var tools = map[string]string{"buildah": "buildah", "crun": "crun", "bird": "bird2", "unshare": "util-linux", "ip": "iproute2"}

const birdConf = `router id 192.0.2.1;
protocol device {}
protocol bgp host {
	local 192.0.2.1 as 64496;
	neighbor 192.0.2.2 as 64500;
	password "secret";
	ipv4 { import all; export none; };
	ipv6 { import all; export none; };
}
`

const config = `[network]
backend = "iproute"
[bgp]
asn     = 64500
on_exit = "drain"
[bgp.peer.gw]
address       = "192.0.2.1"
asn           = 64496
password_file = "/etc/stentor/gw.key"
[vip.web]
address = "203.0.113.10/32"
role    = "primary"
`

// want is what the script says: the address is there and announced, the speaker
// has no right at all, and with the container's end the route is gone.
const want = `on lo: 1
announced: 1
CapEff:	0000000000000000
NoNewPrivs:	1
reloaded
ended: 0
announced: 0
`

// TestImage builds the image and runs it as the DaemonSet of contrib/kubernetes
// does: the root file system can't be written, there are no rights but the
// capabilities that the manifest adds, and the config is a ConfigMap.
func TestImage(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes namespaces")
	}
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs the package " + pkg)
		}
	}
	dir, err := os.MkdirTemp("", "image") // of a short name, for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	image := build(t, dir)
	state := filepath.Join(dir, "state")
	configMap := filepath.Join(dir, "config")
	volume(t, configMap, map[string]string{"stentor.toml": config, "gw.key": "secret"})
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "bird.conf"), birdConf)
	put(t, filepath.Join(dir, "bundle", "config.json"), bundle(t, image, configMap, state))

	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
		"sh", "testdata/host.sh", dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if d := cmp.Diff(want, string(out)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// build makes the image's last stage, with a program that is built here in
// place of the stage that needs the image of Go.
func build(t *testing.T, dir string) (root string) {
	t.Helper()
	stage := filepath.Join(dir, "stage")
	run(t, "go", "build", "-o", filepath.Join(stage, "src/bin")+"/", "../../cmd/...")
	put(t, filepath.Join(stage, "etc/ssl/certs/ca-certificates.crt"), "")
	// It keeps a cache in /var/lib whatever it is told.
	buildah := []string{"unshare", "--mount", "--propagation", "private", "sh", "-ec", `mount -t tmpfs tmpfs /var/lib; exec "$@"`, "sh",
		"buildah", "--storage-driver", "vfs", "--root", filepath.Join(dir, "storage"), "--runroot", filepath.Join(dir, "runroot")}
	do := func(args ...string) string { return strings.TrimSpace(run(t, append(buildah, args...)...)) }
	// A copy, so that `go test` knows that it depends on what is there.
	source := filepath.Join(dir, "source")
	here := filepath.Join(source, "contrib/container")
	if err := os.CopyFS(here, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	do("build", "--isolation", "chroot", "--build-context", "build="+stage, "-f", filepath.Join(here, "Containerfile"), "-t", "stentor", source)
	return do("mount", do("from", "stentor"))
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nice", argv...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", argv, err, out, said.String())
	}
	return string(out)
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// volume lays files as the kubelet does those of a ConfigMap or a Secret:
// each is a link to a link, which changes at once for all of them.
func volume(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		put(t, filepath.Join(dir, "..1", name), text)
		if err := os.Chmod(filepath.Join(dir, "..1", name), 0o400); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("..data/"+name, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..1", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// bundle is the configuration of an OCI runtime for the image.
func bundle(t *testing.T, root, configMap, state string) string {
	t.Helper()
	type m = map[string]any
	caps := capabilities(t)
	text, err := json.Marshal(m{
		"ociVersion": "1.0.2",
		"process": m{
			"user": m{"uid": 0, "gid": 0}, "cwd": "/", "args": []string{"/usr/bin/stentor", "run"}, "env": []string{"PATH=/usr/bin"},
			"noNewPrivileges": true, "capabilities": m{"bounding": caps, "effective": caps, "permitted": caps},
		},
		"root": m{"path": root, "readonly": true},
		"mounts": []m{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
			{"destination": "/run/stentor", "type": "tmpfs", "source": "tmpfs", "options": []string{"mode=0777"}},
			{"destination": "/etc/stentor", "type": "bind", "source": configMap, "options": []string{"bind", "ro"}},
			{"destination": "/var/lib/stentor", "type": "bind", "source": state, "options": []string{"bind"}},
		},
		// No network namespace: it is that of the host.
		"linux": m{"namespaces": []m{{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// capabilities are those that the DaemonSet adds.
func capabilities(t *testing.T) []string {
	t.Helper()
	manifest, err := os.ReadFile("../kubernetes/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	add := regexp.MustCompile(`add: \[(.*)\]`).FindSubmatch(manifest)
	if add == nil {
		t.Fatal("the manifest adds no capability")
	}
	var caps []string
	for _, name := range strings.Split(string(add[1]), ", ") {
		caps = append(caps, "CAP_"+name)
	}
	return caps
}
