# Thin wrappers over the command `atoll` and the project's tools. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help up demo test check lock bench soak dev

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/runtime: requirements/runtime.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 13) else "Atoll needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + ". Name another: make up PYTHON=python3.13")'
	@test -x $(BIN)/python || { echo "Creating the virtual environment .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing the packages of requirements/runtime.txt (once; about 20 seconds)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/runtime.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements/dev.txt .venv/runtime
	@echo "Installing the packages of requirements/dev.txt (once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

up: .venv/runtime  ## start the platform on this machine (ARGS="--port 8001" passes options on)
	@$(BIN)/atoll up $(ARGS)

demo: .venv/runtime  ## run the licence journey against the running platform and narrate it
	@$(BIN)/atoll demo $(ARGS)

dev: .venv/dev  ## install what development needs

test: .venv/dev  ## run every test (ARGS="tests/registers -k proof" narrows it)
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/dev  ## lint and check the types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

soak: .venv/dev  ## kill every process after every step of the journey, and notify's at the worst moments, over and over; break every service under load; 15 minutes of mixed load
	@for round in 1 2 3; do ATOLL_SOAK=$$round $(BIN)/python -m pytest -q tests/atoll/test_journey.py tests/notify/test_killed.py tests/registers/storage/test_killed_loads.py tests/gateway/test_chaos.py tests/gateway/test_handover.py tests/gateway/test_slow_callers.py || exit 1; done
	@ATOLL_SOAK=1 $(BIN)/python -m pytest -q tests/gateway/test_soak.py

bench: .venv/dev  ## measure everything beside its targets and peers (ARGS="--quick", ARGS=identity, BIG=1)
	@$(BIN)/python -m bench $(ARGS)

lock:  ## make the hashed locks again from pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/runtime.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev -c requirements/runtime.txt pyproject.toml -o requirements/dev.txt
