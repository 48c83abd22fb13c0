package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/rogpeppe/go-internal/testscript"
)

// metadataService answers as Linode's does, on port 80 of an address of the
// script's network namespace, until the script ends.
func metadataService(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: metadata IP")
	}
	socket, err := net.Listen("tcp", net.JoinHostPort(args[0], "80"))
	ts.Check(err)
	mux := http.NewServeMux()
	for pattern, answer := range map[string]string{
		"PUT /v1/token":    `["t0ken"]`,
		"GET /v1/instance": `{"id": 1, "region": "eu-central"}`,
		"GET /v1/network":  `{"ipv4": {"shared": ["203.0.113.10/32"]}, "ipv6": {"shared_ranges": ["2600:3c03:e000:100::/64"]}}`,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && r.Header.Get("Metadata-Token") != "t0ken" {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprint(w, answer)
		})
	}
	server := &http.Server{Handler: mux}
	go server.Serve(socket) // until Close
	ts.Defer(func() { _ = server.Close() })
}
