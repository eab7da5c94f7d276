# The commands of every day. `make test` is what CI runs; it installs what it
# needs (.ci/install) and needs no other step before it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# Time for each fuzz target and for each benchmark.
FUZZTIME ?= 20s
BENCHTIME ?= 1s

# With -path: file names inside the generated code are relative to it.
TEMPL := go tool templ generate -path templates

.PHONY: build run test test-fast check generate lint install bench fuzz screenshots

build: ## A static binary, as in the container.
	CGO_ENABLED=0 go build -trimpath -o portal ./web

run: ## The portal with its sandbox.
	go run ./web

# -count=1: a result from the cache knows nothing of the programs that tests start.
test: install check ## Everything: what CI runs.
	PORTAL_TEST_POSTGRES=1 PORTAL_TEST_FOREIGN=1 PORTAL_TEST_BROWSER=1 go test -race -count=1 -timeout 30m ./...

test-fast: ## Tests that need no network, no server and no browser.
	go test ./...

check: ## Formatting, generated files, vet and the linter.
	@unformatted=$$(gofmt -l handlers internal session static templates web); \
		if [ -n "$$unformatted" ]; then echo "not in gofmt's form:"; echo "$$unformatted"; exit 1; fi
	@before=$$(cat templates/*_templ.go | sha256sum); $(TEMPL) -log-level error; \
		if [ "$$before" != "$$(cat templates/*_templ.go | sha256sum)" ]; then \
			echo "templates/*_templ.go were not those of the .templ files: commit the new ones"; exit 1; fi
	go vet ./...
	@$(MAKE) --no-print-directory lint

generate: ## The Go code of the templ pages.
	$(TEMPL)

lint: ## The linter alone.
	go tool staticcheck ./...

install: ## What the tests need, where it is missing.
	@.ci/install

bench: ## The figures.
	go test -run='^$$' -bench=. -benchmem -benchtime=$(BENCHTIME) ./...

fuzz: ## Each fuzz target for FUZZTIME.
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			echo "$$(dirname "$$file") $$target"; \
			go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$(dirname "$$file")" </dev/null; \
		done; done

screenshots: install ## The pictures in docs/screenshots.
	PORTAL_TEST_BROWSER=1 PORTAL_SCREENSHOTS=$(CURDIR)/docs/screenshots go test -count=1 -run Screenshot ./web
