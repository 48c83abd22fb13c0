// Package bfd notices within a second that a path is dead: Bidirectional
// Forwarding Detection (RFC 5880) in asynchronous mode, over one hop (RFC 5881)
// and over several (RFC 5883), for IPv4 and IPv6.
//
// Packet encodes and decodes, Machine decides and is pure, Session has the
// timers, and Endpoint the sockets.
package bfd
