package plugintest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/internal/wire"
)

// startTime is what a program has until it answers; core gives it as much.
const startTime = 10 * time.Second

// tokenEnv marks the processes of a run: a child has its parent's environment,
// wherever it hides.
const tokenEnv = "STENTOR_PLUGINTEST"

// programRun is one run of a program, by the rules that core keeps.
type programRun struct {
	cmd     *exec.Cmd
	token   string
	sockets string // the folder of its socket
	tmp     string // its TMPDIR
	hello   string // its handshake
	conn    *grpc.ClientConn
	b       plugins.Backend

	dead    chan struct{} // closed when it has ended
	printed lockedBuffer  // on standard output, after the handshake
	said    lockedBuffer  // on standard error
	clean   bool          // it was asked to end, and has
}

// lockedBuffer keeps the first bytes of what a program writes.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b[:min(len(b), max(0, 1024-l.text.Len()))])
	return len(b), nil
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.TrimSpace(l.text.String())
}

// command is the program with what core gives it.
func (r *programRig) command() (*programRun, error) {
	p := &programRun{token: rand.Text(), dead: make(chan struct{})}
	p.sockets = filepath.Join(r.dir, fmt.Sprint(len(r.runs)))
	p.tmp = p.sockets
	if err := os.Mkdir(p.sockets, 0o700); err != nil {
		return nil, err
	}
	cookie := wire.Handshake()
	p.cmd = exec.Command(r.Path, r.Args...)
	p.cmd.Dir = "/"
	p.cmd.Env = []string{
		cookie.MagicCookieKey + "=" + cookie.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=" + fmt.Sprint(plugins.APIVersion),
		"PLUGIN_MIN_PORT=0", "PLUGIN_MAX_PORT=0", "PLUGIN_UNIX_SOCKET_DIR=" + p.sockets, "TMPDIR=" + p.tmp,
		"LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", tokenEnv + "=" + p.token,
	}
	p.cmd.Stderr = &p.said
	p.cmd.WaitDelay = time.Second // a child that it left may hold its output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r.runs = append(r.runs, p)
	return p, nil
}

// greet starts the program and reads its handshake.
func (r *programRig) greet(ctx context.Context, change ...func(*exec.Cmd)) (*programRun, error) {
	p, err := r.command()
	if err != nil {
		return nil, err
	}
	for _, f := range change {
		f(p.cmd)
	}
	for _, e := range p.cmd.Env {
		if dir, ok := strings.CutPrefix(e, "TMPDIR="); ok {
			p.tmp = dir
		}
	}
	out, in := io.Pipe()
	p.cmd.Stdout = in
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n')
		first <- strings.TrimSpace(line)
		_, _ = io.Copy(&p.printed, lines)
	}()
	if err := r.begin(p.cmd); err != nil {
		in.Close()
		p.cmd.Process = nil
		close(p.dead)
		return nil, fmt.Errorf("start %s: %w", r.Path, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		in.Close()
		close(p.dead)
	}()
	select {
	case p.hello = <-first:
	case <-time.After(r.limit(startTime)):
		return nil, p.explain(fmt.Errorf("it did not shake hands in %s", r.limit(startTime)))
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.hello == "" {
		<-p.dead
		return nil, p.explain(fmt.Errorf("it ended without a handshake: %s", p.cmd.ProcessState))
	}
	return p, nil
}

// start gives a run whose backend answers.
func (r *programRig) start(ctx context.Context, change ...func(*exec.Cmd)) (*programRun, error) {
	p, err := r.greet(ctx, change...)
	if err != nil {
		return nil, err
	}
	// CORE-PROTOCOL|API|NETWORK|ADDRESS|PROTOCOL, and what later versions of go-plugin add.
	f := strings.Split(p.hello, "|")
	if len(f) < 5 || f[0] != "1" || f[2] != "unix" || f[4] != "grpc" {
		return nil, p.explain(fmt.Errorf("its first line on standard output is %q, want 1|%d|unix|SOCKET|grpc", p.hello, plugins.APIVersion))
	}
	if filepath.Dir(f[3]) != p.sockets {
		return nil, p.explain(fmt.Errorf("its socket is %s, want it in $PLUGIN_UNIX_SOCKET_DIR, which is %s", f[3], p.sockets))
	}
	p.conn, err = grpc.NewClient("unix:"+f[3], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)))
	if err != nil {
		return nil, err
	}
	err = r.call(ctx, "health service", startTime, func(ctx context.Context) error {
		h, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "plugin"})
		if err == nil && h.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			err = fmt.Errorf("it says %s of the service \"plugin\"", h.GetStatus())
		}
		return err
	})
	if err == nil {
		err = r.call(ctx, "Info", startTime, func(ctx context.Context) error { return p.connect(ctx, r.kind) })
	}
	if err != nil {
		return nil, p.explain(err)
	}
	return p, nil
}

func (p *programRun) connect(ctx context.Context, kind plugins.Kind) (err error) {
	if kind == plugins.KindBGP {
		p.b, err = plugins.BGPOver(ctx, p.conn)
	} else {
		p.b, err = plugins.NetOver(ctx, p.conn)
	}
	return err
}

// explain adds the end of the program, and what it said, to an error.
func (p *programRun) explain(err error) error {
	select {
	case <-p.dead:
		err = fmt.Errorf("%w; the program has ended: %s", err, p.cmd.ProcessState)
	default:
	}
	if said := p.said.String(); said != "" {
		err = fmt.Errorf("%w; on standard error:\n%s", err, said)
	}
	return err
}

// stop asks the program to end, as core does, and tells how long it took.
func (r *programRig) stop(ctx context.Context, p *programRun) (time.Duration, error) {
	err := r.call(ctx, "Close", callTime, func(context.Context) error { return p.b.Close() })
	if err != nil {
		return 0, p.explain(err)
	}
	began := time.Now()
	// It may close the connection before it has answered.
	short, cancel := context.WithTimeout(ctx, r.limit(endTime))
	defer cancel()
	_ = p.conn.Invoke(short, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
	select {
	case <-p.dead:
		p.clean = true
		return time.Since(began), nil
	case <-time.After(r.limit(endTime)):
		return 0, p.explain(fmt.Errorf("it did not end in %s after Close and Shutdown of plugin.GRPCController", r.limit(endTime)))
	}
}

// kill ends the program and all that it started at once.
func (p *programRun) kill() error {
	if p.conn != nil {
		p.conn.Close()
	}
	if p.cmd.Process == nil {
		return nil
	}
	var err error
	select {
	case <-p.dead:
	default:
		err = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.dead
	}
	for _, pid := range p.left() {
		err = errors.Join(err, ignoreGone(syscall.Kill(pid, syscall.SIGKILL)))
	}
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// left are the processes that have the run's mark in their environment.
func (p *programRun) left() []int {
	var pids []int
	all, _ := filepath.Glob("/proc/[0-9]*/environ") // the pattern is right
	for _, path := range all {
		text, err := os.ReadFile(path) // it may have ended by now
		if err != nil || !bytes.Contains(text, []byte(tokenEnv+"="+p.token)) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
