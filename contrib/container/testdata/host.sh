# A host with a route server at the other end of its eth0, both in namespaces
# that end with this script, and on it the image as Kubernetes would run it.
# usage: host.sh DIR, with the OCI bundle DIR/bundle and DIR/bird.conf
set -eu
dir=$1
crun="crun --root $dir/crun --cgroup-manager disabled"

until_done() {
	for _ in $(seq 300); do
		"$@" >"$dir/last" 2>&1 && return
		sleep 0.1
	done
	echo "never: $*"
	cat "$dir/last" "$dir/log"
	exit 1
}
routes() { ip netns exec far birdc -s "$dir/bird.ctl" show route | grep -c 203.0.113.10/32 || :; }
no_route() { [ "$(routes)" = 0 ]; }

mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /sys/fs/cgroup # crun takes no mixture of both versions
ip netns add far
ip link add eth0 type veth peer name eth0 netns far
ip link set lo up && ip link set eth0 up
ip -n far link set lo up && ip -n far link set eth0 up
ip address add 192.0.2.2/24 dev eth0
ip -n far address add 192.0.2.1/24 dev eth0
ip route add default via 192.0.2.1
ip netns exec far bird -c "$dir/bird.conf" -s "$dir/bird.ctl" -P "$dir/bird.pid"

$crun run --bundle "$dir/bundle" stentor >"$dir/log" 2>&1 &
runtime=$!
until_done $crun exec stentor /usr/bin/stentor status
echo "on lo: $(ip -o -4 address show dev lo | grep -c 203.0.113.10/32)"
echo "announced: $(routes)"
for status in /proc/[0-9]*/status; do
	if grep -qs '^Uid:	65532	' "$status"; then
		grep '^CapEff:\|^NoNewPrivs:' "$status"
	fi
done
$crun exec stentor /usr/bin/stentor reload | cut -d: -f1

$crun kill stentor TERM
wait $runtime && echo "ended: 0"
until_done no_route
echo "announced: $(routes)"
