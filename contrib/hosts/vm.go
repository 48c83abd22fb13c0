package hosts

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// VM is a host in a virtual machine, emulated, for what a container can't
// show: Debian's own kernel with its modules, real udev, and power cuts that
// lose what was not synced. It takes half a minute to boot.
type VM struct {
	host  Host // its folder and layers; it is never on
	cmd   *exec.Cmd
	done  chan struct{}
	agent net.Conn
	lines *bufio.Reader
}

// vmTime is how long a VM may take from power on to a settled network, when
// others use the machine too; half a minute is usual.
const vmTime = 10 * time.Minute

// kernelSuite is whose kernel every VM runs: one that the emulator of that
// release runs well. Bookworm's crashes trixie's.
const kernelSuite = Bookworm

// kernelPackages make a kernel and what starts it.
var kernelPackages = []string{"initramfs-tools", "linux-image-cloud-amd64"}

// agent runs on the VM. On each line of its port is a shell script, in base64;
// it answers with a line of exit status, output and errors, the latter two in
// base64 with a dot before it, since both may be empty.
var agent = layout{
	enable: []string{"agent.service"},
	files: map[string]File{
		"/usr/local/sbin/agent": {Mode: 0o755, Content: `#!/bin/sh
exec <>/dev/virtio-ports/agent >&0
while read -r script; do
	echo "$script" | base64 -d >/run/agent.sh
	/bin/sh /run/agent.sh >/run/agent.out 2>/run/agent.err </dev/null
	echo "$? .$(base64 -w0 /run/agent.out) .$(base64 -w0 /run/agent.err)"
done
`},
		"/etc/systemd/system/agent.service": {Mode: 0o644, Content: `[Unit]
Description=Runs what the tests ask for
StartLimitIntervalSec=0
[Service]
Environment=HOME=/root LC_ALL=C SYSTEMD_PAGER= SYSTEMD_COLORS=0
ExecStart=/usr/local/sbin/agent
# Its port is there when udev has loaded the driver.
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
`},
		// eth0 is a veth, which the udev rules of older releases keep from NetworkManager.
		"/etc/NetworkManager/conf.d/eth0.conf": {Mode: 0o644, Content: "[device-eth0]\nmatch-device=interface-name:eth0\nmanaged=1\n"},
		"/etc/fstab":                           {Mode: 0o644, Content: "/dev/vda / ext4 defaults 0 1\n"},
	},
}

// imageScript makes a disk of the layers and a kernel.
const imageScript = `
set -eu
dir=$1 layers=$2 kernel=$3
mount -t overlay -o "lowerdir=$layers,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
xargs systemctl --root="$dir/root" -q enable <"$dir/enable"
cp -a "$kernel/usr/lib/modules" "$dir/root/lib/"
cp "$kernel"/boot/vmlinuz-* "$dir/kernel"
cp "$kernel"/boot/initrd.img-* "$dir/initrd"
mke2fs -q -t ext4 -d "$dir/root" "$dir/disk" 2G
umount "$dir/root"
`

// MissingVM says in one line why virtual machines can't run on this machine.
func MissingVM() string {
	for tool, pkg := range map[string]string{"qemu-system-x86_64": "qemu-system-x86", "mke2fs": "e2fsprogs"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "virtual machines need the package " + pkg
		}
	}
	return Missing()
}

// BootVM makes a VM and returns when its stack has configured eth0.
func BootVM(ctx context.Context, o Options) (*VM, error) {
	if why := MissingVM(); why != "" {
		return nil, errors.New("hosts: " + why)
	}
	l, err := layoutOf(o)
	if err != nil {
		return nil, err
	}
	for path, f := range agent.files {
		l.files[path] = f
	}
	l.enable = append(l.enable, agent.enable...)
	delete(l.files, shimPath) // udev is real here
	layers, err := withPackages(ctx, o.Suite, l.replace)
	if err != nil {
		return nil, err
	}
	kernel, err := withPackages(ctx, kernelSuite, kernelPackages)
	if err != nil {
		return nil, err
	}
	vm := &VM{host: Host{Options: o, layers: layers}}
	if err := vm.host.makeDir(ctx); err != nil {
		return nil, err
	}
	err = vm.host.furnish(l)
	if err == nil {
		err = command(ctx, "unshare", "-m", "sh", "-c", imageScript, "sh", vm.host.dir, strings.Join(layers, ":"), kernel[0])
	}
	if err == nil {
		err = vm.Start(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, vm.Remove())
	}
	return vm, nil
}

// String tells hosts apart for people.
func (vm *VM) String() string { return vm.host.String() + " (VM)" }

// Start is power on. It waits until systemd is done and eth0 is configured.
func (vm *VM) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, vmTime)
	defer cancel()
	port := vm.host.path("agent")
	vm.cmd = exec.Command("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max", "-m", "768",
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-kernel", vm.host.path("kernel"), "-initrd", vm.host.path("initrd"),
		// No getty is needed, and the mitigations protect nothing here.
		"-append", "console=ttyS0 root=/dev/vda rw panic=-1 quiet net.ifnames=0 mitigations=off systemd.mask=serial-getty@ttyS0.service",
		"-drive", "file="+vm.host.path("disk")+",if=virtio,format=raw",
		"-serial", "file:"+vm.host.path("console"),
		"-chardev", "socket,id=agent,server=on,wait=off,path="+port,
		"-device", "virtio-serial", "-device", "virtserialport,chardev=agent,name=agent")
	vm.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var errOut strings.Builder
	vm.cmd.Stderr = &errOut
	vm.done = make(chan struct{})
	started := make(chan error)
	go func() {
		// The death signal is of the thread's, not the process's (prctl(2)).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := vm.cmd.Start()
		started <- err
		if err == nil {
			_ = vm.cmd.Wait()
			close(vm.done)
		}
	}()
	if err := <-started; err != nil {
		vm.cmd = nil
		return fmt.Errorf("hosts: start %s: %w", vm, err)
	}
	err := poll(ctx, vm.String()+" to listen", func() (bool, string) {
		select {
		case <-vm.done:
			return false, "it has ended: " + errOut.String()
		default:
		}
		conn, err := net.Dial("unix", port)
		if err != nil {
			return false, err.Error()
		}
		vm.agent, vm.lines = conn, bufio.NewReader(conn)
		return true, ""
	})
	if err != nil {
		return err
	}
	return poll(ctx, vm.String()+" to be up", func() (bool, string) {
		r, err := vm.Exec(ctx, "systemctl is-system-running; ip -o address show dev eth0")
		if err != nil {
			return false, err.Error() + "\n" + tail(vm.Log(), 15)
		}
		return up(vm.host.Profile, vm.host.uplink(), r)
	})
}

// Exec runs a shell script as root on the VM, like Host.Exec.
func (vm *VM) Exec(ctx context.Context, script string) (Result, error) {
	if vm.cmd == nil {
		return Result{}, fmt.Errorf("hosts: %s is off", vm)
	}
	stop := context.AfterFunc(ctx, func() { _ = vm.agent.SetDeadline(time.Now()) })
	defer stop()
	if _, err := fmt.Fprintln(vm.agent, base64.StdEncoding.EncodeToString([]byte(script))); err != nil {
		return Result{}, fmt.Errorf("hosts: on %s: %w", vm, err)
	}
	line, err := vm.lines.ReadString('\n')
	if err != nil {
		return Result{}, fmt.Errorf("hosts: on %s: %w: %s", vm, errors.Join(ctx.Err(), err), script)
	}
	f := strings.Fields(line)
	if len(f) != 3 {
		return Result{}, fmt.Errorf("hosts: on %s: the agent says %q", vm, line)
	}
	code, err1 := strconv.Atoi(f[0])
	stdout, err2 := base64.StdEncoding.DecodeString(strings.TrimPrefix(f[1], "."))
	stderr, err3 := base64.StdEncoding.DecodeString(strings.TrimPrefix(f[2], "."))
	return Result{Code: code, Stdout: string(stdout), Stderr: string(stderr)}, errors.Join(err1, err2, err3)
}

// PowerCut ends the VM at once: what its kernel had not written to the disk is lost.
func (vm *VM) PowerCut(context.Context) error {
	if vm.cmd == nil {
		return nil
	}
	_ = vm.cmd.Process.Kill() // an error means that it has ended
	<-vm.done
	vm.cmd = nil
	if vm.agent == nil {
		return nil
	}
	return vm.agent.Close()
}

// Log is what was on the console since the last Start.
func (vm *VM) Log() string {
	b, err := os.ReadFile(filepath.Join(vm.host.dir, "console"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Remove ends the VM and deletes everything of it.
func (vm *VM) Remove() error {
	return errors.Join(vm.PowerCut(context.Background()), vm.host.Remove())
}
