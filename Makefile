# Each target is a line or two of uv. `make check` is what CI runs.
.DEFAULT_GOAL := help
EXPORT := uv export --frozen --quiet --no-emit-project --no-header --no-annotate

.PHONY: help setup run up demo test test-all lint fix types rooms check simulation chaos faults-long bench vulnerabilities lock upgrade sbom licences audit secrets

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Installs the project and its tools into .venv
	uv sync

up: ## Starts Temporal, Postgres, Valkey and a worker on this machine, until Ctrl-C
	uv run casekeeper up

demo: ## Runs two cases on real servers and shows what happened
	uv run casekeeper demo

run: ## Runs any command: make run ARGS="show case_8842"
	uv run casekeeper $(ARGS)

test: ## Runs the tests but the slow ones
	uv run pytest -m "not e2e"

test-all: ## Runs all tests
	uv run pytest

lint: ## Checks style and format
	uv run ruff check
	uv run ruff format --check

fix: ## Repairs what a tool can repair
	uv run ruff check --fix
	uv run ruff format

types: ## Checks the types, with two checkers
	uv run pyright
	uv run mypy

rooms: ## Checks that imports point down only
	uv run lint-imports

check: lint types rooms vulnerabilities test-all ## Everything that CI checks

# Exit code 2: the service could not be asked.
vulnerabilities:
	uv run deploy/audit.py || [ $$? -eq 2 ]

simulation: ## Plays cases with random failures: make simulation CASES=10000 SEED=1
	uv run python -m tests.faults.simulation.run --cases $(or $(CASES),1000) --seed $(or $(SEED),1) --first $(or $(FIRST),0)

chaos: ## Kills workers and servers under load: make chaos SEEDS=10 CASES=1000
	uv run python -m tests.faults.chaos --seeds $(or $(SEEDS),10) --cases $(or $(CASES),1000)

faults-long: ## Runs the tests of faults that CI has no time for, too
	FAULTS=long uv run pytest tests/faults

bench: ## Measures the state layer beside the bare servers
	uv run python -m benchmarks.state

lock: ## Writes the pins and the lock files again, after a change of dependencies
	deploy/pins.py --clear
	uv lock $(LOCK_FLAGS)
	$(EXPORT) --no-dev --all-extras --output-file requirements.lock
	$(EXPORT) --only-group build --output-file deploy/build.lock
	deploy/pins.py
	uv sync
	$(MAKE) sbom

sbom: ## Writes deploy/sbom.cdx.json, which the wheel carries, from requirements.lock
	uv run deploy/sbom.py

licences: ## Lists the licence of every locked package; fails for one that is not allowed
	uv run deploy/sbom.py --licences

audit: ## Asks the public index which locked packages have known vulnerabilities
	uv run deploy/audit.py

upgrade: ## Like lock, but takes the newest of what we do not pin ourselves
	$(MAKE) lock LOCK_FLAGS=--upgrade

secrets: ## Writes new passwords for docker-compose.yml, once
	@umask 077; set -C; mkdir -p .casekeeper; uv run python -c 'import re, secrets; print(re.sub(r"(?m)=$$", lambda _: "=" + secrets.token_hex(24), open("deploy/env.example").read()), end="")' > .casekeeper/compose.env
