package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// vulnDB is Go's database of known vulnerabilities.
const vulnDB = "https://vuln.go.dev"

// vulnerabilities has govulncheck look for known vulnerabilities that the code
// can reach. Where the database can't be asked, left says so: govulncheck itself
// would find nothing in an empty one, and call that good.
func vulnerabilities(ctx context.Context, w io.Writer) (left string, err error) {
	if why := unreachable(ctx, vulnDB); why != nil {
		return fmt.Sprintf("known vulnerabilities: their database can't be asked (%v); where it can: go tool -modfile=contrib/tools/go.mod govulncheck ./...", why), nil
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=contrib/tools/go.mod", "govulncheck", "-db", vulnDB, "github.com/stentor-net/stentor/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		fmt.Fprintf(w, "%s", out)
		return "", fmt.Errorf("govulncheck: %w", err)
	}
	return "", nil
}

// unreachable tells why a database can't be asked.
func unreachable(ctx context.Context, db string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, db+"/index/db.json", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", req.URL, res.Status)
	}
	var index struct{ Modified time.Time } // https://go.dev/doc/security/vuln/database#api
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&index); err != nil {
		return fmt.Errorf("%s: %w", req.URL, err)
	}
	if index.Modified.IsZero() {
		return fmt.Errorf("%s: it is empty", req.URL)
	}
	return nil
}
