package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const hookRest = "[bgp]\nprovider = \"linode\"\ndcid = 4\n[vip.web]\naddress = \"203.0.113.10/32\"\nrole = \"primary\"\n"

func TestHooks(t *testing.T) {
	dir := t.TempDir()
	script, token := filepath.Join(dir, "notify"), filepath.Join(dir, "token")
	if err := errors.Join(os.WriteFile(script, nil, 0o755), os.WriteFile(token, []byte("a.b-c\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	o := testOptions()
	o.Offline = false
	cfg, _, err := load(&report{}, []*source{newSource("f.toml", []byte(hookRest+`
[hook.run]
exec = ["`+script+`", "a b", "x", "x"]
style = "keepalived"
[hook.chat]
url = "https://chat.example.net/x?y=z"
token_file = "`+token+`"
on = ["vip.withdrawn", "peer"]
timeout = "2s"
[history]
max_size = "512KiB"
`))}, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []Hook{
		{Name: "chat", URL: "https://chat.example.net/x?y=z", Token: "a.b-c", On: []string{"vip.withdrawn", "peer"}, Timeout: 2 * time.Second, Style: StyleStentor},
		{Name: "run", Exec: []string{script, "a b", "x", "x"}, On: []string{"vip"}, Timeout: 10 * time.Second, Style: StyleKeepalived},
	}
	if diff := cmp.Diff(want, cfg.Hooks); diff != "" {
		t.Error(diff)
	}
	if cfg.History.MaxSize != 512<<10 {
		t.Errorf("max_size %d", cfg.History.MaxSize)
	}
}

// TestHookFiles: what is run or read must be there, and be nobody else's.
func TestHookFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("hunter2"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := map[string]struct{ table, msg string }{
		"missing":        {`exec = ["` + dir + `/missing"]`, "/missing there is no such file"},
		"a folder":       {`exec = ["` + dir + `"]`, " is a directory, not a program"},
		"no program":     {`exec = ["` + file("text", 0o644) + `"]`, "/text is not executable (mode 0644)"},
		"everybody's":    {`exec = ["` + file("open", 0o777) + `"]`, "/open others can change it (mode 0777), and it would run with the daemon's rights"},
		"a group's":      {`exec = ["` + file("group", 0o775) + `"]`, "/group others can change it (mode 0775)"},
		"no token":       {`url = "https://a.example/"` + "\ntoken_file = \"" + dir + `/missing"`, "/missing: there is no such file"},
		"an open token":  {`url = "https://a.example/"` + "\ntoken_file = \"" + file("token", 0o644) + `"`, "others can read it (mode 0644)"},
		"a bare address": {`url = "http://192.0.2.1/"` + "\ntoken_file = \"" + file("token2", 0o600) + `"`, "the token would cross the network in the clear"},
	}
	o := testOptions()
	o.Offline = false
	for name, tt := range tests {
		_, _, err := load(&report{}, []*source{newSource("f.toml", []byte(hookRest+"[hook.x]\n"+tt.table+"\n"))}, o)
		if err == nil || !strings.Contains(err.Error(), tt.msg) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := load(&report{}, []*source{newSource("f.toml", []byte(hookRest+"[hook.x]\nurl = \"http://127.0.0.1:8080/\"\ntoken_file = \""+file("token3", 0o600)+"\"\n"))}, o); err != nil {
		t.Errorf("a token that does not leave the host: %v", err)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]int64{"4MiB": 4 << 20, "256KiB": 256 << 10, "256MiB": 256 << 20, "4": 0, "4 MiB": 0, "4mib": 0, "-4MiB": 0, "0MiB": 0, "99999999999MiB": 0} {
		if n, m := size(text); n != want || (m == nil) != (want > 0) {
			t.Errorf("%s: %d, %+v", text, n, m)
		}
	}
	for _, text := range []string{"255KiB", "257MiB"} {
		if _, _, err := loadText(hookRest + "[history]\nmax_size = \"" + text + "\"\n"); err == nil || !strings.Contains(err.Error(), `must be from "256KiB" to "256MiB"`) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
