#!/bin/sh
# Makes the user of the unit. No route is started: it has no keys yet.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers streamcrypt.conf
	chgrp streamcrypt /etc/streamcrypt
fi
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
