package bird

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stentor-net/stentor/contrib/lab"
	"github.com/stentor-net/stentor/plugins"
)

// TestForeignFile: a file at our path that is not ours stays, and nothing is
// announced.
func TestForeignFile(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	const theirs = "# somebody else's\n"
	r.writeOwn(theirs)
	err := r.b.Apply(r.Context(), speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1)))
	if !errors.Is(err, plugins.ErrForeign) {
		t.Errorf("Apply: %v, want ErrForeign", err)
	}
	if err := os.WriteFile(r.b.file.temp(), nil, 0o600); err != nil { // of a write that was cut off
		t.Fatal(err)
	}
	if err := r.b.Apply(r.Context(), plugins.Speaker{}); err != nil {
		t.Errorf("Apply of nothing: %v", err)
	}
	if got := r.read(r.ownFile()); got != theirs {
		t.Errorf("it is now %q", got)
	}
}

// TestHandEdit: an edit of ours by hand is told, and stays unless forced; what
// is forced away is kept aside.
func TestHandEdit(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	want := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1))
	r.apply(want)
	edited := r.read(r.ownFile()) + "# a note\n"
	r.writeOwn(edited)
	plan, err := r.b.Plan(r.Context(), want)
	if !errors.Is(err, plugins.ErrForeign) || len(plan.Steps) != 1 || !strings.Contains(plan.Steps[0].Diff, "-# a note") {
		t.Errorf("Plan: %v, %v; want the edit shown, and ErrForeign", plan, err)
	}
	if err := r.b.Apply(r.Context(), want); !errors.Is(err, plugins.ErrForeign) {
		t.Errorf("Apply: %v, want ErrForeign", err)
	}
	r.established("rs1")
	r.tells("rs1", "198.18.0.1/32")
	if err := r.b.Apply(r.Context(), plugins.Speaker{}); !errors.Is(err, plugins.ErrForeign) {
		t.Errorf("Apply of nothing: %v, want ErrForeign", err)
	}
	r.until("rs1 to have no route", func() (bool, any) {
		routes, err := r.net.Routes(r.Context(), "rs1")
		return len(routes) == 0 && err == nil, []any{routes, err}
	})
	if got := r.read(r.ownFile()); got != edited {
		t.Errorf("the edited file is now\n%s", got)
	}
	r.b.force = true
	r.apply(want)
	r.settled(want)
	if got := r.read(filepath.Join(r.b.stateDir, fileName+".edited")); got != edited {
		t.Errorf("kept aside is\n%s", got)
	}
}

// TestMissingInclude: without an include line nothing is written, and the
// message has the line to add. With it, and no restart, all is well.
func TestMissingInclude(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	conf := r.read(r.dir + "/bird.conf")
	include := "include \"" + r.includeDir() + "/st*.conf\";"
	r.write("bird.conf", strings.Replace(conf, include, "/* "+strings.ReplaceAll(include, "/st*", "/st?")+" */", 1))
	want := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1))
	err := r.b.Apply(r.Context(), want)
	line := "include \"" + r.b.file.pattern() + "\";"
	if !errors.Is(err, plugins.ErrUnsupported) || !strings.Contains(err.Error(), line) {
		t.Fatalf("Apply: %v; want ErrUnsupported and %s", err, line)
	}
	found, err := r.b.InspectSpeaker(r.Context(), want)
	if err != nil || len(found) != 1 || !strings.Contains(found[0].Hint, line) || strings.Contains(found[0].Hint, "\n") {
		t.Errorf("InspectSpeaker: %+v, %v", found, err)
	}
	if files := r.files(); len(files) > 0 {
		t.Errorf("it wrote %v", files)
	}
	r.write("bird.conf", conf+line+"\n")
	// Twice included, as the operator's own line is still there.
	r.write("bird.conf", strings.Replace(conf, include, "", 1)+line+"\n")
	if found, err := r.b.InspectSpeaker(r.Context(), want); err != nil || len(found) > 0 {
		t.Errorf("InspectSpeaker of a BIRD that reads our file: %+v, %v", found, err)
	}
	r.apply(want)
	r.established("rs1")
}

// TestBrokenOperatorConfig: a mistake of the operator's in bird.conf is told,
// and nothing is changed; routes that must go are withdrawn all the same.
func TestBrokenOperatorConfig(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	conf := r.read(r.dir + "/bird.conf")
	one := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1))
	two := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1), announcement("198.18.0.2/32", 1))
	r.apply(one)
	r.established("rs1")
	r.tells("rs1", "198.18.0.1/32")
	r.write("bird.conf", conf+"protocol nonsense {}\n")
	if err := r.b.Apply(r.Context(), two); err == nil || !strings.Contains(err.Error(), "bird.conf") {
		t.Errorf("Apply: %v, want BIRD's own complaint about bird.conf", err)
	}
	r.tells("rs1", "198.18.0.1/32")
	other := speakerOf(r.routeServers(), announcement("198.18.0.3/32", 1))
	if err := r.b.Apply(r.Context(), other); err == nil {
		t.Error("Apply with a broken bird.conf succeeded")
	}
	r.tells("rs1")
	r.write("bird.conf", conf)
	r.apply(one)
	r.settled(one)
	r.tells("rs1", "198.18.0.1/32")
	r.write("bird.conf", conf+"protocol nonsense {}\n")
	if err := r.b.Apply(r.Context(), plugins.Speaker{}); err == nil {
		t.Error("Apply of nothing with a broken bird.conf succeeded")
	}
	r.until("rs1 to have no route", func() (bool, any) {
		routes, err := r.net.Routes(r.Context(), "rs1")
		return len(routes) == 0 && err == nil, []any{routes, err}
	})
	r.write("bird.conf", conf)
	r.apply(two)
	r.established("rs1")
	r.tells("rs1", "198.18.0.1/32", "198.18.0.2/32")
}

// TestWithoutBIRD: while BIRD is down it says so, each peer is idle, and what
// is withdrawn meanwhile does not come back with BIRD.
func TestWithoutBIRD(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	two := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1), announcement("198.18.0.2/32", 1))
	one := speakerOf(r.routeServers(), announcement("198.18.0.2/32", 1))
	r.apply(two)
	r.established("rs1")
	r.stopBIRD()
	if s := r.observe("rs1"); s.State != plugins.StateIdle || s.LastError == "" || len(s.Announced) > 0 {
		t.Errorf("Observe: %+v", s)
	}
	if _, err := r.b.Plan(r.Context(), two); !errors.Is(err, plugins.ErrUnavailable) {
		t.Errorf("Plan: %v, want ErrUnavailable", err)
	}
	if plan, err := r.b.Plan(r.Context(), one); err != nil || len(plan.Steps) != 1 {
		t.Errorf("Plan of a withdrawal: %v, %v", plan, err)
	}
	if err := r.b.Apply(r.Context(), one); !errors.Is(err, plugins.ErrUnavailable) {
		t.Errorf("Apply: %v, want ErrUnavailable", err)
	}
	r.startBIRD()
	r.established("rs1")
	r.tells("rs1", "198.18.0.2/32")
	r.apply(one)
	r.settled(one)
	r.stopBIRD()
	r.apply(plugins.Speaker{})
	r.settled(plugins.Speaker{})
	if files := r.files(); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestUnprivilegedBIRD: a BIRD with a user of its own can read the file, and
// nobody else can.
func TestUnprivilegedBIRD(t *testing.T) {
	if _, err := exec.Command("id", "bird").Output(); err != nil {
		t.Skip("needs the user bird of Debian's package")
	}
	r := newRig(t, lab.Embedded, 1)
	r.stopBIRD()
	if out, err := exec.Command("chown", "bird:bird", r.dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.user = []string{"-u", "bird", "-g", "bird"}
	r.startBIRD()
	want := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1))
	want.Peers[0].Password = "hunter2"
	r.apply(want)
	r.settled(want)
	if err := os.Chmod(r.ownFile(), 0o644); err != nil {
		t.Fatal(err)
	}
	if plan, err := r.b.Plan(r.Context(), want); err != nil || len(plan.Steps) != 1 {
		t.Errorf("Plan with a file that everybody can read: %v, %v", plan, err)
	}
	r.apply(want)
	r.settled(want)
	st, err := os.Stat(r.ownFile())
	if err != nil {
		t.Fatal(err)
	}
	owner := st.Sys().(*syscall.Stat_t)
	if st.Mode().Perm() != 0o640 || owner.Uid != 0 || owner.Gid == 0 {
		t.Errorf("the file is %v of %d:%d, want 0640 of root and BIRD's group", st.Mode(), owner.Uid, owner.Gid)
	}
	plan, err := r.b.Plan(r.Context(), plugins.Speaker{})
	if err != nil || strings.Contains(plan.Steps[0].Diff, "hunter2") {
		t.Errorf("Plan: %v, %v", plan, err)
	}
}

func (r *rig) writeOwn(text string) {
	r.Helper()
	mode := fs.FileMode(0o600)
	if err := os.WriteFile(r.ownFile(), []byte(text), mode); err != nil {
		r.Fatal(err)
	}
}

// TestUnreadEdit: an edit of bird.conf that BIRD has not read yet comes into
// force with ours, so the plan tells of it.
func TestUnreadEdit(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	want := speakerOf(r.routeServers(), announcement("198.18.0.1/32", 1))
	main := filepath.Join(r.dir, "bird.conf")
	tells := func() bool {
		t.Helper()
		plan, err := r.b.Plan(r.Context(), want)
		if err != nil || len(plan.Steps) == 0 {
			t.Fatalf("Plan: %v, %v", plan, err)
		}
		return strings.HasSuffix(plan.Steps[0].Object, main)
	}
	if tells() {
		t.Error("it tells of an edit that nobody made")
	}
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(main, later, later); err != nil {
		t.Fatal(err)
	}
	if !tells() {
		t.Error("it does not tell of the edit")
	}
}

// TestBFD: BFD comes up with another BIRD, through a BFD protocol of ours, as
// the operator has none; and in an operator's own one.
func TestBFD(t *testing.T) {
	r := newRig(t, lab.Embedded, 1)
	r.neighbor(`protocol bfd { multihop { min rx interval 200 ms; min tx interval 200 ms; }; }`, "bfd on;")
	peer := r.peer("b", hostAddr(r.net.Addrs(lab.HostB), false))
	peer.BFD = &plugins.BFD{TX: 200 * time.Millisecond, RX: 200 * time.Millisecond, Multiplier: 3}
	want := speakerOf([]plugins.Peer{peer}, announcement("198.18.0.1/32", 1))
	up := func(name string) {
		t.Helper()
		r.until("BFD up in "+name, func() (bool, any) {
			text := r.ask("show bfd sessions " + name).text(-1)
			return strings.Contains(text, " Up "), text
		})
		r.established("b")
	}
	if err := r.b.Apply(r.Context(), want); errors.Is(err, plugins.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	up("stentor_bfd")
	r.apply(plugins.Speaker{})
	r.write("bird.conf", r.read(r.dir+"/bird.conf")+"protocol bfd operators {}\n")
	r.ask("configure")
	r.apply(want)
	up("operators")
}
