# Every target sets up what it needs: Python 3.11+, Node 20+ and make are all a fresh machine must have.
PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip install --quiet --disable-pip-version-check --require-hashes
# Node 20 still works; jsii takes the major version for which it need not repeat that it has reached its end of life.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# Keep bytecode, also where the environment says not to: without it, half of the time of the tests goes into compiling.
export PYTHONDONTWRITEBYTECODE :=

# The tests of each of these have one name, by which several workers would take them for one test.
OF_APPS := tests/e2e/test_app_api_schemathesis.py
OF_ADMINISTRATION := tests/e2e/test_admin_api_schemathesis.py
# What `make check` runs. The ignored folders have no such test, but take long to import.
QUICK := -m "not engine and not cdk and not moto and not slow" --ignore tests/e2e --ignore tests/scenarios --ignore tests/infra

.DEFAULT_GOAL := help
.PHONY: help setup layers run admin app check watch test lint format simulate bench specs diff deploy smoke clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: .venv/.ready .local/engine/.ready node_modules/.ready ## create the environments, install what is pinned

.venv/.ready: requirements/dev.txt sdk/python/pyproject.toml
	@echo "installing Python packages (a minute or two the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP) -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable sdk/python
	@touch $@

.local/engine/.ready: requirements/engine.txt
	@echo "installing the local engine ..."
	@test -x .local/engine/bin/python || $(PYTHON) -m venv .local/engine
	@.local/engine/bin/python $(PIP) -r requirements/engine.txt
	@touch $@

node_modules/.ready: package-lock.json
	@echo "installing the CDK command line ..."
	@npm ci --silent
	@touch $@

layers: .venv/.ready ## build the vendor layers (this machine and AWS), with pip, without Docker
	@$(BIN)/python -m tools.layers local aws

run: setup ## deploy on this machine, play the demonstration, stay up (ONCE=1: end after it; DEMO=0: none; PORT=n)
	@$(BIN)/python -m tools.run $(if $(ONCE),--once) $(if $(filter 0,$(DEMO)),--no-demonstration) $(if $(PORT),--port $(PORT))

admin: setup ## on the running engine, make a platform administrator (EMAIL=... NAME=... UNIT=...)
	@$(BIN)/python -m tools.admin --email "$(EMAIL)" --name "$(NAME)" --unit "$(UNIT)"

app: setup ## on the running engine, make a trial app with keys and templates (NAME=... GUEST=+91... FILE=app.json)
	@$(BIN)/python -m tools.app --name "$(NAME)" --guest "$(GUEST)" $(if $(FILE),--file "$(FILE)") $(if $(ENGINE),--engine "$(ENGINE)")

check: .venv/.ready ## a minute: ruff, layers of imports, every test that needs neither the engine nor the CDK nor moto (ARGS=...)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYTHONPATH=layers/core/python:. $(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(QUICK) $(ARGS)

watch: .venv/.ready ## run tests again after each change of the code, failed ones first (ARGS="tests/unit/people")
	@$(BIN)/watchfiles --filter python '$(BIN)/python -m pytest --failed-first -m "not engine and not cdk" $(or $(ARGS),tests/unit)' \
		layers/core functions infra sdk tests tools

test: setup layers ## run every test: unit, store, templates, conversations on the local engine (ARGS=...)
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --ignore $(OF_APPS) --ignore $(OF_ADMINISTRATION)
	@TEST_ENGINE=apps $(BIN)/python -m pytest $(OF_APPS) & apps=$$!; \
		$(BIN)/python -m pytest $(OF_ADMINISTRATION); rest=$$?; wait $$apps && exit $$rest
endif

lint: setup ## ruff, mypy, and the layers of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYTHONPATH=layers/core/python:. $(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/mypy layers/core/python functions infra tools tests sdk/python/sandes_client

format: setup ## rewrite the code in the one format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

simulate: .venv/.ready ## run the real functions and clients on virtual time, with faults by seed (SEED=7; ARGS="--seeds 1-5000")
	@PYTHONHASHSEED=0 PYTHONPATH=layers/core/python:sdk/python:. $(BIN)/python -m tests.simulation $(if $(SEED),--seeds $(SEED)) $(ARGS)

bench: setup layers ## measure the budgets (ARGS="--quick", "--no-engine")
	@$(BIN)/python -m tools.bench $(ARGS)

specs: setup ## regenerate AsyncAPI and OpenAPI in docs/protocol, docs/errors.md, docs/permissions.md, ...
	@$(BIN)/python -m tools.specs

diff: setup ## show what a deployment would change, and what it would take away (STAGE=dev)
	@$(BIN)/python -m tools.deploy diff $(or $(STAGE),dev)

deploy: setup ## deploy a stage of infra/stages.toml on AWS (STAGE=dev; YES=1: although something would be lost)
	@$(BIN)/python -m tools.deploy deploy $(or $(STAGE),dev) $(if $(YES),--yes)

smoke: setup ## check what a deployed stage must show (STAGE=dev; PHONE=+...: with a device; SESSION=...: with an administrator)
	@$(BIN)/python -m tools.smoke $(or $(STAGE),dev) $(if $(PHONE),--phone $(PHONE)) $(if $(SESSION),--session $(SESSION))

clean: ## remove everything that can be made again, the local accounts and messages included
	rm -rf .venv .local build cdk.out node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
