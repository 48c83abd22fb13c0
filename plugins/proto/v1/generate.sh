#!/bin/sh
# Makes the .pb.go files from the .proto files. usage: generate.sh [OUTPUT-DIR]
# protoc is Debian's (protobuf-compiler, libprotobuf-dev); what it calls is
# pinned in contrib/tools/go.mod.
set -eu
cd "$(dirname "$0")"
out=$(realpath "${1:-.}")
if ! command -v protoc >/dev/null; then
	echo "protoc is missing; run: apt-get install protobuf-compiler libprotobuf-dev" >&2
	exit 1
fi
tools=$(realpath ../../../contrib/tools/go.mod)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
for tool in protoc-gen-go protoc-gen-go-grpc; do
	ln -s "$(cd ../../.. && go tool -modfile="$tools" -n "$tool")" "$bin/$tool"
done
# The virtual path is the one under which third parties find the files, and the
# one that goes into the registry of every program that links them.
PATH="$bin:$PATH" protoc --proto_path=stentor/plugin/v1=. --proto_path=/usr/include \
	--go_out="$out" --go_opt=module=github.com/stentor-net/stentor/plugins/proto/v1 \
	--go-grpc_out="$out" --go-grpc_opt=module=github.com/stentor-net/stentor/plugins/proto/v1 \
	stentor/plugin/v1/common.proto stentor/plugin/v1/network.proto stentor/plugin/v1/bgp.proto
