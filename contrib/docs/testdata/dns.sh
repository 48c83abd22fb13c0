# Two resolvers on a switch with multipath: this host, and one called b that runs
# the guide's files too.
ip netns add switch
ip -n switch link add br0 type bridge
for name in lo br0; do ip -n switch link set $name up; done
ip -n switch address add 192.0.2.1/24 dev br0
ip netns add b
for n in 1 2; do
	host=("ip") && [ $n = 1 ] || host=("ip" -n b)
	"${host[@]}" link add eth0 type veth peer name port$n
	"${host[@]}" link set port$n netns switch
	ip -n switch link set port$n master br0 up
	"${host[@]}" link set lo up
	"${host[@]}" link set eth0 up
	"${host[@]}" address add 192.0.2.1$n/24 dev eth0
	"${host[@]}" route add default via 192.0.2.1
done
mkdir -p /run/bird
ip netns exec switch bird -c "$DATA/switch.conf"

restart_dnsmasq() {
	dnsmasq -C /etc/dnsmasq.d/anycast.conf --user=root --pid-file=/run/a.pid
	ip netns exec b dnsmasq -C /etc/dnsmasq.d/anycast.conf --user=root --pid-file=/run/b.pid
	ip netns exec b stentor run --socket /run/b.sock --state-dir "$DIR/b" >>"$DIR/b.log" 2>&1 &
	until_ok stentor status --socket /run/b.sock
}

stop_dnsmasq() { kill "$(cat /run/a.pid)"; }

# The guide looks at the switch's routes, when they have settled.
ip() {
	if [ "$1 $2" != "route show" ]; then
		command ip "$@"
		return
	fi
	local before="" now same=0
	while [ $same -lt 8 ]; do
		now=$(command ip -n switch "$@")
		if [ "$now" = "$before" ]; then same=$((same + 1)); else same=0; fi
		before=$now
		sleep 0.25
	done
	echo "$now"
}
