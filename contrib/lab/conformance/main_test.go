package conformance

import (
	"fmt"
	"os"
	"testing"
)

// TestMain has the test binary be the process of a backend, or of one case.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 3 && os.Args[1] == serveArg:
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case len(os.Args) == 4 && os.Args[1] == caseArg:
		os.Exit(runCase(os.Args[2], os.Args[3]))
	default:
		os.Exit(m.Run())
	}
}
