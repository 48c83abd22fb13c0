// Package migrate turns what other programs were told about shared IPs into
// Stentor's config: text in, TOML with comments out.
package migrate

import (
	"fmt"
	"io"
	"io/fs"
)

// MaxInput is the most that is read of any one file.
const MaxInput = 1 << 20

// read is fs.ReadFile with a bound.
func read(files fs.FS, name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(f, "/"+name)
}

// Read takes in one source.
func Read(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > MaxInput {
		return nil, fmt.Errorf("%s is larger than %d bytes: no configuration is", name, MaxInput)
	}
	return text, nil
}
