// Package conformance runs the suite of package plugintest on each built-in BGP
// backend, in this process, isolated and as a plugin, and walks each through a
// day's work against FRR and BIRD.
package conformance
