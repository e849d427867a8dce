# `make` alone says what there is. Every target installs what it needs first, which takes no time once it is done.

SHELL := /bin/sh
export UV_PYTHON_DOWNLOADS := never
# An image may forbid it, and then every process compiles all of its libraries again: seconds of each start.
unexport PYTHONDONTWRITEBYTECODE

# Trust what the machine trusts, where it says so: behind a company's proxy uv's own list does not do. Two names, of uv's
# newer and older versions.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= true
export UV_NATIVE_TLS ?= true
endif

BIN := .venv/bin
READY := .venv/installed
# What was compiled is kept beside the source; what changed since is compiled here, and not by every process for itself.
WARM := $(BIN)/python -m scheduler compile

.DEFAULT_GOAL := help
.PHONY: help up demo cluster binaries test check format bench clean

help: ## what there is to make
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

up: $(READY) ## run everything on this machine, until Ctrl-C
	@exec $(BIN)/python -m deploy.local up

demo: $(READY) ## play the main job end to end and check it
	@exec $(BIN)/python -m deploy.demo

cluster: $(READY) ## run a Kubernetes with simulated GPU nodes, until Ctrl-C
	@exec $(BIN)/python -m tests.cluster $(CLUSTER)

binaries: $(READY) ## build the Kubernetes of the tests, once on a machine; takes minutes and needs Go
	@exec $(BIN)/python -m tests.cluster build

test: $(READY) ## all tests
	@$(WARM)
	@exec $(BIN)/pytest -n 4 --dist worksteal $(TESTS)

check: $(READY) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright
	@$(BIN)/lint-imports

format: $(READY) ## put the code in its format
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(READY) ## measure; takes minutes
	@exec $(BIN)/python -m bench

clean: ## remove what was installed and built, never the data
	rm -rf .venv .dure dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): uv.lock pyproject.toml deploy/local/install
	@deploy/local/install
	@echo "compiling the calendar's hot functions, once" >&2
	@$(WARM)
	@touch $@
