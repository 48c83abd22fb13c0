package bird

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/plugins"
	"github.com/stentor-net/stentor/plugins/plugintest"
)

// TestConformance holds the backend to the contract, on a real BIRD that has
// an operator's configuration.
func TestConformance(t *testing.T) {
	program := birdProgram(t)
	plugintest.TestBGP(t, plugintest.BGP{
		Open: func(*plugintest.BGPHost) (plugins.BGPBackend, error) {
			return New(slog.New(slog.NewTextHandler(t.Output(), nil))), nil
		},
		Settings: func(host *plugintest.BGPHost) map[string]any {
			return map[string]any{"socket": operated(*host).socket(), "include_dir": host.Dir}
		},
		Daemon: func(host *plugintest.BGPHost) (plugintest.BGPDaemon, error) {
			d := &operatedBIRD{host: host, program: program}
			conf := strings.ReplaceAll(operatorConf, "INCLUDE", host.Dir)
			return d, os.WriteFile(d.conf(), []byte(conf), 0o600)
		},
		Parallel: 2,
	})
}

// operated names the files of an operator's BIRD on a host.
type operated plugintest.BGPHost

func (o operated) socket() string { return filepath.Join(o.Dir, "bird.ctl") }

// operatedBIRD is a BIRD on the host of one case.
type operatedBIRD struct {
	host    *plugintest.BGPHost
	program string
	cmd     *exec.Cmd
}

func (d *operatedBIRD) conf() string { return filepath.Join(d.host.Dir, "bird.conf") }

func (d *operatedBIRD) Start(ctx context.Context) error {
	d.cmd = exec.Command(d.program, "-f", "-c", d.conf(), "-s", operated(*d.host).socket(), "-P", filepath.Join(d.host.Dir, "pid"))
	log, err := os.OpenFile(filepath.Join(d.host.Dir, "bird.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.host.Do(d.cmd.Start); err != nil {
		return err
	}
	for {
		s, err := dial(ctx, operated(*d.host).socket())
		if err == nil {
			s.close()
			return nil
		}
		if !errors.Is(err, errDown) || ctx.Err() != nil {
			return err
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (d *operatedBIRD) Kill() error {
	err := d.cmd.Process.Signal(syscall.SIGKILL)
	d.cmd.Wait() // killed, so there is no result of use
	return err
}

// Config is the operator's file, and what BIRD runs besides ours.
func (d *operatedBIRD) Config(ctx context.Context) (string, error) {
	text, err := os.ReadFile(d.conf())
	if err != nil {
		return "", err
	}
	s, err := dial(ctx, operated(*d.host).socket())
	if err != nil {
		return "", err
	}
	defer s.close()
	r, err := s.ask(ctx, "show protocols")
	if err != nil {
		return "", err
	}
	for _, p := range parseProtocols(r) {
		text = append(text, p.name+" "+p.kind+"\n"...)
	}
	return string(text), nil
}

func (d *operatedBIRD) Close() error {
	if d.cmd == nil || d.cmd.ProcessState != nil {
		return nil
	}
	return d.Kill()
}
