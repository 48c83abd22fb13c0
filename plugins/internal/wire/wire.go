// Package wire is what both ends of the plugin protocol must agree on: the
// handshake, the limits, and how values, errors and log records cross.
package wire

import (
	"time"

	"github.com/hashicorp/go-plugin"
)

// MaxMessage is the largest message that either side takes, in bytes. 10,000
// announcements need about 1 MiB.
const MaxMessage = 16 << 20

// Window is how much of a message may be under way before the other side has
// read any of it. One that is fixed spares gRPC the probes that it would find a
// size by, which wake both processes with each call.
const Window = 1 << 20

// MinPing is how often a plugin lets core probe the connection.
const MinPing = 5 * time.Second

// Service is the name under which go-plugin knows the backend of a process.
const Service = "backend"

// Handshake tells a plugin that it was started by Stentor, and not by a person.
// It is no secret.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{MagicCookieKey: "STENTOR_PLUGIN", MagicCookieValue: "stentor.plugin"}
}
