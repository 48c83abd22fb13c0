package lab

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestMain makes the test binary stand in for stentor: the lab starts it as
// such, on the hosts and in its own sandboxes.
func TestMain(m *testing.M) {
	verbs := map[string]func() error{
		"run":    func() error { return announcer(flagValue("--config")) },
		"status": func() error { fmt.Println("web 198.18.0.1/32 primary announced 4/4 peers"); return nil },
		"demo": func() error {
			return Demo(context.Background(), os.Stdout, DemoOptions{Binary: "/proc/self/exe", Cut: flagValue("--cut") != "", RouteServers: Kind(flagValue("--route-servers"))})
		},
		"idle": func() error { select {} },
		"up":   func() error { return Up(context.Background(), os.Stdout, UpOptions{Binary: "/proc/self/exe"}) },
		"down": func() error { return Down(context.Background(), os.Stdout) },
	}
	if len(os.Args) > 1 {
		if verb, ok := verbs[os.Args[1]]; ok {
			if err := verb(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}
