package plugins_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/stentor-net/stentor/plugins"
)

// hosts is a network backend that only notes what it holds.
type hosts struct {
	log  *slog.Logger
	file string
	held []plugins.VIP
}

func (h *hosts) Info() plugins.Info {
	return plugins.Info{Name: "hosts", Version: "0.1.0", API: plugins.APIVersion, Kind: plugins.KindNet}
}

func (h *hosts) Configure(_ context.Context, c plugins.Config) error {
	var settings struct {
		File string `json:"file"`
	}
	if err := c.Decode(&settings); err != nil {
		return err
	}
	h.file = settings.File
	return nil
}

func (h *hosts) Detect(context.Context) (plugins.Detection, error) {
	return plugins.Detection{Why: "only if it is named"}, nil
}

func (h *hosts) Watch(ctx context.Context, _ func(plugins.Change)) error {
	<-ctx.Done() // nothing moves but by Apply
	return nil
}

func (h *hosts) Close() error { return nil }

func (h *hosts) Plan(_ context.Context, want []plugins.VIP) (plugins.Plan, error) {
	var p plugins.Plan
	for _, v := range want[min(len(h.held), len(want)):] {
		p.Steps = append(p.Steps, plugins.Step{Verb: "add", Object: "address " + v.Prefix().String() + " on " + v.Link})
	}
	return p, nil
}

func (h *hosts) Apply(_ context.Context, want []plugins.VIP) error {
	h.log.Info("applied", "addresses", len(want))
	h.held = want
	return nil
}

func (h *hosts) Observe(context.Context) ([]plugins.VIPState, error) {
	var all []plugins.VIPState
	for _, v := range h.held {
		all = append(all, plugins.VIPState{VIP: v, OnHost: true})
	}
	return all, nil
}

// The main function of a plugin is one call.
func ExampleServeNet() {
	main := func() {
		plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return &hosts{log: log} })
	}
	_ = main // it would serve until Stentor ends it
}

// A backend's table is decoded like JSON; a mistake names its key.
func ExampleConfig_Decode() {
	h := &hosts{}
	err := h.Configure(context.Background(), plugins.Config{Settings: map[string]any{"flie": "/etc/hosts"}})
	var mistake *plugins.ConfigError
	if errors.As(err, &mistake) {
		fmt.Println(mistake)
		fmt.Println(mistake.Hint)
	}
	// Output:
	// flie: unknown key
	// it knows file
}

// An error says what is down, and what it means to core.
func ExampleConfigError() {
	err := fmt.Errorf("the FRR daemon is down: %w", plugins.ErrUnavailable)
	fmt.Println(err, errors.Is(err, plugins.ErrUnavailable))
	fmt.Println(&plugins.ConfigError{Key: "vtysh", Msg: "must be an absolute path"})
	// Output:
	// the FRR daemon is down: unavailable true
	// vtysh: must be an absolute path
}
