package pluginv1_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

const golden = "testdata/contract.txt"

// TestContract: what plugins were built against stays. A line that is missing
// breaks them; a new one is taken over with -update.
func TestContract(t *testing.T) {
	update := flag.Lookup("update").Value.String() == "true"
	have := contract()
	text, err := os.ReadFile(golden)
	if err != nil && !update {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	for _, line := range want {
		if line != "" && !slices.Contains(have, line) {
			t.Errorf("removed or changed, which breaks every plugin that uses it: %s", line)
		}
	}
	if t.Failed() {
		return
	}
	if update {
		if err := os.WriteFile(golden, []byte(strings.Join(have, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, line := range have {
		if !slices.Contains(want, line) {
			t.Errorf("new: %s; if it is meant to stay: go test ./proto/v1 -update", line)
		}
	}
}

// contract lists every method, field and value with all that the wire depends on.
func contract() []string {
	var lines []string
	for _, f := range []protoreflect.FileDescriptor{
		pb.File_stentor_plugin_v1_common_proto, pb.File_stentor_plugin_v1_network_proto, pb.File_stentor_plugin_v1_bgp_proto,
	} {
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				lines = append(lines, fmt.Sprintf("rpc %s(%s) %s stream=%t,%t", m.FullName(), m.Input().Name(), m.Output().Name(), m.IsStreamingClient(), m.IsStreamingServer()))
			}
		}
		for i := range f.Enums().Len() {
			values := f.Enums().Get(i).Values()
			for j := range values.Len() {
				lines = append(lines, fmt.Sprintf("enum %s %s=%d", f.Enums().Get(i).FullName(), values.Get(j).Name(), values.Get(j).Number()))
			}
		}
		lines = append(lines, fields(f.Messages())...)
	}
	slices.Sort(lines)
	return lines
}

func fields(messages protoreflect.MessageDescriptors) []string {
	var lines []string
	for i := range messages.Len() {
		m := messages.Get(i)
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			kind := f.Kind().String()
			if f.Message() != nil {
				kind = string(f.Message().FullName())
			} else if f.Enum() != nil {
				kind = string(f.Enum().FullName())
			}
			oneof := ""
			if o := f.ContainingOneof(); o != nil {
				oneof = " in " + string(o.Name())
			}
			lines = append(lines, fmt.Sprintf("field %s=%d %s %s%s", f.FullName(), f.Number(), f.Cardinality(), kind, oneof))
		}
		lines = append(lines, fields(m.Messages())...)
	}
	return lines
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "take over what is new")
	flag.Parse()
	os.Exit(m.Run())
}

// TestGenerated: the .pb.go files are what the pinned tools make of the .proto
// files. The line that names protoc's version may differ.
func TestGenerated(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("needs protoc: apt-get install protobuf-compiler libprotobuf-dev")
	}
	dir := t.TempDir()
	if out, err := exec.Command("./generate.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.pb.go"))
	if err != nil || len(made) != 6 {
		t.Fatalf("%v, %v", made, err)
	}
	for _, path := range made {
		got, want := read(t, path), read(t, filepath.Base(path))
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date; run: make generate", filepath.Base(path))
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(text, []byte("\n"))
	return bytes.Join(slices.DeleteFunc(lines, func(l []byte) bool {
		return bytes.HasPrefix(l, []byte("//")) && bytes.Contains(l, []byte(" protoc  "))
	}), []byte("\n"))
}

// TestCommented: who writes a plugin reads the .proto files alone: every message,
// method and field that does not say it by its name has a comment.
func TestCommented(t *testing.T) {
	for _, path := range []string{"common.proto", "network.proto", "bgp.proto"} {
		lines := strings.Split(string(read(t, path)), "\n")
		for i, l := range lines {
			l = strings.TrimSpace(l)
			starts := strings.HasPrefix(l, "message ") || strings.HasPrefix(l, "service ") || strings.HasPrefix(l, "rpc ") || strings.HasPrefix(l, "enum ")
			if starts && !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "//") {
				t.Errorf("%s:%d: no comment: %s", path, i+1, l)
			}
		}
	}
}
