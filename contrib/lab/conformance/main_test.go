package conformance

import (
	"fmt"
	"os"
	"testing"
)

// TestMain makes the test binary stand in for the process of a backend.
func TestMain(m *testing.M) {
	if name := os.Getenv(backendEnv); name != "" {
		if err := serve(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
