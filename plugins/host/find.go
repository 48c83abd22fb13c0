package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"

	"github.com/stentor-net/stentor/plugins"
)

// Program is something that can be run as a plugin.
type Program struct {
	plugins.Manifest
	Path string   // with no link in it
	Args []string // besides the program's name
	// own is this same program, or one that is installed with it, which needs no
	// pin and no manifest: who could change it could change the daemon.
	own  bool
	name string // of an own program, for ps(1); empty: stentor
	// confined takes the capabilities from a program that runs as root, too.
	confined bool
	why      string // why it is no better account
}

// Own is a built-in backend of the running program, in a process of its own.
// args have the program serve it.
func Own(info plugins.Info, args ...string) Program {
	m := plugins.Manifest{Name: info.Name, Kind: info.Kind, Version: info.Version, API: info.API, Caps: info.Caps}
	// Not by its path: an upgrade may have put another program there.
	return Program{Manifest: m, Path: "/proc/self/exe", Args: args, own: true}
}

// Confined is p as another user, if that can be, and without any capability.
func (p Program) Confined(a Account) Program {
	p.User, p.why, p.confined = a.Name, a.Why, true
	return p
}

// String names the program in errors.
func (p Program) String() string {
	if p.own {
		return "the process of " + p.Name
	}
	return "plugin " + p.Path
}

// advice ends the error about a fault that is in the program.
func (p Program) advice() string {
	if p.own {
		return ""
	}
	return "; to see what is wrong with it, run: stentor plugins verify " + p.Path
}

// title is what ps(1) shows.
func (p Program) title() string {
	switch {
	case p.name != "":
		return p.name
	case p.own:
		return "stentor"
	}
	return p.Path
}

// ErrNone tells that no plugin folder has the name.
var ErrNone = errors.New("no such plugin")

// validName is what the config takes for a name.
var validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// Find gives the plugin of that name from the first folder that has it, if it
// may be run. The plugin itself is not started.
func Find(o Options, name string) (Program, error) {
	o = o.withDefaults()
	if !validName.MatchString(name) {
		return Program{}, fmt.Errorf("plugin %q: %w", name, ErrNone)
	}
	for _, dir := range o.Dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			return At(o, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Program{}, fmt.Errorf("plugin %s: %w", name, err)
		}
	}
	return Program{}, fmt.Errorf("plugin %q: %w", name, ErrNone)
}

// At gives the plugin at that path, if it may be run.
func At(o Options, path string) (Program, error) {
	prog, err := unpinned(path)
	if err != nil {
		return Program{}, err
	}
	return prog, o.withDefaults().pinned(prog.Path)
}

// unpinned is At but for the pin.
func unpinned(path string) (Program, error) {
	if !filepath.IsAbs(path) {
		return Program{}, fmt.Errorf("plugin %s: want an absolute path", path)
	}
	real, err := inFolder(path)
	if err == nil {
		err = trusted(real, true)
	}
	if err != nil {
		return Program{}, fmt.Errorf("plugin %s: %w", path, err)
	}
	m, err := readManifest(real)
	if err != nil {
		return Program{}, err
	}
	return Program{Manifest: m, Path: real}, nil
}

// Names are the plugins that the folders hold, sorted, whether they may be run or not.
func Names(o Options) []string {
	o = o.withDefaults()
	seen := map[string]bool{}
	for _, dir := range o.Dirs {
		entries, _ := os.ReadDir(dir) // a folder that is not there holds none
		for _, e := range entries {
			if name := e.Name(); !e.IsDir() && validName.MatchString(name) {
				seen[name] = true
			}
		}
	}
	names := make([]string, 0, len(seen))
	for n := range seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// maxManifest is far above what a manifest needs.
const maxManifest = 64 << 10

// readManifest reads the file beside the program.
func readManifest(program string) (plugins.Manifest, error) {
	path := program + ".json"
	none := plugins.Manifest{}
	if err := trusted(path, false); errors.Is(err, fs.ErrNotExist) {
		return none, fmt.Errorf("plugin %s: its manifest %s is missing; a plugin in Go writes it: %s --manifest", program, path, program)
	} else if err != nil {
		return none, fmt.Errorf("manifest %s: %w", path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return none, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return none, err
	}
	m, err := parseManifest(text)
	if err == nil && m.Name != filepath.Base(program) {
		err = fmt.Errorf("is for %q, and the program is called %q; they must have the same name", m.Name, filepath.Base(program))
	}
	if err != nil {
		return none, fmt.Errorf("manifest %s: %w", path, err)
	}
	return m, nil
}

func parseManifest(text []byte) (m plugins.Manifest, err error) {
	if len(text) > maxManifest {
		return m, fmt.Errorf("is over %d KiB long", maxManifest>>10)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("is no JSON object of a manifest: %w", err)
	}
	switch {
	case d.More():
		return m, errors.New("goes on after its JSON object")
	case !validName.MatchString(m.Name):
		return m, fmt.Errorf("name %q: want up to 32 of a-z, 0-9, - and _", m.Name)
	case m.Kind != plugins.KindNet && m.Kind != plugins.KindBGP:
		return m, fmt.Errorf("kind %q: want %q or %q", m.Kind, plugins.KindNet, plugins.KindBGP)
	case m.API != plugins.APIVersion:
		return m, apiError(m.Name, m.API)
	}
	return m, nil
}

// apiError tells that two versions of the contract don't fit.
func apiError(name string, api int) error {
	side := "a newer build of the plugin"
	if api > plugins.APIVersion {
		side = "a newer Stentor"
	}
	return fmt.Errorf("%s speaks plugin API %d, and this Stentor speaks API %d; install %s: %w", name, api, plugins.APIVersion, side, plugins.ErrUnsupported)
}
