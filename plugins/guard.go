package plugins

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// overrunGrace is how long a call may go on after it was cut off.
const overrunGrace = 10 * time.Second

// guard stands around the calls of a plugin: a panic is that call's error, and
// a call that does not end when it must ends the process, which core then
// starts again. Core can't see such a call, and must not make another beside it.
type guard struct {
	log   *slog.Logger
	grace time.Duration
	exit  func(int)
}

func (g guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer g.watch(ctx, info.FullMethod)()
	defer g.recover(info.FullMethod, &err)
	return next(ctx, req)
}

func (g guard) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer g.watch(s.Context(), info.FullMethod)()
	defer g.recover(info.FullMethod, &err)
	return next(srv, s)
}

func (g guard) recover(method string, err *error) {
	if p := recover(); p != nil {
		g.log.Error("panic in a call", "call", path.Base(method), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = grpcstatus.Errorf(codes.Internal, "panic in %s: %v", path.Base(method), p)
	}
}

// watch follows a call until done is called.
func (g guard) watch(ctx context.Context, method string) (done func()) {
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-ended:
		case <-time.After(g.grace):
			stacks := make([]byte, 64<<10)
			g.log.Error("a call goes on though its context ended; the process gives up", "call", path.Base(method),
				"after", g.grace, "stacks", string(stacks[:runtime.Stack(stacks, true)]))
			g.exit(3)
		}
	})
	return func() {
		stop()
		close(ended)
	}
}
