// Package example holds backends as somebody outside Stentor writes them, and
// runs the conformance suites on the built programs.
package example
