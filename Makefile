# SPDX-License-Identifier: MIT
# The front door. Every target sets up what it needs by itself; `make help` lists them.
#
#   V=1           show every command          PROFILE=full    every size and sweep
#   ARGS="..."    further options for zcl, e.g. ARGS="--seed 7 --mode speed"
#
# make itself exits with 2 whatever fails; for zcl's own exit status call build/zcl.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

V ?= 0
PROFILE ?= quick
ARGS ?=
LAB ?=
SUBMISSION ?=

Q := $(if $(filter 1,$(V)),,@)
say = @printf '  %-8s%s\n' '$(1)' '$(2)'
# On a terminal ninja keeps one line up to date; elsewhere it speaks only when something fails.
ninja = $(if $(filter 1,$(V)),ninja -j $(jobs) -v,$(if $(MAKE_TERMOUT),@,@printf '  BUILD   %s\n' '$(1)'; )\
  NINJA_STATUS='  BUILD   [%f/%t] ' ninja -j $(jobs) $(if $(MAKE_TERMOUT),,--quiet)) -C $(1)
jobs := $(shell nproc)

# A wrong call is told before anything is set up or built.
ifneq ($(filter run,$(MAKECMDGOALS)),)
$(if $(LAB),,$(error usage: make run LAB=01   (build/zcl list names the labs)))
endif
ifneq ($(filter grade,$(MAKECMDGOALS)),)
$(if $(and $(LAB),$(SUBMISSION)),,$(error usage: make grade LAB=01 SUBMISSION=DIR))
endif
$(if $(filter quick full,$(PROFILE)),,$(error PROFILE is quick or full, not '$(PROFILE)'))

##@ For everyone
.PHONY: report check run grade docs help
report: zcl ## run every lab; writes out/report.json and out/report.html, prints a table
	$(Q)build/zcl report --profile $(PROFILE) $(ARGS)

check: tests sanitized ## pass all tests; the runner's counts are the last lines
	$(Q)cd build && ctest -j $(jobs) -LE '^(unit|soak)$$' --output-on-failure --no-label-summary --no-tests=error

run: zcl ## measure one lab: make run LAB=01 (or LAB=01/EXPERIMENT)
	$(Q)build/zcl run $(LAB) $(ARGS)

grade: zcl ## grade a directory: make grade LAB=01 SUBMISSION=DIR
	$(Q)build/zcl grade --lab '$(LAB)' --submission '$(SUBMISSION)' $(ARGS)

docs: setup ## build the documentation: out/docs/index.html
	$(call say,DOCS,out/docs)
	$(Q)tools/build_docs out/docs

##@ For those who work on the project
.PHONY: setup zcl build tests sanitized bench soak clean distclean
setup: ## Debian packages and the guest's kernel, nothing else
	$(Q)tools/setup $(if $(filter 1,$(V)),--verbose)

.PHONY: bench_setup
bench_setup:
	$(Q)tools/setup --bench $(if $(filter 1,$(V)),--verbose)

zcl: build/build.ninja ## build/zcl and what it needs
	$(call ninja,build) zcl

build tests: build/build.ninja ## everything, tests included
	$(call ninja,build)

sanitized: build/sanitize/build.ninja ## the unit tests with address and undefined-behaviour checks
	$(call ninja,build/sanitize) unit_tests

bench: bench_setup build/build.ninja ## benchmarks: out/bench.json, in Google Benchmark's format
	$(call ninja,build) zcl zcl_bench
	$(Q)mkdir -p out
	$(Q)build/zcl_bench --benchmark_out=out/bench.json --benchmark_out_format=json $(ARGS)

soak: build ## the long proofs and clang-tidy
	$(Q)cd build && ctest -j $(jobs) -L '^soak$$' --output-on-failure --no-label-summary --no-tests=error

clean: ## remove what was built; keep fetched kernels and out/
	$(call say,CLEAN,build)
	$(Q)if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +; fi

distclean: clean ## remove everything that is not in the repository's history
	$(call say,CLEAN,build/cache out)
	$(Q)rm -rf build out

help: ## this list
	@awk -F ':.*## ' '/^##@ /{printf "\n%s:\n", substr($$0, 5)} \
	  /^[a-z ]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build/build.ninja: | setup
	$(call say,CONFIG,build)
	$(Q)cmake -S . -B build -G Ninja $(if $(filter 1,$(V)),,> build/configure.log || { cat build/configure.log; exit 1; })

build/sanitize/build.ninja: | setup
	$(call say,CONFIG,build/sanitize)
	$(Q)mkdir -p build/sanitize
	$(Q)cmake -S . -B build/sanitize -G Ninja -DZCL_SANITIZE=ON \
	  $(if $(filter 1,$(V)),,> build/sanitize/configure.log || { cat build/sanitize/configure.log; exit 1; })
