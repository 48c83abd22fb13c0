package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestSkeleton: a plugin that was only begun builds, and keeps every promise
// that does not take what is marked to be written.
func TestSkeleton(t *testing.T) {
	sdk, err := filepath.Abs("../../plugins")
	if err != nil {
		t.Fatal(err)
	}
	kept := []string{"program-by-hand", "program-handshake", "program-versions", "program-manifest", "program-environment", "program-big-message"}
	for kind, some := range map[string]struct{ kept, todo []string }{
		"net": {append([]string{"info", "unknown-setting", "detect"}, kept...), []string{"apply-holds", "close", "watch"}},
		"bgp": {append([]string{"bgp-info", "bgp-unknown-setting"}, kept...), []string{"bgp-detect", "announce-ipv4", "stop"}},
	} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "acme-"+kind)
			var said bytes.Buffer
			if code := run([]string{"plugins", "new", "--kind", kind, "--sdk", sdk, dir}, &said, &said); code != exitDone {
				t.Fatalf("%d: %s", code, &said)
			}
			if code := run([]string{"plugins", "new", "--kind", kind, dir}, &said, &said); code == exitDone {
				t.Error("it wrote over a folder that was there")
			}
			program := filepath.Join(dir, filepath.Base(dir))
			for _, args := range [][]string{{"go", "mod", "tidy"}, {"go", "vet", "."}, {"go", "build", "-o", program, "."}} {
				cmd := exec.Command(args[0], args[1:]...)
				cmd.Dir = dir
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
			}
			if out, err := exec.Command("gofmt", "-l", dir).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("gofmt: %s, %v", out, err)
			}
			manifest, err := exec.Command(program, "--manifest").Output()
			if written, e := os.ReadFile(program + ".json"); err != nil || e != nil || !bytes.Equal(manifest, written) {
				t.Errorf("--manifest says\n%s%v, and its file\n%s%v", manifest, err, written, e)
			}
			if os.Geteuid() != 0 {
				t.Skip("needs root: makes network namespaces")
			}
			f := &pluginFlags{pins: filepath.Join(dir, "pins")}
			v := verification{pluginFlags: f, cases: slices.Concat(some.kept, some.todo)}
			var out bytes.Buffer
			a := &app{out: &out, talk: &said, json: true}
			if err := a.runVerify(t.Context(), v, program); err != errNo {
				t.Fatalf("%v, want the answer no\n%s", err, &out)
			}
			var got verified
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			for _, r := range got.Results {
				want := resultTodo
				if slices.Contains(some.kept, r.Case) {
					want = resultKept
				}
				if r.Result != want {
					t.Errorf("%s: %s, want %s: %s", r.Case, r.Result, want, r.Why)
				}
			}
			if len(got.Results) != len(v.cases) {
				t.Errorf("%d results, want %d", len(got.Results), len(v.cases))
			}
		})
	}
}
