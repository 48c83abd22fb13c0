# A Linode in Frankfurt: its gateway is the data centre, where four BIRDs play the
# route servers, and which forwards by what they are told.
ip netns add core
ip link add eth0 type veth peer name eth0 netns core
for ns in core host; do
	case $ns in
	core) do="ip -n core" own=1 ;;
	host) do="ip" own=7 ;;
	esac
	$do link set lo up
	$do link set eth0 up
	$do address add 192.0.2.$own/24 dev eth0
	$do address add 2001:db8:77::$own/64 dev eth0 nodad
done
ip route add default via 192.0.2.1
ip -6 route add default via 2001:db8:77::1
mkdir -p /run/bird
for n in 1 2 3 4; do
	ip -n core address add 2600:3c0f:10:34::$n/128 dev lo nodad
	sed "s/N\b/$n/" "$DATA/routeserver.conf" >/run/bird/rs$n.conf
	ip netns exec core bird -c /run/bird/rs$n.conf -s /run/bird/rs$n.ctl -P /run/bird/rs$n.pid
done

# Probes are another machine's.
stentor() {
	case $1 in
	probe) ip netns exec core stentor "$@" ;;
	*) command stentor "$@" ;;
	esac
}
