// Command packaging makes the packages of a version: what goes into them, then
// a .deb, an .rpm, an .apk and one for Arch of each architecture, the SBOMs of
// the programs in them, and checksums. It runs in the top folder of the source.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// stageName is how nfpm.yaml and lelastic.yaml call the folder of what is made
// for the packages.
const stageName = "dist/stage"

// rpmChangelog is in the stage.
const rpmChangelog = "changelog.yaml"

// architectures are those of Go, and what nfpm calls them.
var architectures = map[string]string{
	"amd64": "amd64", "arm64": "arm64", "arm": "arm7", "386": "386",
	"ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}

// packagers are nfpm's names for the formats.
var packagers = []string{"deb", "rpm", "apk", "archlinux"}

type build struct {
	version string
	date    time.Time
	out     string
	stage   string
	program string // in the stage, beside the others
	built   string // the architecture that it is for
	formats []string
}

func main() {
	version := flag.String("version", "", "the `VERSION`, as 1.2.3 or 1.2.3-rc.1")
	arches := flag.String("arch", "amd64", "the architectures, parted by commas, or `all`")
	formats := flag.String("formats", strings.Join(packagers, ","), "the `FORMATS`")
	out := flag.String("out", "dist", "`DIR` for the packages")
	flag.Parse()
	b := build{version: *version, out: *out, stage: filepath.Join(*out, "stage"), formats: strings.Split(*formats, ",")}
	if err := b.run(*arches); err != nil {
		fmt.Fprintln(os.Stderr, "packaging:", err)
		os.Exit(1)
	}
}

func (b *build) run(arches string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	if _, err := versionFor("deb", b.version); err != nil {
		return err
	}
	b.date, b.program = time.Unix(epoch, 0).UTC(), filepath.Join(b.stage, "stentor")
	names := strings.Split(arches, ",")
	if arches == "all" {
		names = slices.Sorted(maps.Keys(architectures))
	}
	if err := errors.Join(os.RemoveAll(b.stage), os.MkdirAll(b.stage, 0o755)); err != nil {
		return err
	}
	if err := b.common(); err != nil {
		return err
	}
	for _, a := range names {
		if err := b.packages(a); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	for _, format := range b.formats {
		if err := b.pack("lelastic.yaml", format, "all"); err != nil {
			return err
		}
	}
	return sums(b.out)
}

// packages makes those of one architecture.
func (b *build) packages(arch string) error {
	name, ok := architectures[arch]
	if !ok {
		return errors.New("no such architecture")
	}
	if err := b.compile(arch); err != nil {
		return err
	}
	sbom, err := inventory(b.version, b.program, b.program+"-native")
	if err != nil {
		return err
	}
	// One goes with the program, one lies beside the packages.
	beside := fmt.Sprintf("stentor_%s_%s.cdx.json", b.version, arch)
	for _, path := range []string{filepath.Join(b.stage, "sbom.cdx.json"), filepath.Join(b.out, beside)} {
		if err := os.WriteFile(path, sbom, 0o644); err != nil {
			return err
		}
	}
	for _, format := range b.formats {
		if err := b.pack("nfpm.yaml", format, name); err != nil {
			return err
		}
	}
	return nil
}

// pack runs nfpm, which does not take the place of the stage from outside.
func (b *build) pack(recipe, format, arch string) error {
	version, err := versionFor(format, b.version)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join("contrib/packaging", recipe))
	if err != nil {
		return err
	}
	config := strings.ReplaceAll(string(text), stageName, b.stage)
	if format == "rpm" {
		config += "changelog: " + filepath.Join(b.stage, rpmChangelog) + "\n"
	}
	path := filepath.Join(b.stage, recipe)
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	_, err = command([]string{"ARCH=" + arch, "VERSION=" + version, "STENTOR=" + exactly(format, version)},
		"go", "tool", "-modfile=contrib/tools/go.mod", "nfpm", "package", "--config", path, "--packager", format, "--target", b.out+"/")
	return err
}

// compile builds the programs, the same from any folder, unless they are there.
func (b *build) compile(arch string) error {
	if b.built == arch {
		return nil
	}
	_, err := command([]string{"CGO_ENABLED=0", "GOARCH=" + arch, "GOARM=7"}, "go", "build", "-trimpath", "-tags=grpcnotrace", "-buildvcs=false",
		"-ldflags", "-s -w -buildid= -X main.release="+b.version, "-o", b.stage+"/", "./cmd/...")
	b.built = arch
	return err
}

// sums writes SHA256SUMS of the packages in a folder.
func sums(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "stentor*.*"))
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", h.Sum(nil), filepath.Base(path))
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(list.String()), 0o644)
}

// command gives what it printed, and in an error what it complained of.
func command(env []string, name string, args ...string) ([]byte, error) {
	var said strings.Builder
	cmd := exec.Command(name, args...)
	// Texts are to be the same for any builder.
	cmd.Env = append(append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC"), env...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, out, said.String())
	}
	return out, nil
}
