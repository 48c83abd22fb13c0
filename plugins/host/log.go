package host

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"maps"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// logger is an hclog.Logger that writes to slog. What go-plugin says itself is
// of no use to people and goes to the debug level; Named gives the logger of
// the plugin, whose records keep theirs.
type logger struct {
	log    *slog.Logger
	name   string
	args   []any
	plugin bool
}

func (l logger) Log(level hclog.Level, msg string, args ...any) {
	to := slog.LevelDebug
	if l.plugin {
		to = slogLevel(level)
		args = attrs(args)
	}
	l.log.Log(context.Background(), to, msg, args...)
}

// attrs are a record's, sorted, as JSON has lost their order. go-plugin adds the
// record's time: our own is some milliseconds later at most.
func attrs(args []any) []any {
	record := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		if key, ok := args[i].(string); ok && key != "timestamp" {
			record[key] = args[i+1]
		}
	}
	out := make([]any, 0, len(record))
	for _, k := range slices.Sorted(maps.Keys(record)) {
		out = append(out, slog.Attr{Key: k, Value: value(record[k])})
	}
	return out
}

// value makes groups of objects again.
func value(v any) slog.Value {
	object, ok := v.(map[string]any)
	if !ok {
		return slog.AnyValue(v)
	}
	var group []slog.Attr
	for _, k := range slices.Sorted(maps.Keys(object)) {
		group = append(group, slog.Attr{Key: k, Value: value(object[k])})
	}
	return slog.GroupValue(group...)
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Info:
		return slog.LevelInfo
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelDebug
}

func (l logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l logger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l logger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l logger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

// IsTrace and the others answer yes: slog filters, and go-plugin must not.
func (logger) IsTrace() bool { return true }
func (logger) IsDebug() bool { return true }
func (logger) IsInfo() bool  { return true }
func (logger) IsWarn() bool  { return true }
func (logger) IsError() bool { return true }

func (l logger) GetLevel() hclog.Level { return hclog.Trace }
func (logger) SetLevel(hclog.Level)    {}

func (l logger) ImpliedArgs() []any { return l.args }

func (l logger) With(args ...any) hclog.Logger {
	l.log, l.args = l.log.With(args...), slices.Concat(l.args, args)
	return l
}

func (l logger) Name() string { return l.name }

func (l logger) Named(name string) hclog.Logger {
	l.name, l.plugin = name, true
	return l
}

func (l logger) ResetNamed(name string) hclog.Logger { return l.Named(name) }

func (l logger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.log.Handler(), slog.LevelDebug)
}

func (l logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return printed{l.log} }

// printed logs what a plugin prints after its handshake.
type printed struct{ log *slog.Logger }

func (p printed) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			p.log.Info("printed: " + string(line))
		}
	}
	return len(text), nil
}
