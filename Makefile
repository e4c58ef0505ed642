# Everything that is done with this project has a target here; `make help` lists them.

GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT      ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS      = -s -w -X main.buildVersion=$(VERSION) -X main.buildCommit=$(COMMIT)
LINT_BIN     = .cache/golangci-lint
VULN_BIN     = .cache/govulncheck
SBOM_BIN     = .cache/cyclonedx-gomod
# The programs that tests compare against, by package name.
TEST_PACKAGES = prometheus prometheus-alertmanager prometheus-node-exporter chromium logrotate
BENCH_PACKAGES = prometheus prometheus-node-exporter

# The end-to-end tests measure time: they run after the others and not beside them.
TEST_ENV     = LLMWATCH_TEST_REQUIRE_TOOLS=1 LLMWATCH_BIN=$(CURDIR)/bin/llmwatch

export CGO_ENABLED ?= 0

.PHONY: help
help: ## List the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

WEB          = dashboards/web
WEB_SOURCES  = $(shell find $(WEB)/src -type f) $(addprefix $(WEB)/,index.html vite.config.ts scripts/precompress.mjs)

.PHONY: build
build: ui ## Build bin/llmwatch, the page included.
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/llmwatch ./cmd/llmwatch

.PHONY: run
run: build ## Build everything and serve on 127.0.0.1:5000 with data under ./data.
	./bin/llmwatch serve --data-dir data

.PHONY: demo
demo: build ## Serve on 127.0.0.1:5000 beside a simulated LLM platform.
	./bin/llmwatch demo

# Without Node the binary carries a page that says how to build the real one.
.PHONY: ui
ui: ## Build the page.
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(WEB)/dist/app/index.html; \
	else echo "no npm: the binary will be without its page"; fi

$(WEB)/dist/app/index.html: $(WEB_SOURCES) $(WEB)/node_modules/.package-lock.json
	cd $(WEB) && npm run --silent build

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	cd $(WEB) && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

.PHONY: ui-api
ui-api: $(WEB)/node_modules/.package-lock.json ## Make the page's API types and docs/api.md from bridge/openapi.yaml.
	cd $(WEB) && npm run --silent api
	$(GO) test ./test/docs -run Reference -update

.PHONY: ui-test
ui-test: deps build ## Test the page, by itself and in a browser with the binary behind it.
	cd $(WEB) && npm test && LLMWATCH_BIN=$(CURDIR)/bin/llmwatch npm run --silent e2e

.PHONY: deps
deps: ## Install the programs that tests compare against.
	@./scripts/install $(TEST_PACKAGES)

.PHONY: test
test: deps build $(VULN_BIN) $(SBOM_BIN) ## Install what the tests need and run them all.
	$(TEST_ENV) $(GO) test -timeout 15m $$($(GO) list ./... | grep -v /test/e2e)
	$(TEST_ENV) $(GO) test -timeout 15m ./test/e2e
	$(MAKE) --no-print-directory ui-test
	cd test/deploy && $(GO) test ./...
	$(MAKE) --no-print-directory fuzz-quick

.PHONY: dashboards
dashboards: ## Write the Grafana dashboards anew.
	cd dashboards/grafana && npm ci --ignore-scripts --no-audit --no-fund && npm run generate

.PHONY: check-dashboards
check-dashboards: ## See whether the Grafana dashboards are what their source says.
	cd dashboards/grafana && npm ci --ignore-scripts --no-audit --no-fund && npm run check

# Reports go to files, because nobody sees what a process prints that a test kills.
RACE_REPORTS = $(CURDIR)/test/output/race

.PHONY: race
race: deps ui ## Run the tests under the race detector, and so the binary that they start.
	@rm -rf $(RACE_REPORTS) && mkdir -p $(RACE_REPORTS)
	CGO_ENABLED=1 $(GO) build -race -o bin/llmwatch-race ./cmd/llmwatch
	CGO_ENABLED=1 $(TEST_ENV) LLMWATCH_BIN=$(CURDIR)/bin/llmwatch-race GORACE=log_path=$(RACE_REPORTS)/report \
		$(GO) test -race -p 1 -timeout 1h ./...; status=$$?; ! cat $(RACE_REPORTS)/report.* 2>/dev/null && exit $$status

.PHONY: clock
clock: deps build $(VULN_BIN) $(SBOM_BIN) ## Run the tests at other dates and in other time zones.
	$(TEST_ENV) LLMWATCH_BIN= ./scripts/clock

.PHONY: soak
soak: deps build clock ## Run the tests that have long versions, as long ones.
	LLMWATCH_SOAK=1 $(TEST_ENV) $(GO) test -count=1 -timeout 1h -run 'Killed|EachStep' ./bridge/logstore
	LLMWATCH_SOAK=1 $(TEST_ENV) $(GO) test -count=1 -timeout 4h -v -run 'EveryLine|SurviveKills|ACrowdIsServed|HostileExpressions' ./test/e2e
	LLMWATCH_SOAK=1 $(TEST_ENV) $(GO) test -count=1 -timeout 1h -run NothingFalse ./bridge
	LLMWATCH_SOAK=1 $(TEST_ENV) $(GO) test -count=1 -timeout 1h -run WhateverChannels ./bridge/alert

.PHONY: fuzz
fuzz: ## Fuzz the parsers of outside bytes, FUZZTIME (default 30m) in all.
	@./scripts/fuzz $(or $(FUZZTIME),30m)

.PHONY: fuzz-quick
fuzz-quick: ## Fuzz each parser for a second.
	@./scripts/fuzz 45s blind

.PHONY: bench
bench: build ## Measure this build beside its peers and print a table.
	@./scripts/install $(BENCH_PACKAGES)
	$(GO) run ./test/bench -bin bin/llmwatch
	$(GO) test -run '^$$' -bench 'Middleware|Push|Scrape' -benchmem ./exporter/...
	$(GO) test -run '^$$' -bench 'Read|Parse' -benchmem ./bridge/logintake/...
	$(GO) test -run '^$$' -bench 'Access|Authenticate|Gather|Record' -benchmem ./internal/app ./internal/auth

.PHONY: lint
lint: $(LINT_BIN) check-dashboards ## Run every linter, the ones for rule files included.
	$(LINT_BIN) run
	$(GO) mod tidy -diff
	@./scripts/install $(TEST_PACKAGES)
	promtool check rules rules/*.yml
	promtool check config prometheus.yml
	$(MAKE) --no-print-directory $(WEB)/node_modules/.package-lock.json
	cd $(WEB) && npm run --silent typecheck && npm run --silent lint
	promtool check config --syntax-only deploy/compose/prometheus.yml
	amtool check-config deploy/compose/alertmanager.yml
	$(MAKE) --no-print-directory vulnerabilities

# What is served must be without any known vulnerability, tools without grave ones.
.PHONY: vulnerabilities
vulnerabilities: $(VULN_BIN) ## Ask the databases of known vulnerabilities, where they can be reached.
	@./scripts/vulnerabilities go .
	@./scripts/vulnerabilities go test/deploy -test
	@./scripts/vulnerabilities npm $(WEB) --omit=dev
	@./scripts/vulnerabilities npm $(WEB) --audit-level=high
	@./scripts/vulnerabilities npm dashboards/grafana --audit-level=high

.PHONY: sbom
sbom: build $(SBOM_BIN) ## Write bin/llmwatch.cdx.json: what the binary is made of (CycloneDX).
	@./scripts/sbom bin/llmwatch $(VERSION)

.PHONY: fmt
fmt: $(LINT_BIN) ## Format the code.
	$(LINT_BIN) fmt

$(LINT_BIN): tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(VULN_BIN): tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$@ golang.org/x/vuln/cmd/govulncheck

$(SBOM_BIN): tools/go.mod tools/go.sum
	cd tools && $(GO) build -o ../$@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin .cache
