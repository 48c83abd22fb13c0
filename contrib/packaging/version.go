package main

import (
	"fmt"
	"regexp"
	"strings"
)

// versions are those that every format has a word for. What comes before a
// release is one of these, with a number, since apk-tools knows no others.
var versions = regexp.MustCompile(`^(\d+\.\d+\.\d+)(?:-(alpha|beta|rc|git)\.?(\d+))?$`)

// versionFor writes a version as a format does: such that 1.2.0-rc.1 comes
// before 1.2.0 there.
func versionFor(format, version string) (string, error) {
	m := versions.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("the version %q is not as 1.2.3, 1.2.3-rc.1, -beta.1, -alpha.1 or -git20261122", version)
	}
	switch {
	case m[2] == "":
		return version, nil
	case format == "apk": // apk-package(5): suffixes are known words, each with digits
		return m[1] + "_" + m[2] + m[3], nil
	case format == "archlinux": // vercmp(8): 1.0rc < 1.0
		return m[1] + m[2] + m[3], nil
	}
	return tilde(version), nil
}

// tilde sorts before the end of a version (deb-version(7), rpm-version(7)).
func tilde(version string) string { return strings.Replace(version, "-", "~", 1) }

// exactly is how a format asks for this very version of the package stentor.
func exactly(format, version string) string {
	switch format {
	case "deb":
		return "stentor (= " + version + "-1)"
	case "rpm":
		return "stentor = " + version + "-1"
	case "apk":
		return "stentor=" + version + "-r1"
	}
	return "stentor=" + version + "-1"
}
