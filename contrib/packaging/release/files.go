package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// checksums is the list that sha256sum -c reads.
const checksums = "SHA256SUMS"

// archive packs the source of the commit: the same bytes on every machine.
func (r repo) archive(ctx context.Context, version, path string) error {
	tar := path + ".tar"
	if _, err := r.git(ctx, "-c", "tar.umask=0022", "archive", "--format=tar", "--prefix=stentor-"+version+"/", "--output="+tar, "HEAD"); err != nil {
		return err
	}
	text, err := os.ReadFile(tar)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression) // with no name and no time in it
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, packed.Bytes(), 0o644), os.Remove(tar))
}

// same compares two folders of packages by their checksums.
func same(a, b string) error {
	var lists [2]string
	for i, dir := range []string{a, b} {
		text, err := os.ReadFile(filepath.Join(dir, checksums))
		if err != nil {
			return err
		}
		lists[i] = string(text)
	}
	var differ []string
	for line := range strings.Lines(lists[0]) {
		if !strings.Contains(lists[1], line) {
			_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			differ = append(differ, name)
		}
	}
	if lists[0] != lists[1] {
		return fmt.Errorf("built twice, and not the same: %s", strings.Join(differ, ", "))
	}
	return nil
}

// publish moves what is in a folder to out, with the checksums of all of it.
func publish(dir, out string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var list strings.Builder
	for _, e := range entries {
		if e.Name() == checksums {
			continue
		}
		sum, err := moveFile(filepath.Join(dir, e.Name()), filepath.Join(out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sum, e.Name())
	}
	return os.WriteFile(filepath.Join(out, checksums), []byte(list.String()), 0o644)
}

// moveFile copies, since the folders may be on different file systems, and gives
// the SHA-256.
func moveFile(from, to string) ([]byte, error) {
	in, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), in)
	return h.Sum(nil), errors.Join(err, out.Close(), os.Remove(from))
}

// table lists the files of a folder with their sizes.
func table(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%7d kB  %s\n", (info.Size()+999)/1000, e.Name())
	}
	return b.String(), nil
}
