package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// relayVerb has this program join ExaBGP to the plugin that started it: ExaBGP
// talks to a child's standard input and output.
const relayVerb = "relay"

func relay(socket string) int {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		os.Exit(0) // ExaBGP has ended
	}()
	_, _ = io.Copy(os.Stdout, conn)
	return 0
}

// helloTime is how long ExaBGP may take until it has started its child.
const helloTime = 30 * time.Second

// process is one run of ExaBGP.
type process struct {
	file, header string   // its configuration, and the part of it that is about us
	conn         net.Conn // to its relay
	cmd          *exec.Cmd
	ended        chan error
}

// launch runs ExaBGP with the configuration of one peer in dir.
func launch(ctx context.Context, log *slog.Logger, program, dir, config string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	defer listener.Close()
	p := &process{file: filepath.Join(dir, "exabgp.conf"), ended: make(chan error, 1)}
	p.header = fmt.Sprintf("process stentor { run %s %s %s; encoder json; }\n", self, relayVerb, socket)
	if err := p.configure(config); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, p.file)
	p.cmd.Env = append(os.Environ(), "exabgp_daemon_user="+me.Username, "exabgp_tcp_bind=", "exabgp_log_level=WARNING",
		"exabgp_log_destination=stderr", "exabgp_api_cli=false", "exabgp_api_respawn=false", "exabgp_api_terminate=true",
		"exabgp_cache_nexthops=false")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.start(log); err != nil {
		return nil, err
	}
	_ = listener.SetDeadline(time.Now().Add(helloTime))
	if p.conn, err = listener.Accept(); err != nil {
		return nil, errors.Join(fmt.Errorf("ExaBGP did not start its API within %s: %w", helloTime, err), p.kill())
	}
	return p, nil
}

// configure writes what ExaBGP reads at its start and when it is told to.
func (p *process) configure(neighbor string) error {
	return os.WriteFile(p.file, []byte(p.header+neighbor), 0o600) // it may hold a password
}

// start runs the program from a thread that lives as long as it: the
// parent-death signal comes at the end of the thread (prctl(2)).
func (p *process) start(log *slog.Logger) error {
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.cmd.Stderr = p.cmd.Stdout
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for lines := bufio.NewReader(output); ; {
			line, _, err := lines.ReadLine() // a long one in pieces
			if err != nil {
				break
			}
			log.Debug(strings.TrimSpace(string(line)))
		}
		p.ended <- p.cmd.Wait()
	}()
	return <-started
}

// kill ends ExaBGP at once. Its relay ends with it.
func (p *process) kill() error {
	if p.conn != nil {
		p.conn.Close()
	}
	_ = p.cmd.Process.Kill()
	select {
	case <-p.ended:
		return nil
	case <-time.After(helloTime):
		return fmt.Errorf("ExaBGP with pid %d does not die", p.cmd.Process.Pid)
	}
}
