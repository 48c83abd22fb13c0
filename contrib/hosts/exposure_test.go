package hosts_test

import (
	"regexp"
	"strings"

	"github.com/stentor-net/stentor/contrib/hosts"
)

// maxSpeakerExposure is what a unit may be given that has no more rights than
// the process that reads what peers send.
const maxSpeakerExposure = 1.5

// speakerHas are the directives of such a unit that stentor.service does not
// have: what its speaker gives up beside.
const speakerHas = `# It becomes another user, and keeps no capability; as it may not gain any by
# execve(2) either, there is nothing to bound.
User=stentor
CapabilityBoundingSet=
# Landlock leaves it the files of a folder that was made for it, and is its
# TMPDIR: no home, no /proc, no device.
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
DevicePolicy=closed
PrivateTmp=yes
`

// speakerStatus is what the kernel says of that process (proc(5)): each line is
// what directives of the unit come to.
var speakerStatus = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^Uid:(\t[1-9]\d*){4}$`),                  // User=
	regexp.MustCompile(`(?m)^Gid:(\t[1-9]\d*){4}$`),                  //
	regexp.MustCompile(`(?m)^Groups:\t *$`),                          //
	regexp.MustCompile(`(?m)^CapInh:\t0+\nCapPrm:\t0+\nCapEff:\t0+`), // CapabilityBoundingSet=
	regexp.MustCompile(`(?m)^CapAmb:\t0+$`),                          //
	regexp.MustCompile(`(?m)^NoNewPrivs:\t1$`),                       // NoNewPrivileges=
	regexp.MustCompile(`(?m)^Seccomp:\t2$`),                          // SystemCallFilter= and all Restrict...=
}

// speakerExposure scores the speaker's process as if it were a unit, and looks
// whether it has what that unit says.
func (r *rig) speakerExposure() {
	r.t.Helper()
	if r.suite == hosts.Bullseye {
		return // systemd 247 scores no unit that it has not loaded
	}
	var unit strings.Builder
	for line := range strings.Lines(r.do("cat /lib/systemd/system/stentor.service")) {
		key, _, _ := strings.Cut(line, "=")
		switch key {
		case "CapabilityBoundingSet", "ReadWritePaths", "ProtectHome":
			continue
		}
		unit.WriteString(line)
		if line == "[Service]\n" {
			unit.WriteString(speakerHas)
		}
	}
	const path = "/root/stentor-speaker.service"
	if err := r.host.Put(path, hosts.File{Content: unit.String(), Mode: 0o644}); err != nil {
		r.t.Fatal(err)
	}
	r.scores(maxSpeakerExposure, "--offline=true "+path)

	// It has its arguments from execve(2) on, with what that takes from it.
	const ofSpeaker = "pid=$(pgrep -u stentor -P $(systemctl show --value -p MainPID stentor)) || exit\n"
	var status string
	r.eventually("the speaker runs", func() bool {
		res := r.try(ofSpeaker + "cat /proc/$pid/status")
		status = res.Stdout
		return res.Code == 0
	})
	for _, want := range speakerStatus {
		if !want.MatchString(status) {
			r.t.Errorf("%s is not in /proc/PID/status of the speaker:\n%s", want, status)
		}
	}
	// What the unit has by namespaces and by inherited filters is the daemon's.
	for _, same := range []string{"readlink /proc/$pid/ns/mnt", "grep Seccomp_filters /proc/$pid/status"} {
		speaker, daemon := r.do(ofSpeaker+same), r.do("pid=$(systemctl show --value -p MainPID stentor)\n"+same)
		if speaker != daemon {
			r.t.Errorf("%s: %q, and %q of the daemon", same, speaker, daemon)
		}
	}
	if mnt := r.do("readlink /proc/1/ns/mnt"); mnt == r.do(ofSpeaker+"readlink /proc/$pid/ns/mnt") {
		r.t.Error("the speaker sees the mounts of the host")
	}
}
