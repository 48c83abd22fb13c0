# A host as the vendor's guide has it: two shared IPs on lo, and lelastic's unit.
cat >/etc/systemd/system/lelastic.service <<UNIT
[Service]
Type=simple
ExecStart=/usr/local/bin/lelastic -dcid 10 -primary
ExecReload=/bin/kill -s HUP \$MAINPID
UNIT
ip address add 203.0.113.10/32 dev lo
ip address add 2001:db8:7::1/64 dev lo
