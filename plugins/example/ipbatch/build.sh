#!/bin/sh
# Makes the plugin ipbatch of its sources: one file, that python3 runs.
# usage: build.sh FOLDER
# Needs Debian's protobuf-compiler, python3-grpcio and python3-protobuf.
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
protoc --proto_path=stentor/plugin/v1=../../proto/v1 --proto_path=/usr/include --python_out="$work" \
	stentor/plugin/v1/common.proto stentor/plugin/v1/network.proto
cp stentor_plugin.py "$work"
cp backend.py "$work/__main__.py"
# -I: neither the environment nor a user's folder says what is imported.
/usr/bin/python3 -m zipapp "$work" --python "/usr/bin/python3 -I" --output "$out/ipbatch"
chmod 755 "$out/ipbatch"
"$out/ipbatch" --manifest >"$out/ipbatch.json"
