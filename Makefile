# Two commands matter: `make demo` and `make test`. `make help` lists the rest.

GO       ?= go
BIN      := bin/pgweir
ARGS     ?=
FUZZTIME ?= 30s
SEEDS    ?= 100000
FIRST    ?= 1

# What make dist builds: the version, the time of all files (the same tree and the same
# time give the same bytes), where the Homebrew formula will find the archives (without it
# there is no formula), and the packages' Maintainer.
VERSION  ?= $(shell sed -n 's/^var version = "\(.*\)"/\1/p' cmd/pgweir/main.go)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
DIST_URL ?=
DIST_MAINTAINER ?= pgweir <root@localhost>

# The packages in which goroutines share memory; they are tested with -race.
RACE := pool|loop|uring|dns|throttle|proof|proxy|console|auth|child|census|web|loadtest|top|secrets|authquery|passwords|telemetry

# The files of integration tests that are run with the race detector in the
# program, on four loops: all their tests, but for those that measure memory.
RACED := $(addprefix integration/,auth_query_places_test.go cancel_storm_test.go cancel_test.go client_limits_test.go crowd_test.go fair_test.go leaving_test.go listen_order_test.go \
	listen_scenes_test.go listen_share_test.go login_delay_linux_test.go login_flood_linux_test.go \
	loops_test.go reload_test.go replication_limits_test.go secrets_test.go secrets_rotation_test.go signal_test.go \
	state_backend_test.go state_leak_test.go state_meaning_test.go state_settings_test.go \
	state_startup_test.go stop_test.go suspend_rights_test.go traces_test.go waiting_test.go withheld_test.go)

.DEFAULT_GOAL := help
.PHONY: help build demo test test-race test-versions regress conformance pgbouncer-suite bench fuzz simulate fmt lint dist test-dist clean install-postgres need-go

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: need-go ## Build bin/pgweir
	@mkdir -p bin
	$(GO) build -trimpath -o $(BIN) ./cmd/pgweir

demo: need-go ## Show on a throwaway PostgreSQL what pgweir saves (ARGS="--clients 500 --once")
	@scripts/install-postgres server psql
	@$(MAKE) --no-print-directory build
	@$(BIN) demo $(ARGS)

test: need-go ## Run every check and every test against the installed PostgreSQL
	@scripts/install-postgres server psql pgbench psycopg2 openssl
	@scripts/install-browser
	@scripts/install-promtool >/dev/null
	@$(MAKE) --no-print-directory lint
	@echo "== tests with the race detector"
	$(GO) test -race $$($(GO) list ./... | grep -E '/($(RACE))$$')
	@echo "== tests"
	$(GO) test $$($(GO) list ./... | grep -vE '/($(RACE)|integration)$$')
	@echo "== integration tests"
	$(GO) test -count=1 -parallel 4 -timeout 30m ./integration/...
	@$(MAKE) --no-print-directory test-race

test-race: need-go ## Run integration tests with the race detector in the program, on four loops of either engine
	@scripts/install-postgres server psql pgbench
	@for engine in auto epoll; do \
		echo "== integration tests with the race detector, io_engine = $$engine"; \
		PGWEIR_TEST_RACE=1 PGWEIR_TEST_WORKERS=4 PGWEIR_TEST_IO_ENGINE=$$engine \
			$(GO) test -count=1 -parallel 4 -timeout 15m ./integration -skip 'CostLittle$$' \
			-run "^($$(sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' $(RACED) | paste -sd '|'))$$" || exit; \
	done

test-versions: need-go ## Repeat the integration tests that depend on it against PostgreSQL 14 to 18
	@scripts/install-postgres psql pgbench psycopg2 openssl
	@scripts/test-versions

regress: need-go ## Run PostgreSQL's own regression suite through pgweir
	@scripts/install-postgres server psql
	@scripts/regress $(ARGS)

conformance: need-go ## Run pgx's own test suite through pgweir
	@scripts/install-postgres server psql
	@scripts/conformance $(ARGS)

pgbouncer-suite: need-go ## Run PgBouncer's own tests, of a checkout that PGBOUNCER_SOURCE names, against pgweir
	@scripts/install-postgres server psql
	@scripts/pgbouncer-suite $(ARGS)

bench: build ## Measure pgweir beside other poolers (PGBOUNCER=/path ARGS="-work simple32")
	@scripts/install-postgres server psql pgbench
	@scripts/bench $(ARGS)

fuzz: need-go ## Run every fuzz test for FUZZTIME (30s) each
	@scripts/fuzz $(FUZZTIME)

simulate: need-go ## Play SEEDS (100000) conversations of the simulation, from seed FIRST (1) on
	$(GO) test -count=1 -timeout 0 ./session -run '^TestSimulation$$' -seeds $(SEEDS) -first $(FIRST)

fmt: need-go ## Format the Go files
	gofmt -w $$($(GO) list -f '{{.Dir}}' ./...)

lint: need-go ## Check format, vet (Linux and macOS) and staticcheck
	@echo "== gofmt"
	@unformatted=$$(gofmt -l $$($(GO) list -f '{{.Dir}}' ./...)); \
	if [ -n "$$unformatted" ]; then \
		echo "not formatted (make fmt does it):"; echo "$$unformatted"; exit 1; \
	fi
	@echo "== go vet"
	$(GO) vet ./...
	@echo "== go vet for macOS"
	GOOS=darwin $(GO) vet ./...
	@echo "== staticcheck"
	$(GO) tool staticcheck ./...

dist: need-go ## Build packages, archives and the image into dist/ (VERSION=0.1.0)
	cd packaging && $(GO) run ./dist -version "$(VERSION)" -epoch "$(SOURCE_DATE_EPOCH)" -url "$(DIST_URL)" -maintainer "$(DIST_MAINTAINER)" -out ../dist

test-dist: DIST_URL := $(or $(DIST_URL),https://pgweir.invalid/dist)
test-dist: dist ## Install what make dist builds, and run it; lint the Helm chart (root, Debian)
	@scripts/install-postgres server psql openssl
	@command -v rpm >/dev/null || scripts/install-rpm
	@unformatted=$$(cd packaging && gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted: $$unformatted"; exit 1; }
	cd packaging && $(GO) vet ./... && $(GO) test -count=1 ./...

clean: ## Delete what was built
	rm -rf bin dist

install-postgres: ## Install PostgreSQL's programs and what the tests need, where they are missing
	@scripts/install-postgres server psql pgbench psycopg2 openssl

need-go:
	@command -v $(GO) >/dev/null || { \
		echo "pgweir is built with Go 1.26 or later, and there is no '$(GO)' here."; \
		echo "See https://go.dev/doc/install, or set GO=/path/to/go."; exit 1; }
