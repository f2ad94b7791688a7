#!/bin/sh
# The rules of streamcrypt.nft for machines with iptables. It may run again: the
# chain is made anew, and entered once. Set the variables to your addresses.
set -eu
SERVICE=${SERVICE:-streamcrypt}
BROKERS=${BROKERS:-192.0.2.10,192.0.2.11,192.0.2.12}
BROKERS6=${BROKERS6:-2001:db8::10}
BROKER_PORTS=${BROKER_PORTS:-9092,9093,4222}
KEY_SERVICES=${KEY_SERVICES:-198.51.100.0/28}
KEY_SERVICES6=${KEY_SERVICES6:-2001:db8:1::/64}
RESOLVERS=${RESOLVERS:-127.0.0.53,192.0.2.53}

# fill COMMAND BROKERS KEY_SERVICES RESOLVERS replaces the rules in one step, so
# that nothing is open between the old ones and the new ones.
fill() {
	"$1-restore" -w --noflush <<-RULES
		*filter
		:STREAMCRYPT - [0:0]
		-A STREAMCRYPT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
		-A STREAMCRYPT -d $2 -p tcp -m multiport --dports $BROKER_PORTS -j ACCEPT
		-A STREAMCRYPT -d $3 -p tcp --dport 443 -j ACCEPT
		${4:+-A STREAMCRYPT -d $4 -p udp --dport 53 -j ACCEPT}
		${4:+-A STREAMCRYPT -d $4 -p tcp --dport 53 -j ACCEPT}
		-A STREAMCRYPT -j REJECT
		COMMIT
	RULES
	"$1" -w -C OUTPUT -m owner --uid-owner "$SERVICE" -j STREAMCRYPT 2>/dev/null ||
		"$1" -w -I OUTPUT -m owner --uid-owner "$SERVICE" -j STREAMCRYPT
}

fill iptables "$BROKERS" "$KEY_SERVICES" "$RESOLVERS"
fill ip6tables "$BROKERS6" "$KEY_SERVICES6" ""
