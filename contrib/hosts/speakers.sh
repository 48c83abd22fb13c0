# ROOT WORK PROGRAM [ARGS...]: runs a program of another root, in the network
# namespace of the caller and a mount namespace of its own: nothing to unmount.
root=$1 work=$2; shift 2
# The root is shared and stays as it is; what is not shared below is in memory,
# and goes with the program.
mount -t tmpfs tmpfs "$work/root"
mkdir "$work/root/upper" "$work/root/work" "$work/root/merged"
merged=$work/root/merged
mount -t overlay -o "lowerdir=$root,upperdir=$work/root/upper,workdir=$work/root/work" overlay "$merged"
for dir in /dev /proc /sys; do mount --rbind "$dir" "$merged$dir"; done
for dir in /etc/frr /etc/bird /run /var/tmp; do mount --bind "$work$dir" "$merged$dir"; done
mkdir -p "$merged$work"
mount --bind "$work" "$merged$work"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root
exec chroot "$merged" "$@"
