#!/bin/sh
# Makes the user of the units. No route is started that did not run: it has no
# keys yet. Routes that run go on with the new program, at the positions that
# they have committed. Nothing waits for them: they may wait for a broker.
set -e
if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers streamcrypt.conf
	chgrp streamcrypt /etc/streamcrypt
fi
if [ -d /run/systemd/system ]; then
	{ systemctl daemon-reload && systemctl --no-block try-restart streamcrypt.service 'streamcrypt@*.service'; } ||
		echo "streamcrypt: systemd does not answer; restart the routes that run" >&2
fi
