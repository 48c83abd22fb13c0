// Command release makes what is published of a version: the packages of all
// architectures and their SBOMs, the source, and the checksums of these. It runs
// in the top folder of the source, at the version's tag.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	version := flag.String("version", "", "the `VERSION`, as 1.2.3 or 1.2.3-rc.1")
	arches := flag.String("arch", "all", "the `ARCHITECTURES`, parted by commas")
	dry := flag.Bool("n", false, "build even what can't be released, and say why it can't")
	out := flag.String("out", "dist", "`DIR` for what is published")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *version, *arches, *out, *dry); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, version, arches, out string, dry bool) error {
	if version == "" || strings.HasPrefix(version, "v") {
		return fmt.Errorf("which version? make release VERSION=1.2.3, not %q", version)
	}
	r := repo{"."}
	why, err := r.problems(ctx, version)
	if err != nil {
		return err
	}
	if len(why) > 0 {
		list := "- " + strings.Join(why, "\n- ")
		if !dry {
			return fmt.Errorf("%s can't be released from here:\n%s", version, list)
		}
		fmt.Fprintf(os.Stderr, "This is a trial. %s could not be released from here:\n%s\n", version, list)
	}
	if err := os.Mkdir(out, 0o755); err != nil {
		return err // there may be another release in it
	}
	if err := r.build(ctx, version, arches, out); err != nil {
		return err
	}
	sizes, err := table(out)
	if err != nil {
		return err
	}
	fmt.Print(sizes)
	if dry {
		fmt.Println("\nThis was a trial: nothing in", out, "is to be published.")
	}
	return nil
}

// build makes everything from the source that is published, unpacked in two
// folders, and compares what comes out.
func (r repo) build(ctx context.Context, version, arches, out string) error {
	epoch, err := r.git(ctx, "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stentor-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source := fmt.Sprintf("stentor-%s.tar.gz", version)
	if err := r.archive(ctx, version, filepath.Join(dir, source)); err != nil {
		return err
	}
	var made [2]string
	for i, name := range []string{"first", "the-second"} {
		tree := filepath.Join(dir, name, "stentor-"+version)
		made[i] = filepath.Join(dir, name, "dist")
		if err := os.MkdirAll(made[i], 0o755); err != nil {
			return err
		}
		// With the time of now, as in anybody's checkout.
		if _, err := r.command(ctx, "tar", "--touch", "-xzf", filepath.Join(dir, source), "-C", filepath.Join(dir, name)); err != nil {
			return err
		}
		if _, err := (repo{tree}).command(ctx, "env", "SOURCE_DATE_EPOCH="+epoch,
			"go", "run", "./contrib/packaging", "-version", version, "-arch", arches, "-out", made[i]); err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(made[i], "stage")); err != nil {
			return err
		}
	}
	if err := same(made[0], made[1]); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, source), filepath.Join(made[0], source)); err != nil {
		return err
	}
	return publish(made[0], out)
}
