package wire

import (
	"errors"
	"fmt"

	pb "github.com/stentor-net/stentor/plugins/proto/v1"
)

// maxDepth is how deep tables and lists may nest; the config refuses more.
const maxDepth = 64

// errDepth refuses a table that would use up the stack.
var errDepth = fmt.Errorf("nested over %d levels", maxDepth)

// Table writes a backend's settings. It knows the types that plugins.Config lists.
func Table(settings map[string]any) (*pb.Table, error) { return writeTable(settings, 1) }

func writeTable(settings map[string]any, depth int) (*pb.Table, error) {
	t := &pb.Table{Entries: make(map[string]*pb.Value, len(settings))}
	for k, s := range settings {
		v, err := writeValue(s, depth)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		t.Entries[k] = v
	}
	return t, nil
}

func writeValue(s any, depth int) (*pb.Value, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch s := s.(type) {
	case string:
		return &pb.Value{Kind: &pb.Value_Text{Text: s}}, nil
	case int64:
		return &pb.Value{Kind: &pb.Value_Integer{Integer: s}}, nil
	case float64:
		return &pb.Value{Kind: &pb.Value_Number{Number: s}}, nil
	case bool:
		return &pb.Value{Kind: &pb.Value_Truth{Truth: s}}, nil
	case []any:
		l := &pb.List{}
		for i, e := range s {
			v, err := writeValue(e, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%d: %w", i, err)
			}
			l.Values = append(l.Values, v)
		}
		return &pb.Value{Kind: &pb.Value_List{List: l}}, nil
	case map[string]any:
		t, err := writeTable(s, depth+1)
		return &pb.Value{Kind: &pb.Value_Table{Table: t}}, err
	}
	return nil, fmt.Errorf("is a %T, which TOML does not have", s)
}

// Settings reads what Table wrote.
func Settings(t *pb.Table) (map[string]any, error) { return readTable(t, 1) }

func readTable(t *pb.Table, depth int) (map[string]any, error) {
	out := make(map[string]any, len(t.GetEntries()))
	for k, e := range t.GetEntries() {
		v, err := readValue(e, depth)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out[k] = v
	}
	return out, nil
}

func readValue(v *pb.Value, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch k := v.GetKind().(type) {
	case *pb.Value_Text:
		return k.Text, nil
	case *pb.Value_Integer:
		return k.Integer, nil
	case *pb.Value_Number:
		return k.Number, nil
	case *pb.Value_Truth:
		return k.Truth, nil
	case *pb.Value_List:
		out := make([]any, len(k.List.GetValues()))
		for i, e := range k.List.GetValues() {
			var err error
			if out[i], err = readValue(e, depth+1); err != nil {
				return nil, fmt.Errorf("%d: %w", i, err)
			}
		}
		return out, nil
	case *pb.Value_Table:
		return readTable(k.Table, depth+1)
	}
	return nil, errors.New("has no value, or one of a newer kind")
}
