package wire

import (
	"io"
	"log/slog"
	"time"
)

// logTime is how go-plugin reads the time of a record.
const logTime = "2006-01-02T15:04:05.000000Z07:00"

// LogHandler writes records as go-plugin reads them from a plugin's standard
// error: a JSON object a line. All levels cross; the other side filters.
func LogHandler(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: logKeys})
}

// logKeys renames what slog itself puts in. An attribute of the caller's that
// has the same key is of another type, or else as good.
func logKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch v := a.Value.Any().(type) {
	case time.Time:
		if a.Key == slog.TimeKey {
			return slog.String("@timestamp", v.Format(logTime))
		}
	case slog.Level:
		if a.Key == slog.LevelKey {
			return slog.String("@level", logLevel(v))
		}
	case string:
		if a.Key == slog.MessageKey {
			return slog.String("@message", v)
		}
	}
	return a
}

func logLevel(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "debug"
	case l < slog.LevelWarn:
		return "info"
	case l < slog.LevelError:
		return "warn"
	}
	return "error"
}
