package confirm

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Moment is a point in time that a step of the wall clock does not move: while
// the host is up it is told by the time since boot, suspension included
// (CLOCK_BOOTTIME, clock_gettime(2)).
type Moment struct {
	Boot string        `json:"boot_id"`
	Up   time.Duration `json:"up_ns"`
	Wall time.Time     `json:"wall"`
}

// Now is this moment.
func Now() (Moment, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Moment{}, fmt.Errorf("tell this boot from others: %w", err)
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return Moment{}, fmt.Errorf("tell the time since boot: %w", err)
	}
	return Moment{Boot: strings.TrimSpace(string(id)), Up: time.Duration(up.Nano()), Wall: time.Now().Round(0)}, nil
}

// Add gives the moment after d.
func (m Moment) Add(d time.Duration) Moment {
	return Moment{Boot: m.Boot, Up: m.Up + d, Wall: m.Wall.Add(d)}
}

// since is how long after now m comes.
func (m Moment) since(now Moment) time.Duration {
	if m.Boot == now.Boot {
		return m.Up - now.Up
	}
	return m.Wall.Sub(now.Wall)
}
