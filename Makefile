# What a person wants: run, test, lint, bench, load, sim. Each target says what it does.

CARGO ?= cargo
SEEDS ?= 1000
SEED ?=
SCENARIO ?= loadtest/scenarios/hot-document.toml
LOAD_PORT ?= 7171

# Written when the packages of clients/ are installed, and when its packages and sites are built.
INSTALLED := clients/node_modules/.installed
BUILT := clients/node_modules/.built
SOURCES := $(shell find clients/driver clients/client clients/examples clients/admin -type f \
	-not -path '*/node_modules/*' -not -path '*/esm/*' -not -path '*/docs/*' \
	-not -path '*/test-results/*' -not -path '*/tests/*')

.DEFAULT_GOAL := help
.PHONY: run service test lint unit e2e browser bench load compare sim clean help

help: ## Print the targets
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/make \1\t\2/p' Makefile

run: ## Build and start a service with its examples (http://localhost:4000; data in ./data)
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(BUILT); \
	else echo "No Node here: the service starts without its examples."; fi
	$(CARGO) build --release --bin levee
	./target/release/levee serve --dev

$(INSTALLED): clients/package-lock.json
	cd clients && npm ci --no-audit --no-fund
	@touch $@

$(BUILT): $(INSTALLED) $(SOURCES)
	cd clients && npm run build
	@touch $@

service: $(BUILT) ## Build the service with the web sites in it
	$(CARGO) build --release --bin levee

test: lint unit e2e browser ## Everything that must pass before a change is handed in

lint: ## Formatting and lints of the Rust code
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit: ## Unit, property, contract, simulation and process tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace && $(CARGO) test --workspace --doc; \
	else \
		$(CARGO) test --workspace; \
	fi

e2e: service ## Official Fluid clients, and our own, against the release binary
	cd clients && npm run format:check && npm run lint && npm run typecheck
	cd clients && npm test

browser: service ## The examples and the admin page in Chromium
	cd clients && npm run browser --workspace examples --workspace admin

bench: ## Microbenchmarks of the core and the store
	$(CARGO) bench --workspace

load: ## One load scenario against a service of its own: make load SCENARIO=…
	$(CARGO) build --release -p levee -p levee-loadtest
	@mkdir -p target/peers; \
	loadtest/peers/levee.sh $(LOAD_PORT) 0 & service=$$!; trap "kill $$service" EXIT; \
	for try in $$(seq 100); do \
		curl -fs http://127.0.0.1:$(LOAD_PORT)/health >/dev/null && break; sleep 0.2; \
	done; \
	target/release/levee-loadtest run $(SCENARIO) --url http://127.0.0.1:$(LOAD_PORT) --cpu 1

compare: ## The same work done by Tinylicious and by this service, side by side
	loadtest/compare.sh

sim: ## Deterministic simulation: make sim SEEDS=10000, or SEED=n to replay one
	@# Built as the tests are: a release build takes longer than ten thousand seeds.
	SIM_SEEDS=$(SEEDS) SIM_SEED=$(SEED) $(CARGO) test --test sim $(if $(SEED),replay) -- --nocapture

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf clients/node_modules clients/*/node_modules clients/*/esm clients/dist/*
