# SPDX-License-Identifier: Apache-2.0
# A thin index of verbs: `make help` lists them. The real build is meson's (meson.build).
# Everything made lands in .venv, build*/, examples/data, peakline-result, and ${PEAKLINE_CACHE:-~/.cache/peakline}.

PYTHON ?= python3
FUZZ_SECONDS ?= 30
SOAK_SECONDS ?= 600

VENV := .venv
PY := $(CURDIR)/$(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
CACHE := $(or $(PEAKLINE_CACHE),$(HOME)/.cache/peakline)
PEAKLINE := build/src/cli/peakline

SANITIZE := --buildtype=debugoptimized -Db_lundef=false -Dwerror=false
# What is about reports, words and places of files alone gains nothing from a checked runtime.
REPORT_ONLY := $(foreach name,page page_archive page_large page_sources page_views exports diff cli settings ci tutorials doctor \
                 bad_input copy_on_write, \
                 --ignore=tests/e2e/test_$(name).py)
SANITIZED_SUITES := --suite unit --suite model

.PHONY: help setup setup-demo chromium gfortran btrfs build checked demo check unit asan tsan fuzz web e2e e2e-checked suites format soak soak-minute pythons bench bench-trees bench-threads bench-versions \
        bench-page bench-ledger screenshots setup-wheel wheel wheel-aarch64 docs clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

# ---- set-up ----

debian = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	&& apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $(1) >/dev/null; }

setup: ## virtual environment .venv with all that building and testing need
	@$(PYTHON) tools/environment.py $(VENV) tools/requirements-dev.txt

setup-demo: # the smaller set, for `make demo`; nothing to do once setup has run
	@test -n "$$(grep -ls requirements-dev $(VENV)/installed-* 2>/dev/null)" \
		|| $(PYTHON) tools/environment.py $(VENV) tools/requirements-demo.txt

chromium: # for the page's tests: installed when root on Debian, else they are skipped with a word
	@command -v chromium chromium-browser google-chrome >/dev/null || $(call debian,chromium) \
		|| echo "make: no chromium here; the tests of the page in a browser will be skipped" >&2

gfortran: # for one test of memory from Fortran
	@command -v gfortran >/dev/null || $(call debian,gfortran) \
		|| echo "make: no gfortran here; memory from Fortran is not tested" >&2

btrfs: # for tests on a disk that writes every page anew; they need root besides
	@command -v mkfs.btrfs >/dev/null || $(call debian,btrfs-progs) \
		|| echo "make: no mkfs.btrfs here; records on such disks are not tested" >&2

pythons: setup ## get the CPythons to test with that are missing here, best effort
	@$(PY) tools/pythons.py --packages --suites

# ---- builds ----

build/build.ninja: | setup-demo
	meson setup build --buildtype=release

build: setup-demo build/build.ninja ## release build in build/
	@ninja -C build

checked: setup ## build-checked/: our logic asserted, the whole ledger verified again and again
	@test -f build-checked/build.ninja || meson setup build-checked --buildtype=debugoptimized -Dchecked=true
	@ninja -C build-checked

# ---- for a newcomer ----

demo: build ## set up everything and profile examples/pipeline.py
	@$(PY) examples/make_data.py
	$(PEAKLINE) run examples/pipeline.py

check: setup chromium gfortran btrfs build checked ## set up everything and run every test
# The other Pythons are got, one of them compiled, while tests run that need one only: minutes less on two cores.
	@$(PY) tools/pythons.py --packages --suites >build/pythons.log 2>&1 & pythons=$$!; \
		$(MAKE) --no-print-directory unit asan tsan web e2e-checked || { kill $$pythons 2>/dev/null; exit 1; }; \
		wait $$pythons; cat build/pythons.log
	@$(MAKE) --no-print-directory soak-minute suites e2e

# ---- tests ----

unit: setup build ## unit and model tests in C, a short run of each fuzz target
	@meson test -C build --print-errorlogs

asan: setup ## unit and model tests under the address and undefined-behaviour sanitizers
	@test -f build-asan/build.ninja || meson setup build-asan $(SANITIZE) -Db_sanitize=address,undefined
	@meson test -C build-asan --print-errorlogs $(SANITIZED_SUITES)

tsan: setup ## unit and model tests under the thread sanitizer
	@test -f build-tsan/build.ninja || meson setup build-tsan $(SANITIZE) -Db_sanitize=thread
	@meson test -C build-tsan --print-errorlogs $(SANITIZED_SUITES)

fuzz: setup ## each fuzz target for FUZZ_SECONDS (needs clang)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tools/fuzz.sh

web: setup ## the page's scripts under node, if there is one
	@if command -v node >/dev/null; then node --test tests/web/; \
		else echo "make: no node here; the tests of the page's scripts are skipped" >&2; fi

soak: setup checked pythons ## threads, forks and kills at random under the checked build for SOAK_SECONDS (600)
	@SOAK_SECONDS=$(SOAK_SECONDS) $(PY) tests/soak/soak.py

soak-minute: setup checked pythons # the same for a minute
	@SOAK_SECONDS=60 $(PY) tests/soak/soak.py

e2e-checked: setup checked ## end-to-end tests with the checked build, one Python
	@PEAKLINE=$(CURDIR)/build-checked/src/cli/peakline PEAKLINE_PYTHONS=$(PY) $(PY) -m pytest tests/e2e $(REPORT_ONLY)

# The newest Python that pytest's plugins, or Jupyter, work with: tools/pythons.py finds out which.
suites: setup build ## the pytest plugin and notebooks, with .venv and with the newest Python that has what they need
	@$(PY) -m pytest -n 2 tests/python
	@for suite in pytest notebook lab; do \
		python=$(CACHE)/venvs/$$suite/bin/python; \
		test -x $$python || { echo "make: no newer Python with what the tests of $$suite need; make pythons says why"; continue; }; \
		case $$suite in pytest) set -- -n 2 tests/python/test_plugin.py;; *) set -- tests/python/test_$$suite.py;; esac; \
		$$python -m pytest "$$@" || exit 1; \
	done

e2e: setup build ## end-to-end and meta tests over every CPython found
	@$(PY) -m pytest tests --ignore=tests/python

format: setup ## C as .clang-format (version 14) says; it leaves comments alone
	@$(VENV)/bin/clang-format -i $$(git ls-files '*.[ch]')

# ---- more ----

bench: setup build ## time and memory against plain Python, Fil and memray (long); ARGS=... are passed on
	@$(PY) bench/compare.py $(ARGS)

bench-trees: setup build ## what several processes cost: pools, forks, the tree's peak; ARGS=... are passed on
	@$(PY) bench/trees.py $(ARGS)

bench-threads: setup build ## how threads that only allocate scale, with the interpreter lock and without; ARGS=... are passed on
	@$(PY) bench/threads.py $(ARGS)

bench-versions: setup build ## what six programs cost on every Python of this machine; ARGS=... are passed on
	@$(PY) bench/versions.py $(ARGS)

bench-page: setup build ## the report page: time to build, size, first paint, answers (needs Chromium)
	@$(PY) bench/page.py $(ARGS)

bench-ledger: setup build ## nanoseconds of one allocation and its free in the ledger alone, bytes of ours a block
	@ninja -C build bench-ledger >/dev/null && build/bench-ledger

screenshots: setup chromium build ## pictures of the reports of the demo and of the tutorials, for docs/ (needs Chromium)
	@$(PY) examples/make_data.py
	@$(PY) tools/screenshots.py docs

setup-wheel: setup
	@$(PYTHON) tools/environment.py $(VENV) tools/requirements-wheel.txt

wheel: setup-wheel ## dist/peakline-*.whl for every distribution, made in an old Debian and tried there and here (root)
	@$(PY) tools/wheel.py x86_64

wheel-aarch64: setup-wheel ## the same for aarch64, cross-compiled; tried under qemu-user with a Python of that machine
	@$(PY) tools/wheel.py aarch64

docs: setup ## the documentation as a site, in build-docs/
	@$(PYTHON) tools/environment.py $(VENV) tools/requirements-docs.txt
	@test -x $(PEAKLINE) || $(MAKE) build
	@$(PY) tools/site.py $(PEAKLINE) build-docs

clean: ## remove what was built; .venv and the cache stay
	rm -rf build build-asan build-tsan build-checked build-fuzz build-docs dist
