package config

// ReadBackends reads the [backend.NAME] tables of one file, for the work with
// a backend alone. What else the file holds is read as in a config, and unused.
func ReadBackends(path string) (map[string]map[string]any, error) {
	r := &report{}
	src, err := readFile(r, path)
	if err != nil {
		return nil, err
	}
	b := &builder{report: r, main: src, cfg: &Config{}}
	tree := &value{table: map[string]*value{}, src: src, node: &node{}}
	if !src.unread {
		if file := parse(r, src); file != nil {
			merge(r, tree, file, nil)
		}
	}
	b.root = walk(r, schema(), tree, nil)
	b.backends()
	if r.failed {
		return nil, &Invalid{Findings: r.sorted(), Omitted: r.omitted}
	}
	return b.cfg.Backends, nil
}
