package host

import (
	"bufio"
	"fmt"
	"os"
	"os/user"
	"strings"

	"golang.org/x/sys/unix"
)

// Account is who a program without rights runs as.
type Account struct {
	Name string // empty: this process's own user
	Why  string // why it is not the user stentor; empty if it is
}

// LeastAccount gives the account for a program that needs no rights: stentor,
// else nobody, else our own, from which the capabilities are taken all the same.
func LeastAccount() Account {
	if !canChangeUser() {
		return Account{Why: "only a daemon that runs as root can run it as another user"}
	}
	why := ""
	for _, name := range []string{"stentor", "nobody"} {
		u, err := user.Lookup(name)
		switch {
		case err != nil:
			why = fmt.Sprintf("there is no user called %q", name)
		case !mapped("/proc/self/uid_map", u.Uid) || !mapped("/proc/self/gid_map", u.Gid):
			return Account{Why: fmt.Sprintf("this user namespace has no user %q (user_namespaces(7))", name)}
		default:
			return Account{Name: name, Why: why}
		}
	}
	return Account{Why: why}
}

// changing are the capabilities for a program under another user: to become
// that user, to give it the folder of its socket, to connect there, to end it.
const changing = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_KILL

func canChangeUser() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData // the lower and the upper 32
	return os.Geteuid() == 0 && unix.Capget(&header, &have[0]) == nil && have[0].Effective&changing == changing
}

// mapped tells whether a user namespace has the id: the lines of its map are
// first id inside, first id outside, how many.
func mapped(file, id string) bool {
	var want, first, outside, count uint64
	if _, err := fmt.Sscan(id, &want); err != nil {
		return false
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return true // a kernel without user namespaces
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if _, err := fmt.Sscan(lines.Text(), &first, &outside, &count); err == nil && first <= want && want-first < count {
			return true
		}
	}
	return false
}
