package plugins

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/stentor-net/stentor/plugins/internal/wire"
)

// TestPanicIsAnError: the caller reads it, the log has the stack, and the next
// call works.
func TestPanicIsAnError(t *testing.T) {
	var log bytes.Buffer
	g := guard{log: slog.New(wire.LogHandler(&log)), grace: time.Hour}
	fine := false
	r := &recorder{observe: func() (SpeakerState, error) {
		if !fine {
			panic("a bug")
		}
		return SpeakerState{}, nil
	}}
	b, err := BGPOver(t.Context(), over(t, r, grpc.UnaryInterceptor(g.unary), grpc.StreamInterceptor(g.stream)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Observe(t.Context()); err == nil || err.Error() != "panic in ObserveSpeaker: a bug" {
		t.Error(err)
	}
	for _, want := range []string{`"@level":"error"`, `"@message":"panic in a call"`, "guard_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in %s", want, &log)
		}
	}
	fine = true
	if _, err := b.Observe(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOverrun: a call that goes on after its time ends the process; one that
// ends in time does not.
func TestOverrun(t *testing.T) {
	for _, late := range []time.Duration{overrunGrace - time.Second, overrunGrace + time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var code int
			g := guard{log: slog.New(slog.DiscardHandler), grace: overrunGrace, exit: func(c int) { code = c }}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			_, _ = g.unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/s/Apply"}, func(context.Context, any) (any, error) {
				time.Sleep(time.Minute + late)
				return nil, nil
			})
			synctest.Wait()
			if got, want := code != 0, late > overrunGrace; got != want {
				t.Errorf("ended %v after its time: exit %d (%v)", late, code, time.Since(start))
			}
		})
	}
}

// TestByHand: who runs a plugin is told what it is, and gets its manifest.
func TestByHand(t *testing.T) {
	i := Info{Name: "acme", Version: "1.2", API: 1, Kind: KindBGP, Caps: []Cap{CapMED}}
	var out, talk bytes.Buffer
	if code := byHand(i, []string{"./acme"}, &out, &talk); code != 2 || out.Len() > 0 {
		t.Errorf("exit %d, %s", code, &out)
	}
	for _, want := range []string{"acme 1.2 is a bgp backend for Stentor (API 1)", "[bgp]\n    backend = \"acme\"", " --manifest > /"} {
		if !strings.Contains(talk.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, &talk)
		}
	}
	talk.Reset()
	if code := byHand(i, []string{"./acme", "--manifest"}, &out, &talk); code != 0 || talk.Len() > 0 {
		t.Errorf("exit %d, %s", code, &talk)
	}
	if want := "{\n  \"name\": \"acme\",\n  \"kind\": \"bgp\",\n  \"version\": \"1.2\",\n  \"api\": 1,\n  \"caps\": [\n    \"med\"\n  ]\n}\n"; out.String() != want {
		t.Errorf("%s", &out)
	}
}
