package plugintest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stentor-net/stentor/plugins"
)

// reference is a backend in which nothing but the contract matters: addresses
// by ip(8), a ledger in its state folder, and a copy of it in a folder that
// stands for a stack's own. It breaks the one promise that bug names.
type reference struct {
	bug      string
	etc      string
	stateDir string
}

// owned is a line of the ledger.
type owned struct {
	plugins.VIP
	Adopted bool
}

func (b *reference) Info() plugins.Info {
	i := plugins.Info{Name: "reference", Version: "1", API: plugins.APIVersion, Kind: plugins.KindNet}
	if b.bug == "says that it is a speaker" {
		i.Kind = plugins.KindBGP
	}
	return i
}

func (b *reference) Configure(_ context.Context, c plugins.Config) error {
	b.stateDir = c.StateDir
	if b.bug == "takes any key" {
		return nil
	}
	return c.Decode(&struct{}{})
}

func (b *reference) Detect(context.Context) (plugins.Detection, error) {
	if b.bug == "leaves a file when it detects" {
		return plugins.Detection{Why: "is there"}, os.WriteFile(filepath.Join(b.etc, "probe"), nil, 0o600)
	}
	return plugins.Detection{Score: 1, Why: "ip(8) is there"}, nil
}

func (b *reference) ledger() ([]owned, error) {
	var l []owned
	raw, err := os.ReadFile(filepath.Join(b.stateDir, "ledger"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return l, json.Unmarshal(raw, &l)
}

func (b *reference) save(l []owned) error {
	slices.SortFunc(l, func(x, y owned) int { return cmp.Compare(x.Name, y.Name) })
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	for _, path := range []string{filepath.Join(b.stateDir, "ledger"), filepath.Join(b.etc, "reference.conf")} {
		old, err := os.ReadFile(path)
		switch {
		case len(l) == 0 && b.bug != "leaves an empty file":
			err = ignoreMissing(os.Remove(path))
		case err == nil && string(old) == string(raw) && b.bug != "writes the same again":
		default:
			err = os.WriteFile(path+".new", raw, 0o600) // it may be killed anywhere
			if err == nil {
				err = os.Rename(path+".new", path)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change is what Plan shows and Apply does.
func (b *reference) change(want []plugins.VIP) (next, have []owned, p plugins.Plan, err error) {
	if have, err = b.ledger(); err != nil {
		return
	}
	host, err := look(nil)
	if err != nil {
		return
	}
	for _, v := range want {
		if _, err = net.InterfaceByName(v.Link); err != nil && b.bug != "goes as far as it can" {
			return
		}
		at := host.where(v.Addr)
		old := slices.IndexFunc(have, func(o owned) bool { return o.VIP == v })
		o := owned{VIP: v, Adopted: len(at) > 0 && (old < 0 || have[old].Adopted)}
		o.Adopted = o.Adopted && b.bug != "takes what is there for its own"
		next = append(next, o)
		if len(at) == 0 && (old < 0 || b.bug != "believes its ledger") {
			p.Steps = append(p.Steps, plugins.Step{Verb: "add", Object: v.Prefix().String()})
		}
		if old >= 0 && b.bug == "minds the order" && have[old].Name != have[len(next)-1].Name {
			p.Steps = append(p.Steps, plugins.Step{Verb: "move", Object: v.Prefix().String()})
		}
	}
	for _, o := range have {
		if !slices.Contains(want, o.VIP) && !o.Adopted {
			p.Steps = append(p.Steps, plugins.Step{Verb: "remove", Object: o.Prefix().String()})
		}
	}
	return next, have, p, nil
}

func (b *reference) Plan(ctx context.Context, want []plugins.VIP) (plugins.Plan, error) {
	if b.bug == "does it all when it plans" {
		return plugins.Plan{Steps: []plugins.Step{{Verb: "add", Object: "all"}}}, b.Apply(ctx, want)
	}
	if err := ctx.Err(); err != nil && b.bug != "does not look at its context" {
		return plugins.Plan{}, err
	}
	_, _, p, err := b.change(want)
	return p, err
}

func (b *reference) Apply(ctx context.Context, want []plugins.VIP) error {
	if b.bug == "does not look at its context" {
		ctx = context.WithoutCancel(ctx)
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < endTime && b.bug == "takes its time" {
		<-time.After(2 * endTime)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	next, have, _, err := b.change(want)
	if err != nil {
		return err
	}
	// Ours before it is added, and until it is deleted.
	intent := append(slices.Clone(next), have...)
	intent = slices.CompactFunc(sorted(intent), func(x, y owned) bool { return x.VIP == y.VIP })
	if b.bug != "tells nobody what it is about to do" {
		if err := b.save(intent); err != nil {
			return err
		}
	}
	for i, o := range next {
		if b.bug == "stops after ten" && i == 10 {
			break
		}
		if err := b.add(ctx, o.VIP); err != nil {
			return err
		}
	}
	for _, o := range have {
		if slices.Contains(want, o.VIP) || o.Adopted || b.bug == "never removes" && len(want) > 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := somebodyDeletes(o.VIP); err != nil {
			return err
		}
	}
	return b.save(next)
}

func sorted(l []owned) []owned {
	slices.SortStableFunc(l, func(x, y owned) int { return cmp.Compare(x.Name, y.Name) })
	return l
}

func (b *reference) add(ctx context.Context, v plugins.VIP) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	at, err := where(v.Addr)
	if err != nil || len(at) > 0 {
		return err
	}
	if b.bug == "adds whole subnets" {
		return ip("address", "add", v.Addr.String()+"/24", "dev", v.Link)
	}
	return somebodyAdds(v)
}

func (b *reference) Observe(ctx context.Context) ([]plugins.VIPState, error) {
	if err := ctx.Err(); err != nil && b.bug != "does not look at its context" {
		return nil, err
	}
	have, err := b.ledger()
	if err != nil || b.bug == "sees nothing" {
		return nil, err
	}
	var states []plugins.VIPState
	for _, o := range have {
		at, err := where(o.Addr)
		if err != nil {
			return nil, err
		}
		s := plugins.VIPState{VIP: o.VIP, OnHost: len(at) > 0, Adopted: o.Adopted}
		if !s.OnHost {
			s.Drift = "it is gone"
		}
		states = append(states, s)
	}
	return states, nil
}

func (b *reference) Watch(ctx context.Context, changed func(plugins.Change)) error {
	for ctx.Err() == nil {
		states, err := b.Observe(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		for _, s := range states {
			if !s.OnHost {
				changed(plugins.Change{Object: s.Name, Why: fmt.Sprintf("%s is gone", s.Addr), Lost: true})
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	if b.bug == "ends Watch with an error" {
		return ctx.Err()
	}
	return nil
}

func (b *reference) Close() error {
	if b.bug == "forgets when it is closed" {
		return ignoreMissing(os.Remove(filepath.Join(b.stateDir, "ledger")))
	}
	have, err := b.ledger()
	if err != nil || b.bug != "takes all away when it is closed" {
		return err
	}
	for _, o := range have {
		if !o.Adopted && strings.HasPrefix(o.Name, "plugintest") {
			if err := somebodyDeletes(o.VIP); err != nil {
				return err
			}
		}
	}
	return nil
}
