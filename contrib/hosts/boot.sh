# NAME DIR LAYERS CGROUP...: boots a host; runs in a mount and a PID namespace of
# its own.
name=$1 dir=$2 layers=$3; shift 3
mount --make-rprivate /
mount -t proc -o nosuid,nodev,noexec proc /proc # of our PID namespace
for group; do echo $$ >"$group/cgroup.procs"; done
mount -t overlay -o "lowerdir=$layers,upperdir=$dir/upper,workdir=$dir/work" overlay "$dir/root"
if [ -e "$dir/enable" ]; then
	xargs systemctl --root="$dir/root" -q enable <"$dir/enable"
	rm "$dir/enable"
fi
# nspawn leaves things below /run/systemd: not on this machine.
mkdir -p /run/systemd
mount -t tmpfs -o mode=755 tmpfs /run/systemd
# "network" makes /proc/sys/net writable, and leaves /sys read-only, as it must
# be: behind it are this machine's devices.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --link-journal=no \
	--resolv-conf=off --timezone=off --console=pipe --machine="$name" --directory="$dir/root" --boot </dev/null
