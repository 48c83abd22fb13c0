package plugins

import (
	"context"
	"errors"
	"fmt"

	"github.com/stentor-net/stentor/plugins/internal/wire"
	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

// kinds, meanings, severities and sessionStates say how words stand on the
// wire. A word that only the other side knows is an error where it matters.
func kinds() map[Kind]pb.Kind {
	return map[Kind]pb.Kind{KindNet: pb.Kind_KIND_NETWORK, KindBGP: pb.Kind_KIND_BGP}
}

func meanings() map[pb.ErrorMeaning]error {
	return map[pb.ErrorMeaning]error{
		pb.ErrorMeaning_ERROR_MEANING_UNSUPPORTED:       ErrUnsupported,
		pb.ErrorMeaning_ERROR_MEANING_FOREIGN:           ErrForeign,
		pb.ErrorMeaning_ERROR_MEANING_UNAVAILABLE:       ErrUnavailable,
		pb.ErrorMeaning_ERROR_MEANING_CANCELED:          context.Canceled,
		pb.ErrorMeaning_ERROR_MEANING_DEADLINE_EXCEEDED: context.DeadlineExceeded,
	}
}

// word finds the Go word of a number on the wire.
func word[W ~string, N comparable](words map[W]N, n N) (W, error) {
	for w, have := range words {
		if have == n {
			return w, nil
		}
	}
	return "", fmt.Errorf("%v is not known here; the other side may be newer", n)
}

// status writes an error for the wire.
func status(err error) error {
	if err == nil {
		return nil
	}
	f := wire.Fault{Text: err.Error()}
	for m, means := range meanings() {
		if errors.Is(err, means) {
			f.Meanings = append(f.Meanings, m)
		}
	}
	var ce *ConfigError
	if errors.As(err, &ce) {
		f.Config = &pb.ConfigMistake{Key: ce.Key, Message: ce.Msg, Hint: ce.Hint}
	}
	return f.Status()
}

// remoteError is an error from the other side of the wire.
type remoteError struct {
	text  string
	means []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.means }

// unstatus reads what status wrote.
func unstatus(err error) error {
	if err == nil {
		return nil
	}
	f := wire.ReadFault(err)
	e := &remoteError{text: f.Text}
	for _, m := range f.Meanings {
		if means := meanings()[m]; means != nil {
			e.means = append(e.means, means)
		}
	}
	if f.Config != nil {
		e.means = append(e.means, &ConfigError{Key: f.Config.GetKey(), Msg: f.Config.GetMessage(), Hint: f.Config.GetHint()})
	}
	return e
}

func infoToWire(i Info) *pb.InfoResponse {
	return &pb.InfoResponse{
		Name: i.Name, Version: wire.Text(i.Version), Api: wire.Uint32(i.API), Kind: kinds()[i.Kind],
		Caps: wire.Map(i.Caps, func(c Cap) string { return string(c) }),
	}
}

func infoFromWire(i *pb.InfoResponse) (Info, error) {
	kind, err := word(kinds(), i.GetKind())
	if err != nil {
		return Info{}, fmt.Errorf("kind: %w", err)
	}
	return Info{
		Name: i.GetName(), Version: i.GetVersion(), API: int(i.GetApi()), Kind: kind,
		Caps: wire.Map(i.GetCaps(), func(c string) Cap { return Cap(c) }),
	}, nil
}

func configToWire(c Config) (*pb.ConfigureRequest, error) {
	t, err := wire.Table(c.Settings)
	return &pb.ConfigureRequest{Settings: t, StateDir: c.StateDir, Root: c.Root, Force: c.Force}, err
}

func configFromWire(c *pb.ConfigureRequest) (Config, error) {
	t, err := wire.Settings(c.GetSettings())
	return Config{Settings: t, StateDir: c.GetStateDir(), Root: c.GetRoot(), Force: c.GetForce()}, err
}

func detectionToWire(d Detection) *pb.DetectResponse {
	return &pb.DetectResponse{
		Score: int32(d.Score), Why: wire.Text(d.Why),
		Signals: wire.Map(d.Signals, func(s Signal) *pb.Signal {
			return &pb.Signal{Name: wire.Text(s.Name), Value: wire.Text(s.Value)}
		}),
	}
}

func detectionFromWire(d *pb.DetectResponse) Detection {
	return Detection{
		Score: int(d.GetScore()), Why: d.GetWhy(),
		Signals: wire.Map(d.GetSignals(), func(s *pb.Signal) Signal { return Signal{Name: s.GetName(), Value: s.GetValue()} }),
	}
}

func changeToWire(c Change) *pb.Change {
	return &pb.Change{Object: wire.Text(c.Object), Why: wire.Text(c.Why), Lost: c.Lost}
}

func changeFromWire(c *pb.Change) Change {
	return Change{Object: c.GetObject(), Why: c.GetWhy(), Lost: c.GetLost()}
}

func planToWire(p Plan) *pb.Plan {
	return &pb.Plan{Steps: wire.Map(p.Steps, func(s Step) *pb.Step {
		return &pb.Step{Verb: wire.Text(s.Verb), Object: wire.Text(s.Object), Diff: wire.Text(s.Diff)}
	})}
}

func planFromWire(p *pb.Plan) Plan {
	return Plan{Steps: wire.Map(p.GetSteps(), func(s *pb.Step) Step {
		return Step{Verb: s.GetVerb(), Object: s.GetObject(), Diff: s.GetDiff()}
	})}
}
