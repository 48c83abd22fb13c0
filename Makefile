# Every target works on a fresh clone; only test needs more than Go, and installs it.
GO      ?= go
PREFIX  ?= /usr/local
VERSION ?=
LDFLAGS := -s -w $(if $(VERSION),-X main.release=$(VERSION))
# gRPC without its debug pages, whose templates would have the linker keep all there is.
TAGS    := grpcnotrace
# Both modules: ./... would leave out plugins, which is one of its own.
ALL     := github.com/stentor-net/stentor/...
export CGO_ENABLED := 0

.PHONY: build
build: ## the static binaries, in bin/
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: demo
demo: build ## the main job on this machine: two hosts, a failover and the way back
	bin/stentor lab demo

.PHONY: test
test: ## everything, with what it needs from Debian's packages
	contrib/testrun/install
	$(GO) vet $(ALL)
	GOARCH=386 $(GO) vet $(ALL) # what does not fit 32 bits; `make release` builds all architectures
	$(GO) run ./contrib/testrun -vuln -timeout 20m $(ALL)

HOSTS ?= all
.PHONY: test-hosts
test-hosts: ## every network stack on every release of Debian, and a virtual machine; HOSTS=thorough for hours of it
	contrib/testrun/install qemu-system-x86 e2fsprogs
	STENTOR_TEST_HOSTS='$(HOSTS)' $(GO) run ./contrib/testrun -timeout 60m ./contrib/hosts/...

.PHONY: test-speakers
test-speakers: ## the whole suite on each speaker, in each way it can run
	contrib/testrun/install
	STENTOR_TEST_CONFORMANCE=all $(GO) run ./contrib/testrun -timeout 60m ./contrib/lab/conformance

.PHONY: bench
bench: build ## start, stop, reload, 10,000 VIPs and memory, beside other speakers
	$(GO) run ./contrib/bench -binary bin/stentor

.PHONY: bench-bgp
bench-bgp: build ## the native BGP speaker beside gobgp, FRR, BIRD and ExaBGP; 40 minutes
	$(GO) run ./contrib/bench -binary bin/stentor -bgp -flood 1000000

FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	contrib/testrun/fuzz $(FUZZTIME)

.PHONY: lint
lint: ## vet, gofmt, staticcheck
	$(GO) vet $(ALL)
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run: gofmt -w .'; exit 1; }
	$(GO) tool -modfile=contrib/tools/go.mod staticcheck $(ALL)

.PHONY: generate
generate: ## what is generated: the plugin protocol, from plugins/proto/v1/*.proto
	$(GO) -C plugins generate ./...

# What the packages call themselves: VERSION, or what comes before any release.
PACKAGE_VERSION = $(or $(VERSION),0.0.0-git$(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S))
ARCH ?= amd64

.PHONY: package
package: ## .deb, .rpm, .apk and Arch packages for ARCH (amd64,arm64,... or all), in dist/: built twice, and the same
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) run ./contrib/packaging -version $(PACKAGE_VERSION) -arch $(ARCH) -out dist/again
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(GO) run ./contrib/packaging -version $(PACKAGE_VERSION) -arch $(ARCH) -out dist
	cd dist && sha256sum -c again/SHA256SUMS
	rm -r dist/again dist/stage

.PHONY: release
release: ## what is published of VERSION, in dist/: from the tag, built twice, and the same; DRY=1 tries it without a tag
	rm -rf dist
	$(GO) run ./contrib/packaging/release -version '$(VERSION)' $(if $(DRY),-n)

.PHONY: install
install: build ## into $(DESTDIR)$(PREFIX), with the units
	install -D -m 0755 bin/stentor $(DESTDIR)$(PREFIX)/bin/stentor
	install -D -m 0755 bin/stentor-native $(DESTDIR)$(PREFIX)/libexec/stentor/stentor-native
	install -D -m 0644 core/config/reference.toml $(DESTDIR)$(PREFIX)/share/doc/stentor/reference.toml
	install -D -m 0644 contrib/man/stentor-plugin.7 $(DESTDIR)$(PREFIX)/share/man/man7/stentor-plugin.7
	install -D -m 0644 contrib/systemd/stentor.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/stentor.conf
	install -D -m 0644 contrib/systemd/stentor.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/stentor.conf
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in stentor stentor-apply; do \
		sed 's,/usr/bin/stentor,$(PREFIX)/bin/stentor,' contrib/systemd/$$unit.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit 1; \
	done
