#!/bin/sh
# Records the demo anew, as docs/demo.svg: asciinema records a run, pauses are
# added, and svg-term-cli draws it. Both tools are fetched, at fixed versions.
# A test of cmd/streamcrypt compares the words of the recording with those of
# the command: when it fails, run this again.
set -eu
cd "$(dirname "$0")/../.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go build -o "$dir/bin/streamcrypt" ./cmd/streamcrypt
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check asciinema==2.4.0
npm install --silent --no-audit --no-fund --prefix "$dir/npm" svg-term-cli@2.1.1
PATH=$dir/bin:$PATH TERM=xterm-256color ASCIINEMA_CONFIG_HOME=$dir "$dir/venv/bin/asciinema" rec --quiet \
	--cols 122 --rows 30 --command "echo '$ streamcrypt demo'; streamcrypt demo" "$dir/run.cast"
python3 deploy/recording/pauses.py < "$dir/run.cast" > "$dir/demo.cast"
"$dir/npm/node_modules/.bin/svg-term" --in "$dir/demo.cast" --out docs/demo.svg --window --no-cursor
ls -l docs/demo.svg
