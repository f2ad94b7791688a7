#!/bin/sh
# Stops the routes when the package goes, and not when another version comes.
# /etc/streamcrypt stays: it has keys, without which nothing can be read.
set -e
case "$1" in
remove | 0) ;; # Debian's word, and rpm's number of versions that stay
*) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	{ systemctl stop streamcrypt.service 'streamcrypt@*.service' &&
		systemctl --quiet disable streamcrypt.service streamcrypt@.service; } ||
		echo "streamcrypt: systemd does not answer; stop the routes that run" >&2
fi
