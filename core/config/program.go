package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// command reads a program with its arguments, the program by first. There is no
// shell: each element is one argument, as it stands.
func command(first func(string) (string, *mistake)) reader {
	return func(r *report, v *value) (any, bool) { return readCommand(r, v, first) }
}

func readCommand(r *report, v *value, first func(string) (string, *mistake)) (any, bool) {
	const example = `["/usr/local/bin/notify", "an argument"]`
	data, ok := v.data.([]any)
	if line, isString := v.data.(string); isString && line != "" {
		words := strings.Fields(line)
		for i, w := range words {
			words[i] = strconv.Quote(w)
		}
		r.fail(v.whole(), fmt.Sprintf("write %s = [%s]: there is no shell to take a line apart", v.key, strings.Join(words, ", ")), "%s must be an array, not a string", v.key)
		return nil, false
	}
	if !ok {
		r.fail(v.whole(), "write "+v.key+" = "+example+": there is no shell to take a line apart", "%s must be an array, not %s", v.key, v.kind())
		return nil, false
	}
	if len(data) == 0 || len(data) > maxArgs {
		r.fail(v.whole(), "the program comes first: "+example, "%s has %d elements, and wants 1 to %d", v.key, len(data), maxArgs)
		return nil, false
	}
	argv := make([]string, 0, len(data))
	for i, d := range data {
		read := text("an argument", anyText)
		if i == 0 {
			read = text("/usr/local/bin/notify", first)
		}
		arg, good := read(r, v.elem(i, d))
		if !good {
			return nil, false
		}
		argv = append(argv, arg.(string))
	}
	return argv, true
}

const maxArgs = 64

// program checks that the daemon may run what stands at path. What others can
// change would run with the daemon's rights, and so it is refused.
func program(path string) *mistake {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return &mistake{"there is no such file", "write the whole path of a program on this host"}
	case err != nil:
		return &mistake{"can't be looked at: " + errnoText(err), ""}
	case !info.Mode().IsRegular():
		return &mistake{"is " + fileKind(info.Mode()) + ", not a program", ""}
	case info.Mode().Perm()&0o111 == 0:
		return &mistake{fmt.Sprintf("is not executable (mode %04o)", info.Mode().Perm()), "chmod 755 " + path}
	case info.Sys().(*syscall.Stat_t).Uid != 0 && info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()):
		return &mistake{fmt.Sprintf("belongs to uid %d, and it would run with the daemon's rights", info.Sys().(*syscall.Stat_t).Uid), "chown root " + path}
	case info.Mode().Perm()&0o022 != 0:
		return &mistake{fmt.Sprintf("others can change it (mode %04o), and it would run with the daemon's rights", info.Mode().Perm()), "chmod go-w " + path}
	}
	return nil
}
