// Command faulty is a network backend with one fault; which, its own name tells.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/stentor-net/stentor/plugins"
	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

var fault = filepath.Base(os.Args[0])

func main() {
	switch fault {
	case "exits":
		fmt.Fprintln(os.Stderr, "libexample.so.1: cannot open shared object file")
		os.Exit(3)
	case "late":
		if _, err := os.Stat(os.Args[0] + ".ready"); err != nil {
			fmt.Fprintln(os.Stderr, "the licence server is down")
			os.Exit(3)
		}
	case "slow":
		for {
			if _, err := os.Stat(os.Args[0] + ".ready"); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	case "garbage":
		fmt.Println("welcome to the plugin")
	case "hangstart":
		fmt.Fprintln(os.Stderr, "asking the licence server")
		time.Sleep(time.Hour)
	case "huge":
		encoding.RegisterCodecV2(hugeCodec{encoding.GetCodecV2(proto.Name)})
	case "api7":
		handshake("1|7|unix|/nowhere|grpc")
	case "netrpc":
		handshake("1|1|unix|/nowhere|netrpc")
	case "tcp":
		handshake("1|1|tcp|127.0.0.1:9|grpc")
	}
	plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return &backend{log: log} })
}

func handshake(line string) {
	fmt.Println(line)
	time.Sleep(time.Hour)
}

// hugeCodec sends 1 GiB where the states should be.
type hugeCodec struct{ encoding.CodecV2 }

func (c hugeCodec) Marshal(v any) (mem.BufferSlice, error) {
	if _, ok := v.(*pb.ObserveVIPsResponse); !ok {
		return c.CodecV2.Marshal(v)
	}
	piece := mem.SliceBuffer(make([]byte, 1<<20))
	all := make(mem.BufferSlice, 1<<10)
	for i := range all {
		all[i] = piece
	}
	return all, nil
}

type backend struct {
	log    *slog.Logger
	config plugins.Config
	held   []plugins.VIP
}

func (b *backend) Info() plugins.Info {
	i := plugins.Info{Name: fault, Version: "0.1", API: plugins.APIVersion, Kind: plugins.KindNet, Caps: []plugins.Cap{plugins.CapLink}}
	switch fault {
	case "othername":
		i.Name = "else"
	case "api2":
		i.API = 2
	case "lesscaps":
		i.Caps = nil
	}
	return i
}

func (b *backend) Configure(_ context.Context, c plugins.Config) error {
	if fault == "lateconfig" {
		if _, err := os.Stat(os.Args[0] + ".ready"); err != nil {
			os.Exit(4)
		}
	}
	b.config = c
	b.log.Warn("configured", "state_dir", c.StateDir, slog.Group("of", "settings", len(c.Settings)))
	b.log.Debug("a detail")
	if c.Settings["keep"] != nil {
		return os.WriteFile(filepath.Join(c.StateDir, "kept"), []byte("something"), 0o600)
	}
	if c.Settings["wrong"] != nil {
		return &plugins.ConfigError{Key: "wrong", Msg: "is wrong", Hint: "leave it out"}
	}
	return nil
}

// Detect tells what the process was given.
func (b *backend) Detect(context.Context) (plugins.Detection, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return plugins.Detection{}, err
	}
	d := plugins.Detection{Score: 1, Why: fmt.Sprint(b.config.Settings["why"])}
	for _, line := range strings.Split(string(status), "\n") {
		name, value, _ := strings.Cut(line, ":")
		d.Signals = append(d.Signals, plugins.Signal{Name: name, Value: strings.TrimSpace(value)})
	}
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		d.Signals = append(d.Signals, plugins.Signal{Name: "$" + name, Value: value})
	}
	fds, err := filepath.Glob("/proc/self/fd/*")
	for _, fd := range fds {
		to, _ := os.Readlink(fd)
		d.Signals = append(d.Signals, plugins.Signal{Name: "fd", Value: to})
	}
	return d, err
}

func (b *backend) Watch(ctx context.Context, changed func(plugins.Change)) error {
	changed(plugins.Change{Object: "watching"})
	<-ctx.Done()
	return nil
}

func (b *backend) Close() error {
	b.log.Info("closed")
	return nil
}

func (b *backend) Plan(_ context.Context, want []plugins.VIP) (plugins.Plan, error) {
	if len(want) == len(b.held) {
		return plugins.Plan{}, nil
	}
	return plugins.Plan{Steps: []plugins.Step{{Verb: "change", Object: fmt.Sprint(want)}}}, nil
}

func (b *backend) Apply(ctx context.Context, want []plugins.VIP) error {
	switch fault {
	case "hangcall":
		time.Sleep(time.Hour)
	case "panicgo":
		go func() { panic("a bug in a goroutine") }()
		<-ctx.Done()
	case "paniccall":
		panic("a bug in a call")
	case "foreign":
		return fmt.Errorf("/etc/example: %w", plugins.ErrForeign)
	case "down":
		return fmt.Errorf("the example daemon is down: %w", plugins.ErrUnavailable)
	case "children":
		child := exec.Command("sleep", "1000")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			return err
		}
		b.log.Error("child " + fmt.Sprint(child.Process.Pid))
		os.Exit(1)
	}
	b.held = want
	return ctx.Err()
}

func (b *backend) Observe(context.Context) ([]plugins.VIPState, error) {
	states := make([]plugins.VIPState, 0, len(b.held))
	for _, v := range b.held {
		states = append(states, plugins.VIPState{VIP: v, OnHost: v.Addr != netip.Addr{}})
	}
	return states, nil
}
