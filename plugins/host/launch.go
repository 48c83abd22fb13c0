package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/internal/wire"
)

// instance is a program that runs and answers.
type instance struct {
	prog   Program
	opts   Options
	proc   *process
	client *plugin.Client
	conn   *grpc.ClientConn
	tail   *tail
	since  time.Time
	end    sync.Once
	gone   chan struct{} // closed when the program has ended and its output is read
}

// launch starts a program and shakes hands with it. The error names the
// program, what it did and what it said.
func launch(ctx context.Context, o Options, prog Program) (*instance, error) {
	if !prog.own {
		// At every start: the file may be another one since the last.
		if _, err := At(o, prog.Path); err != nil {
			return nil, err
		}
	}
	i := &instance{prog: prog, opts: o, tail: &tail{}, since: time.Now(), gone: make(chan struct{})}
	log := o.Log.With("plugin", prog.Name)
	runDir := o.runDir(prog.User)
	go sweep(runDir)
	// go-plugin would wait for the handshake, whoever still wants it.
	var started atomic.Pointer[process]
	unwanted := context.AfterFunc(ctx, func() {
		if p := started.Load(); p != nil {
			p.kill("was not wanted any more")
		}
	})
	defer unwanted()
	i.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{plugins.APIVersion: {wire.Service: connection{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		SkipHostEnv:      true,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: runDir},
		StartTimeout:     o.limits.start,
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			cmd.Path, cmd.Args = prog.Path, append([]string{prog.title()}, prog.Args...)
			// A Go program's panic shall name the peer (see panicked).
			cmd.Env = append(cmd.Env, "GODEBUG=tracebacklabels=1", "LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR="+dir)
			err := short(dir)
			if err == nil {
				err = ctx.Err()
			}
			if err == nil {
				i.proc, err = newProcess(cmd, dir, prog.User)
			}
			if err != nil {
				os.RemoveAll(dir)
				return nil, err
			}
			i.proc.netns, i.proc.confined, i.proc.lazy = o.NetNS, prog.confined, prog.own
			started.Store(i.proc)
			return i.proc, nil
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
			grpc.WithMaxHeaderListSize(wire.MaxHeaders),
			grpc.WithUnaryInterceptor(prog.tooLarge),
			grpc.WithStaticStreamWindowSize(wire.Window), grpc.WithStaticConnWindowSize(wire.Window),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 4 * wire.MinPing, Timeout: o.limits.pong, PermitWithoutStream: true}),
		},
		Stderr: i.tail, SyncStdout: printed{log}, SyncStderr: printed{log},
		Logger: logger{log: log},
	})
	conn, err := i.connect()
	if err != nil {
		err = fmt.Errorf("%s: %s%s%w", prog, i.explain(err), i.tail, quietly{plugins.ErrUnavailable})
		i.client.Kill() // of what is left: its folder
		return nil, err
	}
	i.conn = conn
	go i.follow(log)
	ctx, cancel := context.WithTimeout(ctx, o.limits.start)
	defer cancel()
	if !prog.own { // else its first answer says as much
		err = i.ping(ctx)
	}
	if err != nil {
		i.stop("did not answer after its handshake")
		return nil, fmt.Errorf("%s: it shook hands, and its health service does not say that it serves (%s)%s%s%w", prog, status.Convert(err).Message(), prog.advice(), i.tail, quietly{plugins.ErrUnavailable})
	}
	go i.watchdog()
	return i, nil
}

// tooLarge has the error about a message that is larger than allowed, which gRPC
// itself makes, say whose it was.
func (p Program) tooLarge(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption) error {
	err := call(ctx, method, req, reply, conn, o...)
	if s := status.Convert(err); s.Code() == codes.ResourceExhausted {
		return status.Errorf(s.Code(), "%s of %s: %s%s", path.Base(method), p, s.Message(), p.advice())
	}
	return err
}

// quietly gives an error a meaning without adding to its text.
type quietly struct{ error }

func (quietly) Error() string   { return "" }
func (q quietly) Unwrap() error { return q.error }

// connect waits for the handshake.
func (i *instance) connect() (*grpc.ClientConn, error) {
	protocol, err := i.client.Client()
	if err != nil {
		return nil, err
	}
	conn, err := protocol.Dispense(wire.Service)
	if err != nil {
		return nil, err
	}
	return conn.(*grpc.ClientConn), nil
}

// connection hands the bare connection through go-plugin.
type connection struct{ plugin.NetRPCUnsupportedPlugin }

func (connection) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("core serves nothing to plugins")
}

func (connection) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// explain says in words of ours why a start failed. go-plugin's own text has
// four guesses where the reason is known.
func (i *instance) explain(err error) string {
	if i.proc == nil || i.proc.pid() == 0 {
		return "can't be started: " + err.Error()
	}
	hello := i.proc.hello.String()
	parts := strings.Split(hello, "|")
	if len(parts) >= 4 && strings.HasPrefix(hello, strconv.Itoa(plugin.CoreProtocolVersion)+"|") {
		if api, e := strconv.Atoi(parts[1]); e == nil && api != plugins.APIVersion {
			return apiError(i.prog.Name, api).Error()
		}
		if len(parts) < 5 || parts[4] != string(plugin.ProtocolGRPC) {
			return fmt.Sprintf("does not offer gRPC: its handshake was %q%s", hello, i.prog.advice())
		}
		return "its handshake can't be used: " + err.Error() + i.prog.advice()
	}
	select {
	case <-i.proc.drained:
	case <-time.After(drainTime):
	}
	switch {
	case hello != "":
		return fmt.Sprintf("is no plugin, or prints before its handshake: its first line on standard output is %q; logs belong on standard error", hello)
	case time.Since(i.since) >= i.opts.limits.start:
		return fmt.Sprintf("did not shake hands within %s, and was killed%s", i.opts.limits.start, i.prog.advice())
	}
	return "ended before it shook hands: " + i.proc.how() + i.prog.advice()
}

// follow waits for the end, and cleans up after it.
func (i *instance) follow(log *slog.Logger) {
	<-i.proc.dead
	select {
	case <-i.proc.drained:
	case <-time.After(2 * drainTime):
	}
	if i.proc.leftChildren() {
		log.Warn("the plugin left processes behind; they were killed", "path", i.prog.Path)
	}
	i.client.Kill()
	close(i.gone)
}

// ping asks whether the program serves.
func (i *instance) ping(ctx context.Context) error {
	r, err := grpc_health_v1.NewHealthClient(i.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return err
	}
	if s := r.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("it is %s", s)
	}
	return nil
}

// watchdog kills a program that does not answer at all, as one that was
// stopped, or that serves no more.
func (i *instance) watchdog() {
	tick := time.NewTicker(i.opts.limits.ping)
	defer tick.Stop()
	for failed := false; ; {
		select {
		case <-i.gone:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), i.opts.limits.pong)
		err := i.ping(ctx)
		late := ctx.Err() != nil
		cancel()
		switch {
		case late:
			i.proc.kill(fmt.Sprintf("gave no sign of life for %s", i.opts.limits.pong))
		case err != nil && failed: // once may be a program that is about to end
			i.proc.kill("no longer serves at its socket")
		}
		failed = err != nil
	}
}

// stop ends the program: it is asked, and killed if it does not comply.
func (i *instance) stop(reason string) {
	i.end.Do(func() {
		late := time.AfterFunc(i.opts.limits.bye, func() { i.proc.kill(reason) })
		defer late.Stop()
		i.client.Kill()
	})
	<-i.gone
}

// answers tells whether the program serves. If it does not, it ends or has.
func (i *instance) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*drainTime)
	defer cancel()
	return i.ping(ctx) == nil
}
