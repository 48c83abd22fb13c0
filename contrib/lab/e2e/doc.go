// Package e2e holds the end-to-end tests: the stentor binary on the hosts of a
// lab, seen from the route servers and from a client.
package e2e
