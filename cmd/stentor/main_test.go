package main

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stentor-net/stentor/core/config"
	"github.com/stentor-net/stentor/core/control"
	"github.com/stentor-net/stentor/plugins"
)

// TestExitCode holds what scripts depend on.
func TestExitCode(t *testing.T) {
	tests := map[string]struct {
		err     error
		started bool
		want    int
	}{
		"done":                   {nil, true, 0},
		"the answer is no":       {errNo, true, 4},
		"it said so itself":      {errSaid, true, 1},
		"anything else":          {errors.New("x"), true, 1},
		"before any verb":        {errors.New("x"), false, 2},
		"usage":                  {usage("x"), true, 2},
		"config":                 {&config.Invalid{}, true, 2},
		"no config":              {config.ErrNoFile, true, 2},
		"daemon: config":         {&control.Error{Kind: control.KindConfig}, true, 2},
		"daemon: refused":        {&control.Error{Kind: control.KindRefused}, true, 3},
		"daemon: failed":         {&control.Error{Kind: control.KindFailed}, true, 1},
		"daemon: a kind to come": {&control.Error{Kind: "overloaded"}, true, 1},
		"permission":             {syscall.EACCES, true, 3},
		"not permitted":          {syscall.EPERM, true, 3},
		"read-only":              {syscall.EROFS, true, 3},
		"a file, not a folder":   {syscall.ENOTDIR, true, 3},
		"disk full, rolled back": {syscall.ENOSPC, true, 1},
		"not ours":               {plugins.ErrForeign, true, 3},
		"not on this host":       {plugins.ErrUnsupported, true, 3},
		"down, will come back":   {plugins.ErrUnavailable, true, 1},
	}
	for name, tt := range tests {
		err := tt.err
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		if got := exitCode(err, tt.started); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
