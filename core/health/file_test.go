package health

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ready")
	expect(t, File{Path: path}, patience, "-it is not there")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	expect(t, File{Path: path}, patience, "+it is there")
	expect(t, File{Path: path + "/below"}, patience, "!not a directory")

	tests := []struct {
		text   string
		want   string
		weight int
	}{
		{"10\n", "+weight 10", 10},
		{" -20 \nfor maintenance\n", "+weight -20", -20},
		{"0", "+weight 0", 0},
		{"999", "+weight 254", 254},
		{"-254", "-weight -254", -254},
		{"-1000", "-weight -254", -254},
		{"", "!no whole number", 0},
		{"ten", "!no whole number", 0},
		{"1.5", "!no whole number", 0},
		{"99999999999999999999", "!no whole number", 0},
	}
	for _, tt := range tests {
		write(tt.text)
		expect(t, File{Path: path, FromWeight: true}, patience, tt.want)
		if got := askOnce(t, File{Path: path, FromWeight: true}, patience); got.weight != tt.weight {
			t.Errorf("%q weighs %d, want %d", tt.text, got.weight, tt.weight)
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, File{Path: fifo, FromWeight: true}, patience, "!")
	expect(t, File{Path: path + "x", FromWeight: true}, patience, "-it is not there")
}

func FuzzWeight(f *testing.F) {
	for _, s := range []string{"", "1", "-254\n", " 7 \nx", "1e3", "+5", "\x00", "9223372036854775808"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseWeight(text); err == nil && (n < minWeight || n > maxWeight) {
			t.Errorf("%q weighs %d", text, n)
		}
	})
}
