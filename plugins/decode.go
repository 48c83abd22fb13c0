package plugins

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"
)

// Decode fills the struct that dst points to from c.Settings, by the fields'
// json tags. A key that dst does not have, a value of another type, or a dst
// that is no pointer to a struct is an error; the first two are a *ConfigError.
func (c Config) Decode(dst any) error {
	t := reflect.TypeOf(dst)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("decode settings into %T: want a pointer to a struct", dst)
	}
	if err := knownKeys("", c.Settings, t.Elem()); err != nil {
		return err
	}
	raw, err := json.Marshal(c.Settings)
	if err != nil {
		return fmt.Errorf("decode settings: %w", err)
	}
	err = json.Unmarshal(raw, dst)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return &ConfigError{Key: mismatch.Field, Msg: fmt.Sprintf("is a %s, want a %s", mismatch.Value, mismatch.Type)}
	}
	return err
}

// knownKeys compares the keys of a table with the json tags of t. It goes into
// tables whose field is a struct, and leaves maps alone. encoding/json itself
// names an unknown key without its path and takes keys of another case.
func knownKeys(path string, table map[string]any, t reflect.Type) error {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	keys := make([]string, 0, len(table))
	for k := range table {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		ft, ok := fields[k]
		if !ok {
			known := make([]string, 0, len(fields))
			for n := range fields {
				known = append(known, n)
			}
			sort.Strings(known)
			hint := "this backend has no settings"
			if len(known) > 0 {
				hint = "it knows " + strings.Join(known, ", ")
			}
			return &ConfigError{Key: path + k, Msg: "unknown key", Hint: hint}
		}
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		if sub, ok := table[k].(map[string]any); ok && ft.Kind() == reflect.Struct {
			if err := knownKeys(path+k+".", sub, ft); err != nil {
				return err
			}
		}
	}
	return nil
}
