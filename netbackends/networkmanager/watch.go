package networkmanager

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/godbus/dbus/v5"

	"github.com/stentor-net/stentor/netbackends/internal/kernel"
	"github.com/stentor-net/stentor/plugins"
)

// watched is what Watch looks after: objects of D-Bus, whose paths change when
// NetworkManager restarts, and addresses.
type watched struct {
	profile, device dbus.ObjectPath
	held            map[place]string // to the VIP's name
	hushed          bool
}

// place is where an address stands.
type place struct {
	addr  netip.Addr
	index int // of the link
}

// follow takes over what was found or made.
func (b *Backend) follow(f facts) {
	w := watched{held: map[place]string{}}
	if f.ours != nil {
		w.profile = f.ours.path()
	}
	if f.carrier != nil {
		w.device = f.carrier.handle.GetPath()
	}
	for _, e := range f.entries() {
		w.held[place{e.Addr, f.kernel.links[e.Link].Index}] = e.VIP
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	w.hushed = b.watched.hushed
	b.watched = w
}

func (b *Backend) hush(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watched.hushed = on
}

func (b *Backend) watching() watched {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.watched
}

// Watch implements plugins.Backend. It listens to the kernel for addresses that
// go, and to D-Bus signals of our profile, our device, and NetworkManager
// coming and going.
func (b *Backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	if b.root != "" {
		<-ctx.Done() // an image does not move
		return nil
	}
	both, end := context.WithCancel(ctx)
	defer end()
	var one sync.Mutex
	tell := func(c plugins.Change) {
		one.Lock()
		defer one.Unlock()
		changed(c)
	}
	heard := make(chan error, 1)
	go func() {
		defer end()
		heard <- b.listen(both, tell)
	}()
	// On this thread: it may be in another network namespace than the rest.
	err := kernel.WatchGone(both, func(p netip.Prefix, index int) {
		w := b.watching()
		if vip, ok := w.held[place{p.Addr(), index}]; ok && !w.hushed {
			tell(plugins.Change{Object: vip, Why: fmt.Sprintf("%s was taken off the host", p), Lost: true})
		}
	})
	end()
	err = errors.Join(err, <-heard)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// listen tells the news of D-Bus.
func (b *Backend) listen(ctx context.Context, changed func(plugins.Change)) error {
	conn, err := dialBus(ctx)
	if err != nil {
		return err
	}
	defer conn.close()
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	for _, rule := range [][]dbus.MatchOption{
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, busName)},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(profileIface)},
		{dbus.WithMatchSender(busName), dbus.WithMatchInterface(deviceIface), dbus.WithMatchMember("StateChanged")},
	} {
		if err := conn.AddMatchSignalContext(ctx, rule...); err != nil {
			return fmt.Errorf("listen to NetworkManager: %w (%w)", err, plugins.ErrUnavailable)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case signal, open := <-signals:
			if !open {
				return fmt.Errorf("the D-Bus system bus hung up: %w", plugins.ErrUnavailable)
			}
			if c, ok := b.news(signal); ok {
				changed(c)
			}
		}
	}
}

// news tells what a signal means to us.
func (b *Backend) news(s *dbus.Signal) (plugins.Change, bool) {
	w := b.watching()
	switch {
	case s.Name == "org.freedesktop.DBus.NameOwnerChanged" && len(s.Body) == 3:
		if s.Body[2] == "" {
			return plugins.Change{Why: "NetworkManager stopped; addresses stay"}, true
		}
		return plugins.Change{Why: "NetworkManager started"}, true
	case w.hushed:
		return plugins.Change{}, false
	case s.Path == w.profile && s.Name == profileIface+".Removed":
		return plugins.Change{Object: b.device.link, Why: "somebody deleted profile " + profileID, Lost: true}, true
	case s.Path == w.profile && s.Name == profileIface+".Updated":
		return plugins.Change{Object: b.device.link, Why: "somebody changed profile " + profileID}, true
	case s.Path == w.device && s.Name == deviceIface+".StateChanged" && len(s.Body) == 3:
		const activated = uint32(100) // NM_DEVICE_STATE_ACTIVATED
		return plugins.Change{Object: b.device.link, Why: "NetworkManager changed the state of " + b.device.link, Lost: s.Body[0] != activated}, true
	}
	return plugins.Change{}, false
}
