// Package pluginv1 is the wire between Stentor and its plugins, version 1,
// generated from the .proto files beside it. Go plugins use package plugins.
package pluginv1

//go:generate ./generate.sh
