package detect

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestGlance: one look serves all that ask at once about the same root, and
// nobody later.
func TestGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Glance
		looks := 0
		ask := func(root string, fails error) error {
			_, err := g.take(root, func() (View, error) { looks++; return View{}, fails })
			return err
		}
		down := errors.New("down")
		for i, step := range []struct {
			root  string
			after time.Duration
			fails error
			looks int
		}{
			{"", 0, down, 1}, // a failure is no view
			{"", 0, nil, 2},
			{"", 0, nil, 2},
			{"/image", 0, nil, 3},
			{"/image", freshTime - 1, nil, 3},
			{"/image", 1, nil, 4},
		} {
			<-time.After(step.after) // of the bubble's clock
			if err := ask(step.root, step.fails); !errors.Is(err, step.fails) || looks != step.looks {
				t.Errorf("step %d: %v, %d looks, want %d", i, err, looks, step.looks)
			}
		}
	})
}
