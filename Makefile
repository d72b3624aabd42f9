# Each target does its own set-up: a virtual environment with locked, hash-checked packages.
PYTHON ?= python3
VENV ?= .venv
PIP = $(VENV)/bin/pip --disable-pip-version-check

.PHONY: demo test check docs torture wheelhouse clean

demo: .venv/run            ## the main job: one simulated shift, counted and checked against the truth
	.venv/bin/mes demo --for 8h --speed 240 --seed 7

test: .venv/dev            ## everything that CI runs
	scripts/test

torture: .venv/dev        ## the long campaign of faults, up to an hour; writes docs/loss-ledger.md
	scripts/torture

wheelhouse: .venv/run      ## everything that a server without a network needs, in one file in dist/
	scripts/wheelhouse

check: .venv/dev           ## style, types and contracts only
	scripts/check

# An interrupted set-up starts again from nothing. The locks are complete, so pip resolves nothing: a newer release elsewhere
# changes nothing here. `pip check` names what a lock lacks.
define set-up
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --quiet install --no-deps --require-hashes -r requirements/$(1).txt
	$(PIP) --quiet install --no-deps --no-build-isolation -e .
	$(PIP) check
endef

$(VENV)/run: requirements/run.txt pyproject.toml
	$(call set-up,run)
	@touch $@

$(VENV)/dev: requirements/dev.txt pyproject.toml
	$(call set-up,dev)
	@touch $@ $(VENV)/run

docs: .venv/dev            ## the documentation as a site, in build/docs/
	rm -rf build/docs
	scripts/docs

clean:
	rm -rf .venv build dist
