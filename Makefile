# make demo: from a clone to a trained agent.  make test: everything CI checks.
# make docs: the site, in build/site.  make links: its links to the web.
# make dist: a release, in dist.  make test-peers: other libraries.
PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
CONSTRAINTS ?= constraints.txt
RUN := $(VENV)/bin/python -m
INSTALL := $(RUN) pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable

.PHONY: demo test check tests docs links dist test-peers clean

demo: $(VENV)/installed
	$(RUN) train demo

test: check tests

check: $(VENV)/installed-test
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

tests: $(VENV)/installed-test
	$(RUN) pytest --numprocesses auto --dist worksteal $(COVERAGE)

docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict

links: docs $(VENV)/installed-release
	$(VENV)/bin/linkchecker --check-extern --no-status build/site/index.html

dist: $(VENV)/installed-release
	CONSTRAINTS=$(CONSTRAINTS) .ci/release $(VERSION)

test-peers: $(PEERS)/installed
	$(PEERS)/bin/python -c "import ray.rllib, rl_zoo3, sb3_contrib, skrl, tianshou, torchrl"
	$(PEERS)/bin/python -m pytest tests/peers

$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(INSTALL) '.[test]'
	touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(INSTALL) '.[docs,onnx]'
	touch $@

$(VENV)/installed-release: $(VENV)/installed
	$(INSTALL) '.[release]'
	touch $@

$(PEERS)/installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[peers]'
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) build dist *.egg-info
