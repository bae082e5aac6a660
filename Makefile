# Every target is explained by `make help`, which reads the ## comments below.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
PKGS := ./...

.PHONY: help dev build test test-deps check fmt lint race fuzz conformance e2e chaos bench generate clean

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: ## build bin/motet
	$(GO) build -o bin/motet ./cmd/motet

dev: build ## build and run the whole pipeline on embedded defaults
	./bin/motet dev $(ARGS)

test: test-deps build ## install what the tests need if it is missing, then run them all, and those of executor and pool under the race detector
	$(GO) vet $(PKGS)
	$(GO) test -count=1 -timeout 20m -p 2 $(PKGS) # the cache does not see that a binary under test changed
	$(GO) test -race -short -count=1 ./executor ./executor/blockstm ./executor/predict ./mempool # make race does more
	$(GO) test -race -short -count=1 -run '^TestBlocks$$/^osaka$$' ./executor/oracletest

test-deps: ## Debian packages and npm tools for the tests (Postgres, anvil, cast, solc)
	@./test/install.sh

check: ## format, lint, import rows and the quick unit tests
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run make fmt'; exit 1; }
	$(TOOL) golangci-lint run
	$(GO) test -short . ./executor/... ./mempool ./internal/... ./cmd/...

fmt: ## format all Go files
	$(TOOL) gofumpt -w $$(git ls-files '*.go' | grep -v bindings)

lint: ## golangci-lint
	$(TOOL) golangci-lint run

race: ## executor, pool, sequencer, log, batcher and API under the race detector
	$(GO) test -race -timeout 30m ./executor/... ./mempool ./sequencer ./internal/eventlog ./batcher ./api

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz || true); do \
	    echo "$$pkg $$target"; $(GO) test $$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x; \
	  done; done

FIXTURES ?= $(or $(MOTET_FIXTURES),../shared/fixtures)
conformance: build ## the official Ethereum state and block tests in FIXTURES, through every executor
	./bin/motet statetest $(FIXTURES)/ethereum-tests
	./bin/motet blocktest $(FIXTURES)/ethereum-tests

e2e: test-deps build ## the real binary on the embedded L1 and on anvil, rebuilt from L1, checked by a stock geth
	$(GO) test -count=1 -timeout 20m -v ./test/e2e/...

chaos: build ## kill -9 of the real binary under load
	$(GO) test -count=1 -timeout 20m -v ./test/chaos/...

bench: build ## compare the executors with geth's serial processor
	./bin/motet bench executor --workers 1,2

generate: ## rebuild the contracts' artifacts and bindings
	npm ci --ignore-scripts
	npm run build -w contracts
	$(GO) generate ./...

clean: ## remove what the build made
	rm -rf bin
