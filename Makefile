# CI and newcomers call these; each sets up all it needs.
PYTHONS := 3.13 3.12 3.11
PYTHON ?= $(shell for p in $(PYTHONS:%=python%) python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(CURDIR)/.cache/tools
RAG_APP := $(CURDIR)/.cache/rag-app
PROMETHEUS := $(TOOLS)/prometheus-3/prometheus
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PYTEST := TOOLS=$(TOOLS) $(BIN)/python -m pytest -n 4 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help run demo demo-app test test-all check bundle contract golden version hashes release clean

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(VENV)/installed ## Start the exporter (ARGS="--config inferometer.yml")
	$(BIN)/inferometer run $(ARGS)

# Prometheus comes with the tools of the tests; without it there is a page, and no alert.
demo: $(VENV)/installed-gateway ## A made-up fleet with an incident in it, and its alerts (ARGS="--faster 1")
	@command -v prometheus >/dev/null || test -x $(PROMETHEUS) || \
		bash tests/tools/debian.sh $(TOOLS) >/dev/null || true
	@$(BIN)/inferometer demo $$(test ! -x $(PROMETHEUS) || echo --prometheus $(PROMETHEUS)) $(ARGS)

# A real vLLM, a gateway and examples/rag_app, each a process that ends with this one.
demo-app: $(VENV)/installed-dev $(RAG_APP)/installed ## A chat about the docs on a real, tiny vLLM, and what is measured of it (ARGS="--help")
	@RAG_APP=$(RAG_APP) $(BIN)/python -m tests.e2e.example $(ARGS)

test: $(VENV)/installed-dev tools ssh $(CURDIR)/.cache/receivers/test-agent/installed check ## Everything hermetic: lint, types, tests
	$(PYTEST) -m "not heavy"

test-all: test browser engine victoria collector senders receivers elastic wheels ## With a browser, the real vLLM, alerts end to end, long fault loops
	TOOLS=$(TOOLS) $(BIN)/python -m pytest -m heavy -s

check: $(VENV)/installed-dev helm ## Lint, types, and what is generated is fresh
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m deploy.build --check

bundle: $(VENV)/installed-dev helm ## All of deploy/generated/, from the definitions and the chart (ARGS="--help")
	$(BIN)/python -m deploy.build $(ARGS)

contract: $(VENV)/installed-dev ## Record in deploy/contract.yml what others may rely on
	$(BIN)/python -m deploy.build.contract

golden: $(VENV)/installed-dev tools ## Record golden pages, notifications and the documents' engines anew; read the difference
	GOLDEN=record TOOLS=$(TOOLS) $(BIN)/python -m pytest -q tests/exporter/test_golden.py \
		tests/exporter/engines/test_matrix.py tests/exporter/spans/test_mapping.py \
		tests/exporter/spans/test_explain.py \
		tests/bundle/test_golden_notifications.py

version: $(VENV)/bin/python ## Write the version wherever it stands (VERSION=1.2.3)
	$(BIN)/python -m deploy.release.places $(VERSION)

hashes: $(VENV)/installed-release ## Pin what the image installs, by hash, from constraints.txt
	$(BIN)/python -m deploy.release.hashes

release: $(VENV)/installed-release helm ssh ## All of a release into dist/, from its tag (VERSION=1.2.3 BASE_DIGEST=sha256:... KEY=~/.ssh/id_ed25519)
	TOOLS=$(TOOLS) $(BIN)/python -m deploy.release "$(VERSION)" --base-digest "$(BASE_DIGEST)" \
		$(if $(KEY),--key "$(KEY)")

.PHONY: ssh
ssh: ## OpenSSH's client, which signs
	command -v ssh-keygen >/dev/null || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -y -q --no-install-recommends openssh-client; }

.PHONY: wheels
wheels: $(TOOLS)/wheels/complete ## What a release is tried with, for every Python that is supported
$(TOOLS)/wheels/complete: deploy/requirements.txt deploy/requirements-gateway.txt deploy/requirements-build.txt | $(VENV)/installed-dev
	rm -rf $(@D)
	for version in $(PYTHONS); do for wheels in "-r deploy/requirements.txt --require-hashes" \
			"-r deploy/requirements-gateway.txt --require-hashes" \
			"-r deploy/requirements-build.txt --require-hashes" \
			"-c constraints.txt pytest pytest-timeout hypothesis grpcio-tools"; do \
		$(BIN)/python -m pip download -q --disable-pip-version-check --only-binary=:all: \
			--python-version $$version -d $(@D) $$wheels || exit 1; done; done
	touch $@

.PHONY: browser
browser: ## Debian's chromium, where it is missing
	bash tests/tools/debian.sh $(TOOLS) chromium

.PHONY: engine
engine: ## Docker's engine, unpacked, where one may run
	! unshare --mount --net true 2>/dev/null || bash tests/tools/debian.sh $(TOOLS) dockerd

.PHONY: victoria
victoria: ## VictoriaMetrics and vmalert, unpacked
	bash tests/tools/debian.sh $(TOOLS) victoria-metrics

.PHONY: collector
collector: ## An OpenTelemetry Collector, compiled of Debian's packages
	bash tests/tools/debian.sh $(TOOLS) otelcol

.PHONY: tools
tools: helm ## Prometheus and Alertmanager, Helm and kubectl of two releases each, gcc, openssl, PostgreSQL, rsyslog
	bash tests/tools/debian.sh $(TOOLS) postgresql rsyslog

.PHONY: helm
helm: $(VENV)/installed-dev
	bash tests/tools/kubernetes.sh $(TOOLS) $(BIN)/python

.PHONY: bench
bench: $(VENV)/installed-bench tools ## What watching costs, against other exporters (BENCH_QUICK=1)
	$(BIN)/python -m bench

clean: ## Forget everything that was made here
	rm -rf $(VENV) .cache .mypy_cache .pytest_cache .ruff_cache dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(SUDO) apt-get update -q && \
		$(SUDO) apt-get install -y -q --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/installed-gateway: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[gateway]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

test-all: $(VENV)/installed-bench $(VENV)/installed-fuzz $(VENV)/installed-release $(VENV)/installed-chdb
$(VENV)/installed-bench: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	touch $@

$(VENV)/installed-release: $(VENV)/installed-dev
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[release]'
	touch $@

$(VENV)/installed-fuzz: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check --only-binary=atheris \
		-c constraints.txt -e '.[fuzz]' || echo "No atheris for this Python: nothing is fuzzed"
	touch $@

$(VENV)/installed-chdb: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[chdb]'
	touch $@

$(VENV)/installed-boards: $(VENV)/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[boards]'
	touch $@

# What draws boards; npm's packages stay in the cache, and run none of their scripts.
BOARDVIEW := .cache/boardview
WITH_NODE := cd $(BOARDVIEW) && PATH="$(abspath $(BIN)):$$PATH"
.PHONY: boardview pictures
boardview: $(BOARDVIEW)/dist/index.html
test-all: boardview

pictures: $(VENV)/installed-dev browser tools boardview ## The pictures of README and docs, from the demo
	TOOLS=$(TOOLS) $(BIN)/python -m tests.e2e.pictures docs/pictures

$(BOARDVIEW)/installed: tests/boardview/package.json tests/boardview/package-lock.json \
		| $(VENV)/installed-boards
	mkdir -p $(BOARDVIEW)
	cp $^ $(BOARDVIEW)
	$(WITH_NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

$(BOARDVIEW)/dist/index.html: $(BOARDVIEW)/installed tests/boardview/build.mjs \
		$(wildcard tests/boardview/src/*)
	rm -rf $(BOARDVIEW)/src
	cp -r tests/boardview/build.mjs tests/boardview/src $(BOARDVIEW)
	$(WITH_NODE) node build.mjs

# Instrumented applications: a virtual environment for each set of packages, which clash, and Node's.
SENDERS := .cache/senders
INSTRUMENTATIONS := $(basename $(notdir $(wildcard tests/e2e/senders/python/*.txt)))
.PHONY: senders
senders: $(INSTRUMENTATIONS:%=$(SENDERS)/%/installed) $(SENDERS)/node/installed ## Instrumented applications, for python -m tests.e2e.senders

$(SENDERS)/%/installed: tests/e2e/senders/python/%.txt | $(VENV)/bin/python
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r $<
	touch $@

$(SENDERS)/node/installed: $(wildcard tests/e2e/senders/node/*) | $(VENV)/installed-boards
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# The example application has an environment of its own: its packages are none of the exporter's.
test-all: $(RAG_APP)/installed
$(RAG_APP)/installed: examples/rag_app/requirements.txt | $(VENV)/bin/python
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check --only-binary=:all: \
		--no-deps --require-hashes -r $<
	touch $@

# Ragas, before which the tests put a judge; its packages clash with no others there.
RAGAS := $(CURDIR)/.cache/ragas
.PHONY: ragas
ragas: $(RAGAS)/installed ## Ragas in an environment of its own, for its test (800 MB)
test-all: ragas
$(RAGAS)/installed: tests/e2e/ragas/requirements.txt | $(VENV)/bin/python
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check --no-deps -r $<
	touch $@

# Elastic's own types and list of fields, for the tests.
ELASTIC := .cache/elastic
.PHONY: elastic
elastic: $(ELASTIC)/installed ## Elastic's own types and fields, against which its templates are checked

$(ELASTIC)/installed: $(wildcard tests/e2e/elastic/node/*) | $(VENV)/installed-boards
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && PATH="$(abspath $(BIN)):$$PATH" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# The official validator of FOCUS, which wants a newer Python than ours may be.
FOCUS := .cache/focus
.PHONY: focus
test-all: focus
focus: $(FOCUS)/installed ## The official validator of FOCUS, for tests/e2e/test_focus_validator.py

$(FOCUS)/installed: tests/e2e/focus/requirements.txt | $(VENV)/bin/python
	rm -rf $(@D)
	$(BIN)/python -m tests.e2e.focus $(@D) && touch $@ || test ! -d $(@D)

# Programs that take what is passed on: an environment for each, as their packages clash.
RECEIVERS := $(CURDIR)/.cache/receivers
.PHONY: receivers
receivers: $(RECEIVERS)/test-agent/installed $(RECEIVERS)/phoenix/installed $(RECEIVERS)/mlflow/installed ## Datadog's test agent, Phoenix and MLflow, for tests/e2e/test_destinations_real.py

$(RECEIVERS)/%/installed: tests/e2e/receivers/python/%.txt | $(VENV)/bin/python
	rm -rf $(@D)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install -q --disable-pip-version-check -r $<
	touch $@
