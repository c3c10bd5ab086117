# The targets that need a database server use the one that OMSYNC_TEST_DSN names, or else start private ones: see
# internal/dbtest.

GO ?= go

# ./... leaves out what is below testdata.
PACKAGES = ./... ./testdata/demo

.PHONY: all build test lint bench demo package server clean

all: build

build:
	$(GO) build -o bin/omsync ./cmd/omsync

# The commands' tests count what a network carries while either side is killed: they have the machine to themselves.
test: server
	$(GO) test -timeout 50m $$($(GO) list $(PACKAGES) | grep -v /cmd/omsync)
	$(GO) test -timeout 40m ./cmd/omsync

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)

bench: server
	$(GO) test -run '^$$' -bench . $(PACKAGES)

# The demo starts servers of its own, whatever other server there is for tests. It is built and then run, rather than
# "go run", so that a signal reaches it. With KEEP=1 it keeps running in the end, with the hub's page.
demo: OMSYNC_TEST_DSN =
demo: server build
	$(GO) build -o bin/demo ./testdata/demo
	bin/demo -omsync bin/omsync $(if $(KEEP),-stay)

# Programs and Debian packages in dist/, tested as far as the tools for it are there.
package:
	GO="$(GO)" packaging/build
	packaging/test

# Debian and Ubuntu: install MariaDB's server, where there is none and no other was named.
server:
	@if [ -z "$$OMSYNC_TEST_DSN" ] && ! PATH="$$PATH:/usr/sbin:/usr/libexec:/usr/local/sbin" command -v mariadbd >/dev/null; then \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		echo "installing mariadb-server"; \
		$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq mariadb-server >/dev/null; \
	fi

clean:
	rm -rf bin dist
