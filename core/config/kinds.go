package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reader turns the value of one key into a checked Go value, or reports what
// is wrong with it.
type reader func(r *report, v *value) (any, bool)

// mistake is what is wrong with a string; the key's name goes before msg.
type mistake struct{ msg, hint string }

// text reads a string; parse checks it.
func text[T any](example string, parse func(string) (T, *mistake)) reader {
	return func(r *report, v *value) (any, bool) {
		s, ok := v.data.(string)
		if !ok {
			what, hint := v.key, fmt.Sprintf("write %s = %q", v.key, example)
			if v.inArray {
				what, hint = "an element of "+v.key, fmt.Sprintf("write %q", example)
			}
			r.fail(v.whole(), hint, "%s must be a string, not %s", what, v.kind())
			return nil, false
		}
		out, m := parse(s)
		if m != nil {
			r.fail(v.whole(), m.hint, "%s %s", v.key, m.msg)
			return nil, false
		}
		return out, true
	}
}

// oneOf reads one of a few words.
func oneOf[T ~string](words ...T) reader {
	known := make([]string, len(words))
	for i, w := range words {
		known[i] = string(w)
	}
	return text(known[0], func(s string) (T, *mistake) {
		if !slices.Contains(known, s) {
			return "", &mistake{fmt.Sprintf("can't be %q", s), didYouMean(s, known)}
		}
		return T(s), nil
	})
}

// truth reads true or false.
func truth(r *report, v *value) (any, bool) {
	if b, ok := v.data.(bool); ok {
		return b, true
	}
	r.fail(v.whole(), "true or false, without quotes", "%s must be true or false, not %s", v.key, v.kind())
	return nil, false
}

// integer reads a number from lo to hi.
func integer[T int | uint32](lo, hi T) reader {
	return func(r *report, v *value) (any, bool) {
		n, ok := v.data.(int64)
		if !ok {
			hint := "a whole number, without quotes"
			if s, isString := v.data.(string); isString {
				if n, err := strconv.ParseInt(s, 10, 64); err == nil {
					hint = fmt.Sprintf("write %s = %d, without quotes", v.key, n)
				}
			}
			r.fail(v.whole(), hint, "%s must be an integer, not %s", v.key, v.kind())
			return nil, false
		}
		if n < int64(lo) || n > int64(hi) {
			r.fail(v.whole(), "", "%s must be from %d to %d", v.key, lo, hi)
			return nil, false
		}
		return T(n), true
	}
}

// duration reads a time with its unit, from lo to hi. seconds: the protocol
// has room for whole seconds only. off: "0s" is allowed, and switches off.
type duration struct {
	lo, hi       time.Duration
	seconds, off bool
}

func (d duration) read(r *report, v *value) (any, bool) {
	const example = `a number with ns, us, ms, s, m or h: "90s", "500ms", "1m30s"`
	var s string
	switch data := v.data.(type) {
	case int64:
		r.fail(v.whole(), fmt.Sprintf(`write %s = "%ds"`, v.key, data), "%s has no unit", v.key)
		return nil, false
	case float64:
		r.fail(v.whole(), fmt.Sprintf(`write %s = "%gs"`, v.key, data), "%s has no unit", v.key)
		return nil, false
	case string:
		s = data
	default:
		r.fail(v.whole(), example, "%s must be a duration, not %s", v.key, v.kind())
		return nil, false
	}
	out, err := time.ParseDuration(s)
	switch {
	case err != nil:
		hint, msg := example, "is no duration"
		if n, err := strconv.ParseUint(s, 10, 31); err == nil {
			hint, msg = fmt.Sprintf(`write %s = "%ds"`, v.key, n), "has no unit"
		}
		r.fail(v.whole(), hint, "%s %s", v.key, msg)
		return nil, false
	case d.off && out == 0:
		return out, true
	case out < d.lo || out > d.hi:
		hint := ""
		if d.off {
			hint = `or "0s", which switches it off`
		}
		r.fail(v.whole(), hint, "%s must be from %s to %s", v.key, short(d.lo), short(d.hi))
		return nil, false
	case d.seconds && out%time.Second != 0:
		r.fail(v.whole(), "BGP counts it in seconds", "%s must be whole seconds", v.key)
		return nil, false
	}
	return out, true
}

// short writes a duration without the zeroes of "1h0m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// list reads an array of up to limit different elements.
func list[T comparable](limit int, elem reader) reader {
	return func(r *report, v *value) (any, bool) {
		data, ok := v.data.([]any)
		if !ok {
			hint := "put it in brackets"
			if s, isString := v.data.(string); isString {
				hint = fmt.Sprintf("write %s = [%q]", v.key, s)
			}
			r.fail(v.whole(), hint, "%s must be an array, not %s", v.key, v.kind())
			return nil, false
		}
		if len(data) > limit {
			r.fail(v.whole(), "", "%s has %d elements, and can have %d", v.key, len(data), limit)
			return nil, false
		}
		out := make([]T, 0, len(data))
		for i, d := range data {
			e := v.elem(i, d)
			x, good := elem(r, e)
			if !good {
				ok = false
				continue
			}
			if slices.Contains(out, x.(T)) {
				r.fail(e.whole(), "delete one", "%q stands twice in %s", d, v.key)
			}
			out = append(out, x.(T))
		}
		return out, ok
	}
}
