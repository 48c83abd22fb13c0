package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stentor-net/stentor/core/config"
)

const (
	maxOutput = 1024 // bytes of what a program says that are logged
	// lingering is how long a program's output is waited for after its end:
	// what it left in the background may hold it open.
	lingering = time.Second
)

// execute runs a program, and kills it with all that it started when ctx ends.
func execute(ctx context.Context, cfg config.Hook, args []string, m message) error {
	stdin, err := json.Marshal(m)
	if err != nil {
		return err
	}
	said := &head{}
	cmd := exec.CommandContext(ctx, cfg.Exec[0], append(cfg.Exec[1:len(cfg.Exec):len(cfg.Exec)], args...)...)
	cmd.Dir, cmd.Env = "/", environment(m)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(append(stdin, '\n')), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = lingering
	err = cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s did not end within %s and was killed; a larger timeout may be needed", cfg.Exec[0], cfg.Timeout)
	case ctx.Err() != nil:
		err = fmt.Errorf("%s was killed: the daemon ends", cfg.Exec[0])
	case errors.Is(err, exec.ErrWaitDelay): // it ended well, and left something running
		err = nil
	case err != nil:
		err = fmt.Errorf("%s: %w", cfg.Exec[0], err)
	}
	if text := strings.Join(strings.Fields(said.String()), " "); err != nil && text != "" {
		err = fmt.Errorf("%w; it said: %s", err, text)
	}
	return err
}

// environment is what a program finds: the event, what the stentor command
// needs to find this daemon, and nothing else of ours. The service manager's
// own words (NOTIFY_SOCKET, sd_notify(3)) are not for others.
func environment(m message) []string {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ", "STENTOR_CONFIG", "STENTOR_SOCKET", "STENTOR_STATE_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for name, v := range map[string]string{
		"HOOK": m.Hook, "HOST": m.Host, "KIND": m.Kind, "NAME": m.Name, "STATE": m.State,
		"FROM": m.From, "TO": m.To, "WHY": m.Why, "OUTPUT": m.Output,
		"TIME": m.At.Format(time.RFC3339Nano), "SEQ": strconv.FormatUint(m.Seq, 10),
	} {
		env = append(env, "STENTOR_"+name+"="+strings.ReplaceAll(v, "\x00", "")) // execve(2) ends a string there
	}
	return env
}

// head keeps the beginning of what is written to it.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if room := maxOutput - h.Len(); room > 0 {
		h.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
