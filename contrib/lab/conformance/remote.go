package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"sync/atomic"

	"github.com/stentor-net/stentor/bgpbackends"
	"github.com/stentor-net/stentor/plugins"
)

// remote is a built-in backend in a process of its own: it can be on another
// host of the lab, and be killed. It stands for the plugin process that core
// runs, with less around it.
type remote struct {
	info   plugins.Info
	client *rpc.Client
	cmd    *exec.Cmd
	calls  atomic.Uint64
}

// backendEnv names the backend that a process serves.
const backendEnv = "CONFORMANCE_BACKEND"

// open starts this program again with a backend in it, which ends with its
// standard input. start decides where.
func open(name string, log io.Writer, start func(*exec.Cmd) error) (*remote, error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), backendEnv+"="+name)
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := start(cmd); err != nil {
		return nil, err
	}
	r := &remote{cmd: cmd, client: jsonrpc.NewClient(pipes{out, in})}
	return r, r.do(context.Background(), "Backend.Info", Call{}, &r.info)
}

// pipes are the two directions of a connection.
type pipes struct {
	io.ReadCloser
	w io.WriteCloser
}

func (p pipes) Write(b []byte) (int, error) { return p.w.Write(b) }

// Close leaves the reading side open: who still writes there must not get a SIGPIPE.
func (p pipes) Close() error { return p.w.Close() }

// do makes one call, and has it cut off when ctx ends.
func (r *remote) do(ctx context.Context, method string, c Call, reply any) error {
	c.ID, c.Ended = r.calls.Add(1), ctx.Err() != nil
	pending := r.client.Go(method, c, reply, make(chan *rpc.Call, 1))
	stop := context.AfterFunc(ctx, func() { r.client.Go("Backend.Cancel", c, &struct{}{}, nil) })
	defer stop()
	<-pending.Done
	if pending.Error != nil {
		return readError(pending.Error)
	}
	return nil
}

func (r *remote) Info() plugins.Info { return r.info }

func (r *remote) Configure(ctx context.Context, c plugins.Config) error {
	return r.do(ctx, "Backend.Configure", Call{Config: c}, &struct{}{})
}

func (r *remote) Detect(ctx context.Context) (d plugins.Detection, err error) {
	return d, r.do(ctx, "Backend.Detect", Call{}, &d)
}

func (r *remote) Plan(ctx context.Context, want plugins.Speaker) (p plugins.Plan, err error) {
	err = r.do(ctx, "Backend.Plan", Call{Want: want}, &p)
	return p, err
}

func (r *remote) Apply(ctx context.Context, want plugins.Speaker) error {
	return r.do(ctx, "Backend.Apply", Call{Want: want}, &struct{}{})
}

func (r *remote) Observe(ctx context.Context) (s plugins.SpeakerState, err error) {
	err = r.do(ctx, "Backend.Observe", Call{}, &s)
	return s, err
}

func (r *remote) Watch(ctx context.Context, changed func(plugins.Change)) error {
	watch := r.calls.Add(1)
	for {
		var some []plugins.Change
		if err := r.do(ctx, "Backend.Watch", Call{Watch: watch}, &some); err != nil {
			return err
		}
		for _, c := range some {
			changed(c)
		}
		if len(some) == 0 {
			return nil
		}
	}
}

func (r *remote) Close() error {
	err := r.do(context.Background(), "Backend.Close", Call{}, &struct{}{})
	// The process ends with its standard input.
	r.client.Close()
	return errors.Join(err, r.cmd.Wait())
}

func (r *remote) kill() error { return r.cmd.Process.Kill() }

func (r *remote) pid() int { return r.cmd.Process.Pid }

// builtin finds a backend by its name.
func builtin(name string, log *slog.Logger) (plugins.BGPBackend, error) {
	for _, b := range bgpbackends.Builtin(log) {
		if b.Info().Name == name {
			return b, nil
		}
	}
	return nil, fmt.Errorf("no built-in BGP backend is called %q", name)
}
