// Package conformance runs the suite of package plugintest on each built-in BGP
// backend, in a process of its own, and a part of it against FRR and BIRD.
package conformance
