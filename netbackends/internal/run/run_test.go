package run_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stentor-net/stentor/netbackends/internal/run"
)

func TestCommand(t *testing.T) {
	ctx := context.Background()
	r, err := run.Command(ctx, "sh", "-c", "echo out; echo talk >&2; echo $LC_ALL")
	if err != nil || r.Stdout != "out\nC\n" || r.Stderr != "talk\n" || r.Code != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = run.Command(ctx, "sh", "-c", "echo out; echo '/etc/x:3:7: tab' >&2; exit 78")
	var failed *run.Error
	if !errors.As(err, &failed) || failed.Code != 78 || err.Error() != "sh -c echo out; echo '/etc/x:3:7: tab' >&2; exit 78: exit code 78: /etc/x:3:7: tab" {
		t.Errorf("error %v", err)
	}
	if _, err = run.Command(ctx, "sh", "-c", "echo why; exit 1"); err == nil || !strings.HasSuffix(err.Error(), "exit code 1: why") {
		t.Errorf("error %v", err)
	}
	if _, err = run.Command(ctx, "no-such-program-of-any-stack"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v", err)
	}
}

func TestTalkativeCommand(t *testing.T) {
	r, err := run.Command(context.Background(), "head", "-c", "9000000", "/dev/zero")
	if err != nil || len(r.Stdout) != 8<<20 {
		t.Errorf("%d bytes, %v", len(r.Stdout), err)
	}
}

// TestCommandThatHangs leaves a grandchild behind that holds the pipes.
func TestCommandThatHangs(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := run.Command(ctx, "sh", "-c", "sleep 20 & wait")
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Error("it waits for the grandchild")
	}
}
