package config

import (
	"time"

	"github.com/stentor-net/stentor/core/provider"
	"github.com/stentor-net/stentor/plugins"
)

// Options is what Load can't read in the files.
type Options struct {
	// Info tells what a backend can do; ok is false if there is none of that
	// name. A nil Info leaves backends and their capabilities unchecked.
	Info func(kind plugins.Kind, name string) (info plugins.Info, ok bool)
	// Names lists the backends of a kind, for messages; it may be nil.
	Names func(kind plugins.Kind) []string
	// Refused tells why a backend that Info does not know can't be used though
	// it is there; it may be nil, and gives nil for one that is not there.
	Refused func(kind plugins.Kind, name string) error
	// Locate is told the path of each backend's program that the config names,
	// before Info is asked; it may be nil.
	Locate func(name, path string)
	// RequirePin is told whether a plugin must have a pin to run, before Info is
	// asked; it may be nil.
	RequirePin func(bool)
	// Offline leaves password files unread, for a check on another machine.
	// The passwords are empty then.
	Offline bool
}

// Load reads the config at path and conf.d/*.toml beside it, and checks it.
//
// Mistakes give an *Invalid, which holds the warnings too; otherwise the
// warnings are the second result. A file that can't be opened gives the error
// of the file system, wrapped.
func Load(path string, o Options) (*Config, []Finding, error) {
	r := &report{}
	sources, err := readAll(r, path)
	if err != nil {
		return nil, nil, err
	}
	return load(r, sources, o)
}

// LoadTexts is Load from files as they once were. What they refer to, such as
// password files, is read as it is now.
func LoadTexts(files []File, o Options) (*Config, []Finding, error) {
	if len(files) == 0 {
		return nil, nil, ErrNoFile
	}
	sources := make([]*source, len(files))
	for i, f := range files {
		sources[i] = newSource(f.Path, []byte(f.Text))
		sources[i].order = i
	}
	return load(&report{}, sources, o)
}

// load is Load from the bytes on.
func load(r *report, sources []*source, o Options) (*Config, []Finding, error) {
	b := &builder{report: r, opts: o, main: sources[0], cfg: &Config{}}
	tree := &value{table: map[string]*value{}, src: sources[0], node: &node{}}
	for _, src := range sources {
		b.cfg.Files = append(b.cfg.Files, src.name)
		b.cfg.texts = append(b.cfg.texts, File{Path: src.name, Text: string(src.data)})
		var file *value
		if !src.unread {
			file = parse(r, src)
		}
		if file == nil {
			b.partial = true
			continue
		}
		merge(r, tree, file, nil)
	}
	b.root = walk(r, schema(), tree, nil)
	b.build()
	if r.failed {
		return nil, nil, &Invalid{Findings: r.sorted(), Omitted: r.omitted}
	}
	return b.cfg, r.sorted(), nil
}

// builder makes the Config of the tables, and checks what one key can't tell.
type builder struct {
	*report
	opts Options
	main *source
	root *table
	cfg  *Config
	// partial: a file could not be read, so what is missing may be in it.
	partial bool

	net, bgp backend
	provider provider.Provider
	vips     []*vip // in the order of the files
	gates    []gateUse
	damping  *Damping
}

func (b *builder) build() {
	b.locate()
	b.pins()
	b.network()
	b.http()
	b.history()
	b.hooks()
	b.backends()
	b.findVIPs()
	b.speaker()
	b.checkVIPs()
	b.checks()
	b.announce()
	b.unused()
	b.checkGates()
	if len(b.vips) == 0 && !b.partial && !b.failed {
		b.warn(place{src: b.main}, "add a [vip.NAME]", "no VIP is defined")
	}
}

// at is where t stands, or the main file if it does not.
func (b *builder) at(t *table) place {
	if t == nil {
		return place{src: b.main}
	}
	return t.whole()
}

func (b *builder) network() {
	t := b.root.sub("network")
	b.net = b.backend(plugins.KindNet, t, "auto")
	b.cfg.Network.Backend = b.net.name
	b.cfg.Network.HoldDown = 500 * time.Millisecond
	if d, at := get[time.Duration](t, "hold_down"); at != nil {
		b.cfg.Network.HoldDown = d
	}
	if l, at := get[string](t, "link"); at != nil {
		b.needLink(l, at)
	}
}

// needLink checks that the network backend can use another link than lo.
func (b *builder) needLink(name string, at *value) {
	if name != "lo" {
		b.need(b.net, plugins.CapLink, at.whole(), "put a VIP on another link than lo")
	}
}
