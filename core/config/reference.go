package config

import _ "embed"

// Reference is a config that documents every key. It is valid as it stands;
// keys that it does not need are commented out.
//
//go:embed reference.toml
var Reference string
