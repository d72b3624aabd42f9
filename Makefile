# Each target does its own set-up: a virtual environment with locked, hash-checked packages.
PYTHON ?= python3
PIP = .venv/bin/pip --disable-pip-version-check --quiet

.PHONY: demo test check torture wheelhouse clean

demo: .venv/run            ## the main job: one simulated shift, counted and checked against the truth
	.venv/bin/mes demo --for 8h --speed 240 --seed 7

test: .venv/dev            ## everything that CI runs
	scripts/test

torture: .venv/dev        ## the long campaign of faults, about an hour; writes docs/loss-ledger.md
	scripts/torture

wheelhouse: .venv/run      ## everything that a server without a network needs, in one file in dist/
	scripts/wheelhouse

check: .venv/dev           ## style, types and contracts only
	scripts/check

.venv/run: requirements/run.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --no-deps --require-hashes -r requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@ .venv/run

clean:
	rm -rf .venv build dist
