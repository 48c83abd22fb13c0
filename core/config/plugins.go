package config

// locate hands on where the programs of backends are that stand outside the
// plugin folders: [backend.NAME] plugin = "/PATH".
func (b *builder) locate() {
	t := b.root.sub("backend")
	if b.opts.Locate == nil {
		return
	}
	for _, n := range t.subNames() {
		if v := t.sub(n).value.table["plugin"]; v != nil {
			if path, ok := v.data.(string); ok {
				b.opts.Locate(n, path)
			}
		}
	}
}

// pins hands on whether plugins must have one. Until a mistake in the key is
// mended nobody knows what is meant, and the config is refused anyway.
func (b *builder) pins() {
	if all, _ := get[bool](b.root.sub("plugins"), "require_pin"); b.opts.RequirePin != nil {
		b.opts.RequirePin(all)
	}
}
