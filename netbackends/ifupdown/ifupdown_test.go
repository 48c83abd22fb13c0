package ifupdown

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stentor-net/stentor/netbackends/internal/detect"
	"github.com/stentor-net/stentor/netbackends/internal/hostfile"
	"github.com/stentor-net/stentor/netbackends/internal/netfiles"
	"github.com/stentor-net/stentor/plugins"
)

var update = flag.Bool("update", false, "write the golden files anew")

var want = []plugins.VIP{
	{Name: "dns", Addr: netip.MustParseAddr("2001:db8::10"), Link: "lo"},
	{Name: "web", Addr: netip.MustParseAddr("203.0.113.10"), Link: "lo"},
}

func TestGolden(t *testing.T) {
	content := hostfile.Seal(render(want, true))
	const golden = "testdata/stentor"
	if *update {
		if err := os.WriteFile(golden, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(expected), string(content)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestReadLayout(t *testing.T) {
	const lo = "auto lo\niface lo inet loopback\n"
	tests := []struct {
		name  string
		files map[string]string // "" is interfaces(5) itself
		want  layout
		err   error
	}{
		{name: "no source line", files: map[string]string{"": lo}, want: layout{autoLo: true}},
		{name: "Debian's", files: map[string]string{"": "source /etc/network/interfaces.d/*\n" + lo}, want: layout{true, true}},
		{name: "relative", files: map[string]string{"": "source interfaces.d/*\n"}, want: layout{reads: true}},
		{name: "source-directory", files: map[string]string{"": "source-directory /etc/network/interfaces.d/\n"}, want: layout{reads: true}},
		{name: "another pattern", files: map[string]string{"": "source /etc/network/interfaces.d/*.cfg\n"}},
		{name: "in a comment", files: map[string]string{"": "# source /etc/network/interfaces.d/*\n"}},
		{name: "in a comment that ends in a backslash", files: map[string]string{"": "# x \\\nsource interfaces.d/*\n"}, want: layout{reads: true}},
		{name: "over two lines", files: map[string]string{"": "source \\\n interfaces.d/*\n"}, want: layout{reads: true}},
		{name: "two patterns", files: map[string]string{"": "source /x /etc/network/interfaces.d/stentor\n"}, want: layout{reads: true}},
		{name: "through another file", files: map[string]string{"": "source more\n", "more": "source interfaces.d/s*\nauto eth0 lo\n"}, want: layout{true, true}},
		{name: "auto in our own file does not count", files: map[string]string{"": "source interfaces.d/*\n", "interfaces.d/stentor": "auto lo\n"}, want: layout{reads: true}},
		{name: "a name that source-directory skips", files: map[string]string{"": "source-directory interfaces.d\n", "interfaces.d/x.dpkg-old": "auto lo\n"}, want: layout{reads: true}},
		{name: "round and round", files: map[string]string{"": "source interfaces\n"}, err: netfiles.ErrTooMany},
		{name: "a bad pattern", files: map[string]string{"": "source [\n" + lo}, want: layout{autoLo: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range tt.files {
				if name == "" {
					name = "interfaces"
				}
				root["etc/network/"+name] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := readLayout(root)
			if !errors.Is(err, tt.err) || err == nil && got != tt.want {
				t.Errorf("%+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func backend(t *testing.T, root string, add bool) *Backend {
	t.Helper()
	b := New(slog.New(slog.DiscardHandler), &detect.Glance{})
	c := plugins.Config{StateDir: t.TempDir(), Root: root, Settings: map[string]any{"add_source_line": add}}
	if err := b.Configure(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSourceLine is about a host whose interfaces(5) does not read our folder.
func TestSourceLine(t *testing.T) {
	for _, theirs := range []string{"auto lo\niface lo inet loopback\n", "auto lo\niface lo inet loopback", ""} {
		root := t.TempDir()
		path := filepath.Join(root, interfaces)
		if err := errors.Join(os.Chmod(root, 0o755), os.MkdirAll(filepath.Join(root, "etc/network/interfaces.d"), 0o755), os.WriteFile(path, []byte(theirs), 0o640)); err != nil {
			t.Fatal(err)
		}
		read := func() string {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		err := backend(t, root, false).Apply(context.Background(), want)
		if !errors.Is(err, plugins.ErrForeign) || !strings.Contains(err.Error(), "\tsource /etc/network/interfaces.d/stentor\n") {
			t.Errorf("error %v", err)
		}
		if read() != theirs {
			t.Errorf("changed without leave: %q", read())
		}
		for range 2 {
			if err := backend(t, root, true).Apply(context.Background(), want); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(read(), sourceLine); n != 1 || !strings.HasPrefix(read(), theirs) {
				t.Errorf("%d source lines: %q", n, read())
			}
		}
		if st, err := os.Stat(path); err != nil || st.Mode() != 0o640 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
		// What we added we take out, whatever the setting says by then.
		if err := backend(t, root, false).Apply(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if read() != theirs {
			t.Errorf("not as it was: %q, want %q", read(), theirs)
		}
		if _, err := os.Stat(filepath.Join(root, own)); err == nil {
			t.Error("our file is still there")
		}
	}
}

// TestNoFolder: a source-directory line names a folder that nobody has made
// yet, as ifupdown-ng has it out of the box.
func TestNoFolder(t *testing.T) {
	root := t.TempDir()
	const theirs = "auto lo\niface lo inet loopback\nsource-directory /etc/network/interfaces.d\n"
	if err := errors.Join(os.Chmod(root, 0o755), os.MkdirAll(filepath.Join(root, "etc/network"), 0o755),
		os.WriteFile(filepath.Join(root, interfaces), []byte(theirs), 0o644)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := backend(t, root, false).Apply(context.Background(), want); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, own)); err != nil {
		t.Error(err)
	}
	if err := backend(t, root, false).Apply(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, own)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("our file after none: %v", err)
	}
}

func TestNoInterfaces(t *testing.T) {
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := backend(t, root, true).Apply(context.Background(), want); !errors.Is(err, plugins.ErrUnsupported) {
		t.Errorf("error %v", err)
	}
	if err := backend(t, root, true).Apply(context.Background(), nil); err != nil {
		t.Errorf("none: %v", err)
	}
}

func FuzzInterfaces(f *testing.F) {
	f.Add([]byte("source interfaces.d/*\nauto lo\n"), []byte("source-directory .\n"))
	f.Fuzz(func(t *testing.T, content, sourced []byte) {
		root := fstest.MapFS{"etc/network/interfaces": {Data: content}, "etc/network/interfaces.d/x": {Data: sourced}}
		_, _ = readLayout(root)
		if _, marked := withoutSource(content); marked {
			return
		}
		added := withSource(content)
		back, was := withoutSource(added)
		if !was || !bytes.Equal(back, content) {
			t.Errorf("%q became %q, and that %q", content, added, back)
		}
		if l, err := readLayout(fstest.MapFS{"etc/network/interfaces": {Data: added}}); err == nil && !l.reads && !bytes.HasSuffix(content, []byte("\\")) && !bytes.HasSuffix(content, []byte("\\\n")) {
			t.Errorf("%q does not read our file", added)
		}
	})
}
