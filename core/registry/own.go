package registry

import (
	"maps"

	"github.com/stentor-net/stentor/plugins"
)

// own are the keys of [backend.NAME] that are core's and not the backend's.
type own struct {
	isolate *bool  // a built-in gets a process of its own; nil: as is usual for it
	plugin  string // the path of a plugin that is not in a plugin folder
}

// split takes core's keys out of a backend's table.
func split(settings map[string]any) (o own, rest map[string]any, err *plugins.ConfigError) {
	rest = maps.Clone(settings)
	if v, ok := rest["isolate"]; ok {
		isolate, ok := v.(bool)
		if !ok {
			return own{}, nil, &plugins.ConfigError{Key: "isolate", Msg: "must be true or false"}
		}
		o.isolate = &isolate
		delete(rest, "isolate")
	}
	if v, ok := rest["plugin"]; ok {
		if o.plugin, ok = v.(string); !ok {
			return own{}, nil, &plugins.ConfigError{Key: "plugin", Msg: "must be the path of a program, in quotes"}
		}
		delete(rest, "plugin")
	}
	return o, rest, nil
}
