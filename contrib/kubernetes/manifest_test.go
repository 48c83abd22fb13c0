// Package kubernetes holds manifests, and checks them.
package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const file = "daemonset.yaml"

// schemaTool builds the program that knows the API's types. It is a module of
// its own.
func schemaTool(t *testing.T) string {
	t.Helper()
	tool := filepath.Join(t.TempDir(), "schema")
	cmd := exec.Command("nice", "go", "build", "-o", tool, ".")
	cmd.Dir, cmd.Env = "schema", append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build schema: %v\n%s", err, out)
	}
	return tool
}

// validate gives the config in a manifest, or what is wrong with the manifest.
func validate(tool, manifest string) (config, wrong string) {
	cmd := exec.Command(tool, "-print", "stentor.toml")
	cmd.Stdin = strings.NewReader(manifest)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", err.Error() + ": " + stderr.String()
	}
	return string(out), ""
}

func manifest(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestManifest holds the manifest of each role against the API, and the config
// in it against Stentor.
func TestManifest(t *testing.T) {
	tool := schemaTool(t)
	for _, role := range []string{"primary", "secondary"} {
		config, wrong := validate(tool, sed(manifest(t), role))
		if wrong != "" {
			t.Errorf("%s: %s", role, wrong)
			continue
		}
		if !strings.Contains(config, `role    = "`+role+`"`) {
			t.Errorf("%s: the config has another role:\n%s", role, config)
		}
		path := filepath.Join(t.TempDir(), "stentor.toml")
		if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("nice", "go", "run", "../../cmd/stentor", "--config", path, "check", "--offline")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", role, err, out)
		}
	}
}

// sed is what the head of the manifest says for the secondaries: the first on
// each line.
func sed(text, role string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.Replace(line, "primary", role, 1))
	}
	return b.String()
}

// TestMistakes: what the API server would refuse is refused here.
func TestMistakes(t *testing.T) {
	tool := schemaTool(t)
	good := manifest(t)
	for name, m := range map[string]struct{ old, new, says string }{
		"a field that is unknown": {"hostNetwork:", "hostNetworks:", `unknown field "spec.template.spec.hostNetworks"`},
		"a field's spelling":      {"hostNetwork:", "hostnetwork:", `unknown field "spec.template.spec.hostnetwork"`},
		"a field twice":           {"hostNetwork: true", "hostNetwork: true\n      hostNetwork: true", "already set"},
		"a number":                {"terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 1m", "terminationGracePeriodSeconds"},
		"a kind":                  {"kind: DaemonSet", "kind: DemonSet", "DemonSet is not known"},
		"a selector":              {"matchLabels:\n      app.kubernetes.io/name: stentor", "matchLabels:\n      app.kubernetes.io/name: stentro", "does not select"},
		"a volume":                {"- name: run\n        emptyDir", "- name: runs\n        emptyDir", `mounts "run"`},
		"a probe":                 {"exec:\n            command: [/usr/bin/stentor, status]", "exec: null", "handler"},
	} {
		if !strings.Contains(good, m.old) {
			t.Errorf("%s: %q is not there", name, m.old)
			continue
		}
		if _, wrong := validate(tool, strings.Replace(good, m.old, m.new, 1)); !strings.Contains(wrong, m.says) {
			t.Errorf("%s: want %q, got %q", name, m.says, wrong)
		}
	}
}
