# What a person wants: run, test, lint, bench, load, sim. Each target says what it does.

CARGO ?= cargo
SEEDS ?= 1000
SEED ?=
SCENARIO ?= loadtest/scenarios/smoke.toml

.PHONY: run test lint unit e2e bench load sim clean help

help: ## Print the targets
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/make \1\t\2/p' Makefile

run: ## Build and start a service for this machine (ports 4000, 7070, 7071; data in ./data)
	$(CARGO) build --release --bin levee
	./target/release/levee serve --dev

test: lint unit e2e ## Everything that must pass before a change is handed in

lint: ## Formatting and lints of the Rust code
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit: ## Unit, property, contract, simulation and process tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace; \
	else \
		$(CARGO) test --workspace; \
	fi

e2e: ## Official Fluid clients against the release binary
	$(CARGO) build --release --bin levee
	cd clients && npm ci --no-audit --no-fund && npm test

bench: ## Microbenchmarks of the core
	$(CARGO) bench --workspace

load: ## One load scenario against a service of its own: make load SCENARIO=…
	$(CARGO) build --release --bin levee --bin loadtest
	./target/release/loadtest run $(SCENARIO)

sim: ## Deterministic simulation: make sim SEEDS=10000, or SEED=n to replay one
	LEVEE_SIM_SEEDS=$(SEEDS) LEVEE_SIM_SEED=$(SEED) $(CARGO) test --release --test sim -- --nocapture

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf clients/node_modules clients/*/node_modules
