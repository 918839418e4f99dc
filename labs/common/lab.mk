# SPDX-License-Identifier: MIT
# Rules that every lab shares. A lab's Makefile says what there is, then includes this file:
#
#   COMMON := $(abspath $(firstword $(wildcard ../common common)))
#   MODULES := nf_addr              kernel modules: kernel/Kbuild builds kernel/nf_addr.ko
#   SHARED_MODULES := devmem_gate   modules of $(COMMON)/, copied to kernel/ when built
#   PROGRAMS := nf_reader           user/nf_reader.cc becomes user/nf_reader
#   SOURCES_nf_reader := ...        what else it is made of
#   CXXFLAGS_nf_reader = ...        what else the compiler is told
#   LIBS_nf_reader = -lpcap         libraries; a program that has some is linked dynamically
#   include $(COMMON)/lab.mk
#
# Variables for the person at the terminal:
#   KDIR=DIR    kernel build tree (default: the running kernel's headers)
#   W=1         the kernel's extra warnings        V=1     show every command
#   C=2         run sparse over the modules        WERROR=1  warnings are errors
#   PARAMS=...  module parameters for `make load`
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

KDIR ?= /lib/modules/$(shell uname -r)/build
W ?=
V ?= 0
C ?= 0
SUDO ?= $(if $(filter 0,$(shell id -u)),,sudo)
Q := $(if $(filter 1,$(V)),,@)

ifeq ($(COMMON),)
$(error the shared files are missing: neither ../common nor ./common exists)
endif

module_files := $(MODULES:%=kernel/%.ko) $(SHARED_MODULES:%=kernel/%.ko)
program_files := $(PROGRAMS:%=user/%)
user_headers := $(wildcard user/*.hh include/*.h $(COMMON)/user/*.hh $(COMMON)/ring/*.h)

CXXFLAGS ?= -O2
LDFLAGS ?= -s
lab_cxxflags := -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
  $(if $(WERROR),-Werror) -I$(COMMON)/user -I$(COMMON)/ring -Iinclude

# What kbuild is told. Type information for BPF would need the vmlinux of the kernel package, which
# nothing here uses.
kbuild = +$(Q)$(MAKE) -C $(KDIR) M=$(1) ZCL_COMMON=$(COMMON) W=$(W) V=$(V) C=$(C) \
  CONFIG_DEBUG_INFO_BTF_MODULES= $(if $(WERROR),KCFLAGS=-Werror) --no-print-directory $(2)

.PHONY: all modules shared_modules programs load unload clean check shell help

all: modules programs ## build modules and programs

modules: kernel_tree $(if $(SHARED_MODULES),shared_modules) ## build the kernel modules
	$(if $(MODULES),$(call kbuild,$(CURDIR)/kernel,modules))

shared_modules: kernel_tree
	$(foreach m,$(SHARED_MODULES),$(call kbuild,$(COMMON)/$(m),modules)$(newline))
	$(Q)$(foreach m,$(SHARED_MODULES),cp $(COMMON)/$(m)/$(m).ko kernel/$(m).ko;)

.PHONY: kernel_tree
kernel_tree:
	@test -e $(KDIR)/Makefile || { echo "no kernel build tree at $(KDIR): install the package\
	 linux-headers of your kernel, or give KDIR=DIR" >&2; exit 1; }

programs: $(program_files) ## build the user programs

.SECONDEXPANSION:
user/%: user/%.cc $(user_headers) $$(SOURCES_$$*)
	@echo "  CXX     $@"
	$(Q)$(CXX) $(CXXFLAGS) $(lab_cxxflags) $(CXXFLAGS_$*) $(if $(LIBS_$*),,-static) $(LDFLAGS) \
	  -o $@ $< $(SOURCES_$*) $(LIBS_$*)

# In a hand-out $(COMMON)/zcl.mk says which lab this is and where the grader is.
-include $(COMMON)/zcl.mk
LAB ?= $(notdir $(CURDIR))
ZCL ?= $(abspath $(COMMON)/../../build/zcl)

check: ## grade what is here, each check on a fresh machine (your own sources: no sandbox)
	$(Q)$(ZCL) grade --lab $(LAB) --submission . --no-sandbox

shell: ## a shell in the lab's machine, with the modules of this folder
	$(Q)$(ZCL) shell $(LAB) --submission .

load: modules ## load the modules into the running kernel (PARAMS="name=value ...")
	$(Q)$(foreach m,$(SHARED_MODULES),$(SUDO) insmod kernel/$(m).ko &&) true
	$(Q)$(foreach m,$(MODULES),$(SUDO) insmod kernel/$(m).ko $(PARAMS) &&) true

unload: ## remove them again
	-$(Q)$(foreach m,$(call reversed,$(MODULES)) $(SHARED_MODULES),$(SUDO) rmmod $(m);)

clean: ## remove what was built
	$(Q)rm -f $(program_files)
	$(Q)find $(wildcard kernel) $(SHARED_MODULES:%=$(COMMON)/%) \( -name '*.o' -o -name '*.ko' -o \
	  -name '*.mod' -o -name '*.mod.c' -o -name '.*.cmd' -o -name '.*.d' -o \
	  -name Module.symvers -o -name modules.order \) -delete

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(COMMON)/lab.mk | sort

# The last first: a module goes before those that it stands on.
reversed = $(if $(1),$(call reversed,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))

define newline


endef
