package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sdkImports are the modules that package plugins may use: whoever writes a
// backend gets them too.
var sdkImports = []string{
	"github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog", "google.golang.org/grpc", "google.golang.org/protobuf", module + "plugins",
}

// TestSDKImports: the SDK itself imports the standard library and little else.
func TestSDKImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+"plugins", module+"plugins/internal/wire", module+"plugins/proto/v1").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, imp := range strings.Fields(string(out)) {
		known := !strings.Contains(strings.Split(imp, "/")[0], ".")
		for _, m := range sdkImports {
			known = known || imp == m || strings.HasPrefix(imp, m+"/")
		}
		if !known {
			t.Errorf("the SDK imports %s: third parties would get it too", imp)
		}
	}
}

// thirdParty is a plugin as somebody else writes it.
const thirdParty = `package main

import (
	"log/slog"

	"github.com/stentor-net/stentor/plugins"
)

type backend struct{ plugins.NetBackend }

func (backend) Info() plugins.Info {
	return plugins.Info{Name: "acme", Version: "1.0", API: plugins.APIVersion, Kind: plugins.KindNet}
}

func main() {
	plugins.ServeNet(func(*slog.Logger) plugins.NetBackend { return backend{} })
}
`

// TestThirdPartyModule: a module outside this repository builds a plugin on the
// SDK alone, and gets none of the other backends' libraries into its graph.
func TestThirdPartyModule(t *testing.T) {
	sdk, err := filepath.Abs("../../plugins")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.go": thirdParty,
		"go.mod": "module example.com/acme\n\ngo 1.26.0\n\nrequire github.com/stentor-net/stentor/plugins v0.0.0\n\n" +
			"replace github.com/stentor-net/stentor/plugins => " + sdk + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	goIn := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	goIn("mod", "tidy")
	goIn("build", "-o", "acme", ".")
	graph := goIn("list", "-m", "all")
	if bad := regexp.MustCompile(`(?im)^.*(gobgp|netlink|dbus|toml).*$`).FindAllString(graph, -1); bad != nil {
		t.Errorf("in the module graph of a third party: %v", bad)
	}
	if n := strings.Count(graph, "\n"); n < 5 {
		t.Errorf("a graph of %d modules only:\n%s", n, graph)
	}
	out, err := exec.Command(filepath.Join(dir, "acme"), "--manifest").Output()
	if err != nil || !strings.Contains(string(out), `"name": "acme"`) {
		t.Errorf("%s, %v", out, err)
	}
}
