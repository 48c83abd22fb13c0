package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"sync"

	"github.com/stentor-net/stentor/plugins"
)

// Call is what crosses to the process of a backend.
type Call struct {
	ID     uint64
	Ended  bool   // its context has ended already
	Watch  uint64 // tells the calls of one Watch from those of another
	Config plugins.Config
	Want   plugins.Speaker
}

// Backend serves a plugins.BGPBackend over net/rpc.
type Backend struct {
	b plugins.BGPBackend

	mu      sync.Mutex
	cancels map[uint64]context.CancelFunc
	ended   map[uint64]bool // calls that were cut off before they came
	watches map[uint64]*watch
}

// watch is a running Watch.
type watch struct {
	changes chan plugins.Change
	ended   chan error
	end     context.CancelFunc
}

// serve runs the named backend on standard input and output until the first ends.
func serve(name string) error {
	b, err := builtin(name, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	err = server.Register(&Backend{b: b, cancels: map[uint64]context.CancelFunc{}, ended: map[uint64]bool{}, watches: map[uint64]*watch{}})
	if err != nil {
		return err
	}
	server.ServeCodec(jsonrpc.NewServerCodec(pipes{os.Stdin, os.Stdout}))
	return nil
}

// context gives a call's context, which Cancel ends.
func (s *Backend) context(c Call) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancels[c.ID] = cancel
	if c.Ended || s.ended[c.ID] {
		cancel()
	}
	return ctx
}

// Cancel cuts a call off.
func (s *Backend) Cancel(c Call, _ *struct{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.cancels[c.ID]; cancel != nil {
		cancel()
	}
	s.ended[c.ID] = true
	return nil
}

// Info, Configure and the others are those of plugins.BGPBackend.
func (s *Backend) Info(_ Call, reply *plugins.Info) error {
	*reply = s.b.Info()
	return nil
}

func (s *Backend) Configure(c Call, _ *struct{}) error {
	return writeError(s.b.Configure(s.context(c), c.Config))
}

func (s *Backend) Detect(c Call, reply *plugins.Detection) (err error) {
	*reply, err = s.b.Detect(s.context(c))
	return writeError(err)
}

func (s *Backend) Plan(c Call, reply *plugins.Plan) (err error) {
	*reply, err = s.b.Plan(s.context(c), c.Want)
	return writeError(err)
}

func (s *Backend) Apply(c Call, _ *struct{}) error {
	return writeError(s.b.Apply(s.context(c), c.Want))
}

func (s *Backend) Observe(c Call, reply *plugins.SpeakerState) (err error) {
	*reply, err = s.b.Observe(s.context(c))
	return writeError(err)
}

// Watch gives the Changes since the last call with the same Watch number, at
// least one, or none when Watch has returned. To cut the call off ends it.
func (s *Backend) Watch(c Call, reply *[]plugins.Change) error {
	ctx := s.context(c)
	s.mu.Lock()
	w := s.watches[c.Watch]
	if w == nil {
		life, end := context.WithCancel(context.Background())
		w = &watch{changes: make(chan plugins.Change, 1000), ended: make(chan error, 1), end: end}
		s.watches[c.Watch] = w
		go func() { w.ended <- s.b.Watch(life, func(c plugins.Change) { w.changes <- c }) }()
	}
	s.mu.Unlock()
	defer context.AfterFunc(ctx, w.end)()
	select {
	case change := <-w.changes:
		*reply = []plugins.Change{change}
		return nil
	case err := <-w.ended:
		return writeError(err)
	}
}

// Close ends what is under way, too: no call comes after it.
func (s *Backend) Close(Call, *struct{}) error {
	s.mu.Lock()
	for _, w := range s.watches {
		w.end()
	}
	s.mu.Unlock()
	return writeError(s.b.Close())
}

// wireError is an error with what errors.Is and errors.As find in it.
type wireError struct {
	Text                              string
	Unsupported, Foreign, Unavailable bool
	Config                            *plugins.ConfigError
}

func (e wireError) Error() string { return e.Text }

func (e wireError) Unwrap() []error {
	var all []error
	for is, err := range map[error]bool{plugins.ErrUnsupported: e.Unsupported, plugins.ErrForeign: e.Foreign, plugins.ErrUnavailable: e.Unavailable} {
		if err {
			all = append(all, is)
		}
	}
	if e.Config != nil {
		all = append(all, e.Config)
	}
	return all
}

// writeError puts an error into the one string that net/rpc passes on.
func writeError(err error) error {
	if err == nil {
		return nil
	}
	e := wireError{
		Text:        err.Error(),
		Unsupported: errors.Is(err, plugins.ErrUnsupported),
		Foreign:     errors.Is(err, plugins.ErrForeign),
		Unavailable: errors.Is(err, plugins.ErrUnavailable),
	}
	errors.As(err, &e.Config)
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return errors.New(string(text))
}

// readError reads what writeError wrote; errors of net/rpc itself stay as they are.
func readError(err error) error {
	var e wireError
	if json.Unmarshal([]byte(err.Error()), &e) != nil {
		return err
	}
	return e
}
