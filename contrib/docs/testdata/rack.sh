# A server with an uplink to each of two switches, which have routes of their own.
for n in 1 2; do
	ip netns add tor$n
	ip link add eth$((n - 1)) type veth peer name host netns tor$n
	ip -n tor$n link set lo up
	ip -n tor$n link set host up
	ip link set eth$((n - 1)) up
	ip -n tor$n address add 192.0.2.$((2 * n - 1))/31 dev host
	ip -n tor$n address add 2001:db8:0:$n::1/64 dev host nodad
	ip address add 192.0.2.$((2 * n - 2))/31 dev eth$((n - 1))
	ip address add 2001:db8:0:$n::2/64 dev eth$((n - 1)) nodad
done
ip route add default nexthop via 192.0.2.1 nexthop via 192.0.2.3
ip -6 route add default via 2001:db8:0:1::1

restart_frr() {
	install -d -o frr -g frr /run/frr
	chown frr:frr /etc/frr/frr.conf
	rm -f /etc/frr/{zebra,bgpd,bfdd}.conf
	touch /etc/frr/vtysh.conf
	for d in zebra bfdd bgpd; do
		ip netns exec tor1 /usr/lib/frr/$d -d -f /dev/null -A 127.0.0.1 -P 0
	done
	until_ok vtysh -c 'show version'
	vtysh -b
}

restart_bird() {
	mkdir -p /run/bird
	ip netns exec tor2 bird -c /etc/bird/bird.conf
}
