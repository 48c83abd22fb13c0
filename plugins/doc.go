// Package plugins is the contract between Stentor and its backends: the two
// interfaces, the values that cross them, the errors that have a meaning, and
// what makes a program of a backend.
//
// It is the one import path that third parties need, and a module of its own. It
// imports nothing else of Stentor, so a backend's module graph stays small.
//
// # Writing a backend
//
// Implement [NetBackend] to put addresses on hosts, or [BGPBackend] to announce
// them. Both take the whole desired state and make it so: no call depends on the
// one before it, the same call twice changes nothing, and a call that was cut off
// is mended by the next. Make the program of it with [ServeNet] or [ServeBGP],
// which is all that main does:
//
//	func main() {
//		plugins.ServeNet(func(log *slog.Logger) plugins.NetBackend { return &backend{log: log} })
//	}
//
// Put the program into /usr/local/libexec/stentor/plugins, under the name that
// [Info] has, and its manifest beside it:
//
//	go build -o acme . && install -D -m 0755 acme /usr/local/libexec/stentor/plugins/acme
//	./acme --manifest > /usr/local/libexec/stentor/plugins/acme.json
//
// Program, manifest and every folder above them belong to root, and nobody else
// can write them; Stentor refuses to run anything else. It is started once the
// config names it: [network] backend = "acme".
//
// # The life of a plugin
//
// The process gets a minimal environment, no standard input, the folder / to
// work in, and a private folder in $TMPDIR. With "user" in the manifest it runs
// as that user and without capabilities. Standard output belongs to the
// handshake. What goes to the [log/slog.Logger], or to standard error, is in
// Stentor's log, and the last lines stand in the error that people see when the
// process dies.
//
// When it dies, or does not come up, it is started and configured again, and Apply
// is called: what it had set up outside of itself may still be there. It ends with
// the daemon.
// A panic in a call is that call's error. A call that has not returned ten
// seconds after its context ended takes the process with it. A message is 16 MiB
// at most.
//
// # Testing one
//
// [RegisterNet] and [NetOver], and their BGP twins, are the two ends of the wire:
// in a test they put a gRPC connection between a backend and its caller.
//
// Backends in other languages speak stentor.plugin.v1, the .proto files in
// proto/v1, which say all that there is to know.
package plugins
