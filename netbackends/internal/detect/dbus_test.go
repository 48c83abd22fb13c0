package detect

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestBusThatHangs takes connections and says nothing, as a bus under a
// debugger does.
func TestBusThatHangs(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+socket)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	bus := &systemBus{ctx: ctx}
	defer bus.close()
	answer := make(chan bool, 1)
	go func() { answer <- bus.nameOwned(ctx, nmName) }()
	select {
	case owned := <-answer:
		if owned {
			t.Error("it answered")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it hangs along with the bus")
	}
}

func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(t.TempDir(), "none"))
	bus := &systemBus{ctx: context.Background()}
	if bus.nameOwned(context.Background(), nmName) {
		t.Error("a name is owned on no bus")
	}
	if s, err := bus.nmDevice(context.Background(), "eth0"); err != nil || s != (NMState{}) {
		t.Errorf("%+v, %v", s, err)
	}
}
