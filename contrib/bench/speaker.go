package main

import (
	"context"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
)

// speaker is a program that announces prefixes to the four peers, with the
// community of the primary role.
type speaker interface {
	name() string
	// version is empty if the program is not installed.
	version(ctx context.Context) string
	// prepare writes the configuration, on a host as it is before the first start.
	prepare(ctx context.Context, announce []netip.Prefix) error
	start(ctx context.Context) (*running, error)
}

// other is a speaker that need not be there.
type other interface {
	speaker
	installed() bool
	note() string // how it is set up
}

func otherSpeakers(b *bed) []other {
	return []other{&frr{bed: b}, &bird{bed: b}, &exabgp{bed: b}}
}

func found(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)

// versionOf asks a program for its version, on whatever stream it answers.
func versionOf(ctx context.Context, program string) string {
	if !found(program) {
		return ""
	}
	out, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	if err != nil {
		return "version unknown"
	}
	if n := versionNumber.FindString(string(out)); n != "" {
		return n
	}
	return "version unknown"
}

// eachPeer writes a piece of configuration for each peer's address.
func (b *bed) eachPeer(piece func(i int, addr netip.Addr) string) string {
	var s strings.Builder
	for i, p := range b.servers {
		s.WriteString(piece(i, p.Addr))
	}
	return s.String()
}

// split parts prefixes by address family.
func split(all []netip.Prefix) (v4, v6 []netip.Prefix) {
	for _, p := range all {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return v4, v6
}
