// Package asis leaves the addresses of a host to whoever put them there: it
// only tells which of them are to be found.
package asis

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// Name is the backend's name in a config.
const Name = "as-is"

// Backend is a plugins.NetBackend for a host where somebody else comes and goes
// with the addresses. It is not among the built-in ones, because it does not do
// what a config asks of those: no address is there just because it is wanted.
type Backend struct{ held []plugins.VIP }

// New makes a backend.
func New() *Backend { return &Backend{} }

// Info implements plugins.Backend.
func (b *Backend) Info() plugins.Info {
	return plugins.Info{Name: Name, Version: "1", API: plugins.APIVersion, Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapLink}}
}

// Configure implements plugins.Backend. There are no settings.
func (b *Backend) Configure(_ context.Context, c plugins.Config) error { return c.Decode(&struct{}{}) }

// Detect implements plugins.Backend.
func (b *Backend) Detect(context.Context) (plugins.Detection, error) {
	return plugins.Detection{Why: "addresses are left as they are"}, nil
}

// Watch implements plugins.Backend. Core sees by itself what the kernel does.
func (b *Backend) Watch(ctx context.Context, _ func(plugins.Change)) error {
	<-ctx.Done()
	return nil
}

// Close implements plugins.Backend.
func (b *Backend) Close() error { return nil }

// Plan implements plugins.NetBackend. Its verbs are "adopt" and "release", which
// change nothing on the host.
func (b *Backend) Plan(_ context.Context, want []plugins.VIP) (plugins.Plan, error) {
	var p plugins.Plan
	step := func(verb string, from, to []plugins.VIP) {
		for _, v := range from {
			if !slices.Contains(to, v) {
				p.Steps = append(p.Steps, plugins.Step{Verb: verb, Object: fmt.Sprintf("address %s", v.Addr)})
			}
		}
	}
	step("adopt", want, b.held)
	step("release", b.held, want)
	return p, nil
}

// Apply implements plugins.NetBackend.
func (b *Backend) Apply(_ context.Context, want []plugins.VIP) error {
	b.held = slices.Clone(want)
	return nil
}

// Observe implements plugins.NetBackend.
func (b *Backend) Observe(context.Context) ([]plugins.VIPState, error) {
	conn, err := kernel.Open()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	addrs, err := conn.Addresses()
	if err != nil {
		return nil, err
	}
	standing := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		standing[a.Prefix.Addr()] = true
	}
	states := make([]plugins.VIPState, len(b.held))
	for i, v := range b.held {
		states[i] = plugins.VIPState{VIP: v, OnHost: standing[v.Addr], Adopted: true}
	}
	return states, nil
}
