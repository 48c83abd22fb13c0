package plugins

import "errors"

// Errors that core acts on. Wrap them with the sentence that people read:
//
//	fmt.Errorf("the FRR daemon is down: %w", plugins.ErrUnavailable)
var (
	// ErrUnsupported: this backend can't do that on this host; trying again won't help.
	ErrUnsupported = errors.New("not supported")
	// ErrForeign: the object exists, is not ours, and is not touched.
	ErrForeign = errors.New("not ours")
	// ErrUnavailable: what the backend drives is down or busy; core tries again.
	ErrUnavailable = errors.New("unavailable")
)

// ConfigError is a mistake in the backend's own table.
type ConfigError struct {
	Key  string // dotted path below [backend.NAME], "" for the table itself
	Msg  string // what is wrong: "must be an absolute path"
	Hint string // what to do about it; may be empty
}

// Error gives key and message in one line.
func (e *ConfigError) Error() string {
	if e.Key == "" {
		return e.Msg
	}
	return e.Key + ": " + e.Msg
}
