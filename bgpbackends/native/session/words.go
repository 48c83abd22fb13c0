package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// whyNoAnswer says why a connection does not come about.
func (s *Session) whyNoAnswer(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "the peer refuses connections to port 179: its BGP daemon is down, or does not know this host"
	}
	if errors.Is(err, syscall.ETIMEDOUT) || errors.Is(err, context.Canceled) {
		return s.unanswered()
	}
	return connectionWords(err)
}

// unanswered is what a peer's silence can mean.
func (s *Session) unanswered() string {
	switch {
	case s.Peer.AO.Key != "":
		return fmt.Sprintf("%s does not answer: check the TCP-AO key, its IDs and algorithm (a wrong one looks just like this), the address and firewalls", s.Peer.Addr)
	case s.Peer.Password != "":
		return fmt.Sprintf("%s does not answer: check the password (a wrong one looks just like this), the address and firewalls", s.Peer.Addr)
	}
	return fmt.Sprintf("%s does not answer: check the address, firewalls, and whether it wants a password", s.Peer.Addr)
}

// connectionWords is a connection's end in words.
func connectionWords(err error) string {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the peer closed the connection"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the peer reset the connection"
	case errors.Is(err, syscall.ETIMEDOUT):
		return "the peer does not answer any more"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		if op.Timeout() {
			return fmt.Sprintf("the peer took nothing in for %s", writeLimit)
		}
		return strings.TrimPrefix(op.Err.Error(), "connect: ")
	}
	return err.Error()
}
