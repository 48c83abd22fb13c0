package migrate

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/txtar"
)

// seeds are the samples of one program.
func seeds(f *testing.F, program string) {
	files, err := filepath.Glob("testdata/" + program + "-*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
}

// fuzz: whatever the file says, the answer is an error or TOML, and the answer
// does not depend on anything but the file.
func fuzz(f *testing.F, program string) {
	seeds(f, program)
	f.Fuzz(func(t *testing.T, text []byte) {
		done, err := convert(program, "x.conf", text)
		if err != nil {
			return
		}
		var any map[string]any
		if _, err := toml.Decode(string(done.TOML), &any); err != nil {
			t.Fatalf("%v\n%s", err, done.TOML)
		}
		if again, _ := convert(program, "x.conf", text); string(again.TOML) != string(done.TOML) {
			t.Fatalf("two readings differ:\n%s\n%s", done.TOML, again.TOML)
		}
	})
}

func FuzzFRR(f *testing.F)        { fuzz(f, "frr") }
func FuzzBIRD(f *testing.F)       { fuzz(f, "bird") }
func FuzzKeepalived(f *testing.F) { fuzz(f, "keepalived") }

// FuzzUnit: any unit and environment give flags or an error, and flags that
// lelastic could start with a config that holds.
func FuzzUnit(f *testing.F) {
	f.Add("[Service]\nExecStart=/usr/local/bin/lelastic -dcid 10 \\\n -primary\n", "")
	f.Add("[Service]\nEnvironmentFile=/env\nExecStart=/usr/local/bin/lelastic $FLAGS -neighborpattern ${P}\n", "FLAGS=-dcid 4 -secondary\nP='2001:db8::%d:%d'")
	f.Add("[Service]\nExecStart=\"lelastic\" \"-dcid\\x\" 'a", "$A=$$")
	f.Fuzz(func(t *testing.T, unit, env string) {
		files := fstest.MapFS{"u.service": {Data: []byte(unit)}, "u.service.d/1.conf": {Data: []byte(unit)}, "env": {Data: []byte(env)}}
		args, err := UnitArgs(files, "/u.service")
		if err != nil {
			return
		}
		l, err := ParseLelastic(args, &strings.Builder{})
		if err != nil || l.Version {
			return
		}
		text, err := l.Config("a unit", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if said := check(text); strings.Contains(said, ": error: ") && !strings.Contains(said, "address") {
			t.Fatalf("%s%s", said, text)
		}
	})
}
