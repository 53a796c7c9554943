# `make` without a target lists the targets. Works with GNU make 3.81 and later.

PORT ?= 9753
REDIS_PORT ?= 6379
PROM_PORT ?= 9090
DATA_DIR ?= data
URL ?= http://localhost:$(PORT)
FUZZ_SECONDS ?= 60
HOSTILE_SECONDS ?= 60
SIZE ?= full
FAULTS ?= all
FAULT_SECONDS ?= 10
SOAK_MINUTES ?= 20
IMAGE ?= pushgateway-redis
PREFIX ?= /usr/local
export PORT REDIS_PORT PROM_PORT DATA_DIR

.DEFAULT_GOAL := help
.PHONY: help run build install uninstall test test-quick check audit image-digests lint format ingest metrics start-redis stop-redis start-prom stop-prom \
	k6 bench bench-check bench-baseline bench-micro scaling fuzz hostile faults soak screenshot docker-build clean tools dist

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: PORT=$(PORT) REDIS_PORT=$(REDIS_PORT) PROM_PORT=$(PROM_PORT) DATA_DIR=$(DATA_DIR) ARGS='flags for run and the tests'"

run: tools build ## Build and start the gateway on PORT with an embedded Redis; data in DATA_DIR
	@echo "push:   make ingest, or curl --data-binary @examples/data.txt $(URL)/ingest"
	@echo "scrape: make metrics, or $(URL)/metrics"
	@echo "page:   $(URL)/   stop: Ctrl-C"
	@exec ./pushgateway --port=$(PORT) --redis.embedded --data.dir=$(DATA_DIR) $(ARGS)

build: dist pushgateway ## Compile, and write the command ./pushgateway

pushgateway:
	@printf '%s\n' '#!/bin/sh' 'exec node "$$(dirname "$$(readlink -f "$$0")")/dist/services/gateway/main.js" "$$@"' > $@
	@chmod +x $@

# With the versions of package-lock.json, which `npm install` of the package alone would not look at.
install: dist ## Put the command pushgateway into PREFIX/bin (PREFIX=/usr/local), and what it needs into PREFIX/lib/pushgateway
	@rm -rf '$(PREFIX)/lib/pushgateway'
	@mkdir -p .cache '$(PREFIX)/bin' '$(PREFIX)/lib/pushgateway'
	@package=$$(npm run --silent package -- --silent --pack-destination .cache) && \
		tar -xzf ".cache/$$package" -C '$(PREFIX)/lib/pushgateway' --strip-components=1 && rm ".cache/$$package"
	@cd '$(PREFIX)/lib/pushgateway' && npm ci --omit=dev --ignore-scripts --prefer-offline --loglevel=error --no-audit --no-fund
	@ln -sf ../lib/pushgateway/dist/services/gateway/main.js '$(PREFIX)/bin/pushgateway'

uninstall: ## Remove what install has put into PREFIX
	rm -rf '$(PREFIX)/lib/pushgateway' '$(PREFIX)/bin/pushgateway'

dist: dist/.built

dist/.built: node_modules/.package-lock.json $(shell find services shared) tsconfig.json tsconfig.build.json package.json
	@npm run --silent build

# npm writes this file last, so it shows whether and when the packages were installed. npm ci installs what
# package-lock.json names, with the hashes that it names, and runs no install scripts (.npmrc). If it fails, nothing
# else is tried.
node_modules/.package-lock.json: package-lock.json
	npm ci --loglevel=error
	@node .ci/check-lock.mjs installed
	@touch $@

tools:
	@.ci/install-tools redis-server

test: node_modules/.package-lock.json ## Install what the tests need, and run all tests
	@.ci/install-tools redis-server redis-cli curl nginx? prometheus? promtool? prometheus-pushgateway? chromium? \
		python3-prometheus-client? redis-7.2? redis-6.2? go? javac? mvn?
	npx vitest run $(ARGS)

test-quick: node_modules/.package-lock.json ## Run a quick selection: unit, property (fewer runs) and some integration tests
	@.ci/install-tools redis-server redis-cli curl
	TEST_QUICK=1 npx vitest run test/unit test/property $(QUICK:%=test/integration/%.test.ts) $(ARGS)
QUICK = ingest/push ingest/push-times ingest/ingest redis/merge-scripts reader/scrape-variants redis/group-follower ingest/bad-input

check: node_modules/.package-lock.json ## Check types, lint, format, documents and configuration files
	npx tsc
	npx oxlint --type-aware --deny-warnings
	npx prettier --check .
	node .ci/check-imports.mjs
	node .ci/check-files.mjs
	node .ci/check-docs.mjs
	node .ci/check-lock.mjs

audit: node_modules/.package-lock.json ## Ask the npm registry for known vulnerabilities of the packages, if it can be asked
	@node .ci/audit.mjs

image-digests: ## Compare the digests of container images with their registries; WRITE=1 updates them
	@node .ci/image-digests.mjs $(if $(WRITE),--write)

lint: node_modules/.package-lock.json ## Lint, and fix what can be fixed automatically
	npx oxlint --type-aware --deny-warnings --fix

format: node_modules/.package-lock.json ## Format all files
	npx prettier --write .

faults: node_modules/.package-lock.json ## Inject every fault (or FAULTS=PATTERN) for FAULT_SECONDS (10) each; writes docs/faults.md, takes long
	@.ci/install-tools redis-server redis-cli
	FAULT_REPORT=1 FAULTS='$(FAULTS)' FAULT_SECONDS=$(FAULT_SECONDS) npx vitest run --project faults test/faults/faults.test.ts $(ARGS)

soak: node_modules/.package-lock.json ## Run a steady load for SOAK_MINUTES (20); writes memory and backlog to docs/faults.md
	@.ci/install-tools redis-server redis-cli
	SOAK_MINUTES=$(SOAK_MINUTES) npx vitest run --project faults test/faults/soak.test.ts $(ARGS)

fuzz: node_modules/.package-lock.json ## Compare random bodies and requests with the official gateway, for FUZZ_SECONDS (60) each
	@.ci/install-tools redis-server prometheus-pushgateway?
	FUZZ_SECONDS=$(FUZZ_SECONDS) npx vitest run --project property --project differential test/property test/differential/random $(ARGS)

hostile: node_modules/.package-lock.json ## Attack a gateway, alone and with 1,000 clients at once, and fuzz it, for HOSTILE_SECONDS (60) each
	@.ci/install-tools redis-server nginx?
	HOSTILE_SECONDS=$(HOSTILE_SECONDS) npx vitest run --project hostile $(ARGS)

bench: node_modules/.package-lock.json ## Measure docs/performance.md; BENCH=push,burst selects sections, SIZE=short is faster
	@.ci/install-tools redis-server redis-cli wrk nginx prometheus-pushgateway?
	BENCH=$(BENCH) SIZE=$(SIZE) npx vitest run --config test/bench/vitest.config.ts test/bench/table.ts $(ARGS)

bench-check: node_modules/.package-lock.json ## Fail if a ratio of CPU time or memory is over 15 % worse than the stored one; takes minutes
	@.ci/install-tools redis-server redis-cli wrk nginx
	CHECK=$(CHECK) BASELINE=$(BASELINE) npx vitest run --config test/bench/vitest.config.ts test/bench/check.ts $(ARGS)

bench-baseline: ## Store the current ratios for bench-check
	@$(MAKE) --no-print-directory bench-check BASELINE=write

scaling: node_modules/.package-lock.json ## Write the tables of docs/scaling.md from the results of BENCH=scale
	npx vitest run --project unit test/unit/tooling/bench-scaling.test.ts -u

bench-micro: node_modules/.package-lock.json ## Measure single parts: parser, validation, rendering, merge script …
	@.ci/install-tools redis-server redis-cli
	npx vitest bench --run --project bench $(ARGS)

k6: tools build ## Run k6/*.js against TARGET, or against a gateway that it starts
	@k6/run.sh

ingest: ## Push examples/data.txt
	@.ci/install-tools curl
	@curl -fsS -X POST -H 'Content-Type: text/plain' --data-binary @examples/data.txt $(URL)/ingest || { $(explain); }
	@echo "pushed examples/data.txt; show it with: make metrics"

metrics: ## Print what Prometheus would scrape
	@.ci/install-tools curl
	@curl -fsS $(URL)/metrics || { $(explain); }

# Status 7 of curl: connection refused.
explain = status=$$?; [ $$status -ne 7 ] || echo "is the gateway running at $(URL)? (make run)" >&2; exit $$status

start-redis: ## Start a Redis on REDIS_PORT, in Docker if an engine answers, else as a local process
	@deploy/local.sh start redis

stop-redis: ## Stop it; its data is kept
	@deploy/local.sh stop redis

start-prom: ## Start a Prometheus on PROM_PORT that scrapes the gateway on PORT
	@deploy/local.sh start prometheus

stop-prom: ## Stop it; its data is kept
	@deploy/local.sh stop prometheus

screenshot: tools build ## Take docs/images/page.png of a gateway with example groups
	@.ci/install-tools chromium
	node .ci/screenshot.mjs

docker-build: ## Build the container image IMAGE (pushgateway-redis)
	docker build -t $(IMAGE) .

clean: ## Remove build output; DATA_DIR and node_modules are kept
	rm -rf dist coverage .cache pushgateway
