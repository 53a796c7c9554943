# `make` alone lists what there is. Works with GNU make 3.81 and later.

PORT ?= 9753
REDIS_PORT ?= 6379
PROM_PORT ?= 9090
DATA_DIR ?= data
URL ?= http://localhost:$(PORT)
FUZZ_SECONDS ?= 60
SIZE ?= full
FAULTS ?= all
FAULT_SECONDS ?= 10
SOAK_MINUTES ?= 20
IMAGE ?= pushgateway-redis
export PORT REDIS_PORT PROM_PORT DATA_DIR

.DEFAULT_GOAL := help
.PHONY: help run build test check lint format ingest metrics start-redis stop-redis start-prom stop-prom \
	k6 bench bench-check bench-baseline bench-micro scaling fuzz faults soak docker-build clean tools dist

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: PORT=$(PORT) REDIS_PORT=$(REDIS_PORT) PROM_PORT=$(PROM_PORT) DATA_DIR=$(DATA_DIR) ARGS='more flags for run'"

run: tools build ## Start the gateway on PORT with an embedded Redis; its data is in DATA_DIR
	@echo "push:   make ingest, or curl --data-binary @examples/data.txt $(URL)/ingest"
	@echo "scrape: make metrics, or $(URL)/metrics"
	@echo "look:   $(URL)/   stop: Ctrl-C"
	@exec ./pushgateway --port=$(PORT) --redis.embedded --data.dir=$(DATA_DIR) $(ARGS)

build: dist ## Compile, and leave the command ./pushgateway
	@printf '%s\n' '#!/bin/sh' 'exec node "$$(dirname "$$(readlink -f "$$0")")/dist/services/gateway/main.js" "$$@"' > pushgateway
	@chmod +x pushgateway

dist: node_modules/.package-lock.json
	@npm run --silent build

# npm writes this file last: it tells whether, and when, the packages were installed. npm ci refuses a lock file that was
# written where a mirror lacked the optional packages of other platforms; npm install fills that gap, at the locked versions.
node_modules/.package-lock.json: package-lock.json
	npm ci --loglevel=silent || npm install --no-save
	@touch $@

tools:
	@.ci/install-tools redis-server

test: node_modules/.package-lock.json ## Install what the tests need, and run all of them
	@.ci/install-tools redis-server redis-cli curl prometheus? promtool? prometheus-pushgateway? chromium? \
		python3-prometheus-client?
	npx vitest run $(ARGS)

check: node_modules/.package-lock.json ## Types, lint, format, and the files that no compiler reads
	npx tsc
	npx oxlint --type-aware --deny-warnings
	npx prettier --check .
	node .ci/check-files.mjs

lint: node_modules/.package-lock.json ## Lint alone, with what can be mended mended
	npx oxlint --type-aware --deny-warnings --fix

format: node_modules/.package-lock.json ## Format every file
	npx prettier --write .

faults: node_modules/.package-lock.json ## Every fault on every topology (or FAULTS=PATTERN), FAULT_SECONDS (10) each, into docs/faults.md; takes long
	@.ci/install-tools redis-server redis-cli
	FAULT_REPORT=1 FAULTS='$(FAULTS)' FAULT_SECONDS=$(FAULT_SECONDS) npx vitest run --project faults test/faults/faults.test.ts $(ARGS)

soak: node_modules/.package-lock.json ## A steady load for SOAK_MINUTES (20): memory and backlog, into docs/faults.md
	@.ci/install-tools redis-server redis-cli
	SOAK_MINUTES=$(SOAK_MINUTES) npx vitest run --project faults test/faults/soak.test.ts $(ARGS)

fuzz: node_modules/.package-lock.json ## Try random bodies, and requests against the official gateway, FUZZ_SECONDS (60) each
	@.ci/install-tools redis-server prometheus-pushgateway?
	FUZZ_SECONDS=$(FUZZ_SECONDS) npx vitest run --project property --project differential test/property test/differential/random $(ARGS)

bench: node_modules/.package-lock.json ## Measure the table of docs/performance.md; BENCH=push,burst: these sections; SIZE=short
	@.ci/install-tools redis-server redis-cli wrk nginx prometheus-pushgateway?
	BENCH=$(BENCH) SIZE=$(SIZE) npx vitest run --config test/bench/vitest.config.ts test/bench/table.ts $(ARGS)

bench-check: node_modules/.package-lock.json ## Fail when a ratio of CPU time or memory is over 15 % worse than the stored one; minutes
	@.ci/install-tools redis-server redis-cli wrk nginx
	CHECK=$(CHECK) BASELINE=$(BASELINE) npx vitest run --config test/bench/vitest.config.ts test/bench/check.ts $(ARGS)

bench-baseline: ## Store the ratios as they are now, for bench-check
	@$(MAKE) --no-print-directory bench-check BASELINE=write

scaling: node_modules/.package-lock.json ## Write the tables of docs/scaling.md from what BENCH=scale measured
	npx vitest run --project unit test/unit/bench-scaling.test.ts -u

bench-micro: node_modules/.package-lock.json ## Time single pieces: parser, validation, rendering, merge script …
	@.ci/install-tools redis-server redis-cli
	npx vitest bench --run --project bench $(ARGS)

k6: tools build ## Run k6/*.js against TARGET, or against a gateway it starts
	@k6/run.sh

ingest: ## Push examples/data.txt
	@.ci/install-tools curl
	@curl -fsS -X POST -H 'Content-Type: text/plain' --data-binary @examples/data.txt $(URL)/ingest || { $(explain); }
	@echo "examples/data.txt is pushed; see it: make metrics"

metrics: ## Scrape
	@.ci/install-tools curl
	@curl -fsS $(URL)/metrics || { $(explain); }

# Status 7 of curl: nobody listens.
explain = status=$$?; [ $$status -ne 7 ] || echo "is the gateway running at $(URL)? (make run)" >&2; exit $$status

start-redis: ## Start a Redis on REDIS_PORT: in Docker where an engine answers, else a local process
	@deploy/local.sh start redis

stop-redis: ## Stop it; its data stays
	@deploy/local.sh stop redis

start-prom: ## Start a Prometheus on PROM_PORT that scrapes the gateway on PORT
	@deploy/local.sh start prometheus

stop-prom: ## Stop it; its data stays
	@deploy/local.sh stop prometheus

docker-build: ## Build the image IMAGE (pushgateway-redis)
	docker build -t $(IMAGE) .

clean: ## Remove what was built; DATA_DIR and node_modules stay
	rm -rf dist coverage .cache pushgateway
