# The host of a guide. Its /etc is a copy without the network's files, so that
# plain netlink fits; /run is empty, so that it finds nobody's sockets; FRR leaves
# folders behind in /var/tmp.
set -e
for dir in /run /var/tmp; do mount -t tmpfs tmpfs $dir; done
cp -a /etc "$DIR/etc"
mount --bind "$DIR/etc" /etc
rm -rf /etc/stentor /etc/netplan /etc/network /etc/NetworkManager /etc/systemd/network
export STENTOR_STATE_DIR="$DIR/state"
ip link set lo up

# until_ok polls until a command is content, for up to 20 s.
until_ok() {
	local end=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -gt $end ]; then
			echo "after 20 s still not: $*" >&2
			return 1
		fi
		sleep 0.2
	done
}

# shows tells whether a file has a line for each pattern.
shows() {
	local file=$1 pattern
	shift
	for pattern; do grep -qE -e "$pattern" "$file" || return 1; done
}

# systemctl stands in for systemd, which does not run here. Other scripts define
# what it does to other services, as restart_NAME.
systemctl() {
	if [ "$*" != "enable --now stentor" ]; then
		"$1_$2"
		return
	fi
	command stentor run >>"$DIR/stentor.log" 2>&1 &
	until_ok command stentor status # so it is on a host, where nobody types that fast
}
