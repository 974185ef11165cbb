# libedgeinfer. `make help` lists the targets.

# ------------------------------------------------------------------------------------------------- settings --
CC      ?= gcc
AR      ?= ar
CONFIG  ?= release#            release | debug | asan (address and undefined-behaviour sanitizers)
PREFIX  ?= /usr/local
DESTDIR ?=
V       ?= 0#                  1: show the commands

ifeq ($(origin CC),default)
CC := gcc
endif
CC_NAME := $(notdir $(firstword $(CC)))

VERSION := $(shell sed -n 's/^.define EINF_VERSION "\(.*\)"/\1/p' include/edgeinfer/edgeinfer.h)
ABI     := $(shell sed -n 's/^.define EINF_ABI_VERSION \([0-9]*\).*/\1/p' include/edgeinfer/edgeinfer.h)
ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))

# One folder a configuration, so that switching never needs a clean. The default build is build/ itself.
TAG := $(filter-out gcc cc release,$(subst $(CONFIG),,$(CC_NAME)) $(CONFIG))
EMPTY :=
B ?= $(if $(strip $(TAG)),build/$(subst $(EMPTY) ,-,$(strip $(TAG))),build)
O := $B/obj

# --------------------------------------------------------------------------------------------------- flags --
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wdouble-promotion \
        -Wpointer-arith -Wwrite-strings -Wcast-qual
CONFIG_CFLAGS_release := -O2 -g -DNDEBUG
CONFIG_CFLAGS_debug   := -O0 -g3
CONFIG_CFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CONFIG_LDFLAGS_asan   := -fsanitize=address,undefined

# -ffp-contract=off: the reference kernels mean one thing on every compiler; no -march=native, no -ffast-math.
CPPFLAGS += -I. -Iinclude -D_GNU_SOURCE
CFLAGS   += -std=c11 $(CONFIG_CFLAGS_$(CONFIG)) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN)
LDFLAGS  += $(CONFIG_LDFLAGS_$(CONFIG)) -pthread
Q := $(if $(filter 1,$V),,@)

# One instruction set a translation unit: the file's suffix says which.
$O/%_avx2.o: ISA := -mavx2 -mfma -mf16c

LIB_PC   := libpcre2-8 libutf8proc
LIB_LIBS := $(shell pkg-config --libs $(LIB_PC) 2>/dev/null) -lm -pthread
CJSON    := $(shell pkg-config --libs libcjson 2>/dev/null)
CMOCKA   := $(shell pkg-config --libs cmocka 2>/dev/null)

# ------------------------------------------------------------------------------------------------- sources --
LAYERS := base gguf kernels text model decode api
# Layers a layer's unit tests link with: itself and what lies beneath, lowest last.
BELOW_base    := base
BELOW_gguf    := gguf base
BELOW_kernels := kernels base
BELOW_text    := text gguf base
BELOW_model   := model kernels gguf base
BELOW_decode  := decode model kernels gguf base
BELOW_api     := api decode model text kernels gguf base

layer_src = $(wildcard engine/$1/*.c) $(if $(filter kernels,$1),$(wildcard engine/kernels/ref/*.c) \
            $(if $(filter x86_64,$(ARCH)),$(wildcard engine/kernels/x86/*.c)))
ENGINE_SRC := $(foreach l,$(LAYERS),$(call layer_src,$l))
ENGINE_OBJ := $(ENGINE_SRC:%.c=$O/%.o)
BLAS_OBJ   := $(patsubst %.c,$O/%.o,$(wildcard blas/*.c))
CLI_OBJ    := $(patsubst %.c,$O/%.o,$(wildcard cli/*.c))
SUPPORT_OBJ := $(patsubst %.c,$O/%.o,$(wildcard tests/support/*.c))
SUITE_OBJ   := $(SUPPORT_OBJ) $O/tests/golden/golden_support.o
BENCHES    := $(patsubst bench/%.c,%,$(wildcard bench/bench_*.c))

UNIT_SRC   := $(wildcard tests/unit/*/test_*.c)
SUITE_SRC  := $(wildcard tests/golden/test_*.c tests/hostile/test_*.c)
UNIT_BIN   := $(UNIT_SRC:tests/%.c=$B/tests/%)
SUITE_BIN  := $(SUITE_SRC:tests/%.c=$B/tests/%)

# --------------------------------------------------------------------------------------------------- rules --
.PHONY: all help
all: lib programs ## programs and both kinds of library (release: build/bin, build/lib)

# Libraries and programs.
.PHONY: lib programs

STATIC := $B/lib/libedgeinfer.a
SHARED := $B/lib/libedgeinfer.so
BLAS_STATIC := $B/lib/libedgeinfer-blas.a
BLAS_SHARED := $B/lib/libedgeinfer-blas.so

lib: $(STATIC) $(SHARED) $(BLAS_STATIC) $(BLAS_SHARED) ## the libraries alone
programs: $B/bin/edgeinfer $(BENCHES:bench_%=$B/bin/bench-%) ## the command and the benches

# One archive a layer, so that a unit test can link a layer and what lies beneath it, and nothing else.
define layer_archive
$O/lib$1.a: $(patsubst %.c,$O/%.o,$(call layer_src,$1))
	$$(Q)rm -f $$@
	$$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_archive,$l)))

$(STATIC): $(ENGINE_OBJ)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(SHARED): $(ENGINE_OBJ) engine/api/edgeinfer.map
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libedgeinfer.so.$(ABI) -Wl,--version-script=engine/api/edgeinfer.map \
	    -Wl,-z,relro,-z,now -o $@.$(VERSION) $(ENGINE_OBJ) $(LIB_LIBS)
	$(Q)ln -sf libedgeinfer.so.$(VERSION) $@.$(ABI)
	$(Q)ln -sf libedgeinfer.so.$(ABI) $@

$(BLAS_STATIC): $(BLAS_OBJ)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BLAS_SHARED): $(BLAS_OBJ) blas/edgeinfer-blas.map
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,libedgeinfer-blas.so.$(ABI) -Wl,--version-script=blas/edgeinfer-blas.map \
	    -Wl,-z,relro,-z,now -o $@.$(VERSION) $(BLAS_OBJ) $(shell pkg-config --libs openblas 2>/dev/null)
	$(Q)ln -sf libedgeinfer-blas.so.$(VERSION) $@.$(ABI)
	$(Q)ln -sf libedgeinfer-blas.so.$(ABI) $@

$B/bin/edgeinfer: $(CLI_OBJ) $(STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CJSON)

$B/bin/bench-%: $O/bench/bench_%.o $(STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CJSON)

# --------------------------------------------------------------------------------------------------- tests --
# Tests. A unit test tests/unit/LAYER/test_X.c links its layer and what lies beneath; suites link the whole library.
.PHONY: check-unit check-suites $(LAYERS:%=test-%)

define layer_tests
$B/tests/unit/$1/%: $O/tests/unit/$1/%.o $(SUPPORT_OBJ) $(foreach l,$(BELOW_$1),$O/lib$l.a)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS) $$(CJSON) $$(CMOCKA)
test-$1: $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/unit/$1/test_*.c))
	$$(Q)tests/run.sh $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_tests,$l)))

# Whole-library suites, also those that `make check` leaves out.
SUITES := golden hostile real
define suite
$B/tests/$1/%: $O/tests/$1/%.o $(SUITE_OBJ) $(STATIC)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIB_LIBS) $$(CJSON) $$(CMOCKA)
endef
$(foreach s,$(SUITES),$(eval $(call suite,$s)))

check-unit: $(UNIT_BIN) ## unit tests
	$(Q)tests/run.sh $^
check-suites: $(SUITE_BIN) ## golden and hostile suites
	$(Q)tests/run.sh $^

$O/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(ISA) -MMD -MP -c $< -o $@

-include $(shell find $O -name '*.d' 2>/dev/null)
