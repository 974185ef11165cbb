# libedgeinfer. `make help` lists the targets; `make demo` and `make check` are the two to begin with.

# ------------------------------------------------------------------------------------------------- settings --
CC      ?= gcc#                gcc or clang, also a cross compiler
CONFIG  ?= release#            release | debug | asan (address and undefined behaviour) | tsan (threads)
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
V       ?= 0#                  1: show the commands
BENCH_MODEL ?= models/small-world/small-world-Q4_K_M.gguf
BENCH_TEXT  ?= models/small-world/questions.tsv

PKG_CONFIG  ?= pkg-config

ifeq ($(origin CC),default)
CC := gcc
endif
AR ?= ar
# openblas | none: whether libedgeinfer-blas is built. By default when OpenBLAS is there.
ifeq ($(origin BLAS),undefined)
BLAS := $(shell $(PKG_CONFIG) --exists openblas 2>/dev/null && echo openblas || echo none)
BLAS_TAG :=
else
BLAS_TAG := $(if $(filter none,$(BLAS)),noblas)
endif

VERSION := $(shell sed -n 's/^.define EINF_VERSION "\(.*\)"/\1/p' include/edgeinfer/edgeinfer.h)
ABI     := $(shell sed -n 's/^.define EINF_ABI_VERSION \([0-9]*\).*/\1/p' include/edgeinfer/edgeinfer.h)
ARCH    := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))

# One folder a configuration, so that switching never needs a clean. The default build is build/ itself.
EMPTY :=
TAG := $(filter-out gcc cc release,$(notdir $(firstword $(CC))) $(CONFIG) $(BLAS_TAG))
B ?= $(if $(strip $(TAG)),build/$(subst $(EMPTY) ,-,$(strip $(TAG))),build)
O := $B/obj

# --------------------------------------------------------------------------------------------------- flags --
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wdouble-promotion \
        -Wpointer-arith -Wwrite-strings -Wcast-qual
CONFIG_CFLAGS_release := -O2 -g -DNDEBUG
CONFIG_CFLAGS_debug   := -O0 -g3
CONFIG_CFLAGS_asan    := -O2 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CONFIG_CFLAGS_tsan    := -O1 -g -fsanitize=thread
CONFIG_LDFLAGS_asan   := -fsanitize=address,undefined
CONFIG_LDFLAGS_tsan   := -fsanitize=thread

# -ffp-contract=off: the reference kernels mean one thing on every compiler; no -march=native, no -ffast-math.
# CPPFLAGS, CFLAGS and LDFLAGS are the user's, and come after ours.
OUR_CPPFLAGS = -I. -Iinclude -D_GNU_SOURCE $(CPPFLAGS)
OUR_CFLAGS   = -std=c11 $(CONFIG_CFLAGS_$(CONFIG)) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN) $(CFLAGS)
OUR_LDFLAGS  = $(CONFIG_LDFLAGS_$(CONFIG)) -pthread $(LDFLAGS)
Q := $(if $(filter 1,$V),,@)

# One instruction set a translation unit: the suffix of the file says which.
$O/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$O/blas/%.o: ISA = $(BLAS_CFLAGS)

# Asked when first needed, and then once: `make deps` may just have brought them.
pkg = $(if $(filter undefined,$(origin $1)),$(eval $1 := $$(shell $(PKG_CONFIG) $2)))$($1)
LIB_CFLAGS  = $(call pkg,pc_lib_cflags,--cflags libpcre2-8 libutf8proc)
LIB_LIBS    = $(call pkg,pc_lib_libs,--libs libpcre2-8 libutf8proc) -lm -pthread
BLAS_CFLAGS = $(call pkg,pc_blas_cflags,--cflags openblas)
BLAS_LIBS   = $(call pkg,pc_blas_libs,--libs openblas)
CJSON       = $(call pkg,pc_cjson,--libs libcjson)
CMOCKA      = $(call pkg,pc_cmocka,--libs cmocka)

# ------------------------------------------------------------------------------------------------- sources --
LAYERS := base gguf kernels text model decode api
# What a layer's unit tests link with: the layer and what lies beneath, lowest last.
BELOW_base    := base
BELOW_gguf    := gguf base
BELOW_kernels := kernels base
BELOW_text    := text gguf base
BELOW_model   := model kernels gguf base
BELOW_decode  := decode model kernels gguf base
BELOW_api     := api decode model text kernels gguf base

layer_src = $(wildcard engine/$1/*.c) $(if $(filter kernels,$1),$(wildcard engine/kernels/ref/*.c) \
            $(if $(filter x86_64,$(ARCH)),$(wildcard engine/kernels/x86/*.c)))
ENGINE_OBJ  := $(foreach l,$(LAYERS),$(patsubst %.c,$O/%.o,$(call layer_src,$l)))
BLAS_OBJ    := $(patsubst %.c,$O/%.o,$(wildcard blas/*.c))
CLI_OBJ     := $(patsubst %.c,$O/%.o,$(wildcard cli/*.c))
BENCHES     := $(patsubst bench/bench_%.c,$B/bin/bench-%,$(wildcard bench/bench_*.c))
SUPPORT_OBJ := $(patsubst %.c,$O/%.o,$(wildcard tests/support/*.c))
SUITE_OBJ   := $(SUPPORT_OBJ) $O/tests/golden/golden_support.o

STATIC      := $B/lib/libedgeinfer.a
SHARED      := $B/lib/libedgeinfer.so
BLAS_STATIC := $B/lib/libedgeinfer-blas.a
BLAS_SHARED := $B/lib/libedgeinfer-blas.so
BLAS_LIBRARIES := $(if $(filter none,$(BLAS)),,$(BLAS_STATIC) $(BLAS_SHARED))

# -------------------------------------------------------------------------------------- libraries, programs --
.PHONY: all lib programs
all: lib programs ## programs and both kinds of library (default: build/bin, build/lib)
lib: $(STATIC) $(SHARED) $(BLAS_LIBRARIES) ## the libraries alone
programs: $B/bin/edgeinfer $(BENCHES) ## the command and the benches alone

# What is made depends on the flags it was made with, and on which sources there were: files that change only when
# these do.
remember = mkdir -p $(@D) && { echo '$1' | cmp -s - $@ || echo '$1' >$@; }
$O/flags: FORCE
	$(Q)$(PKG_CONFIG) --exists libpcre2-8 libutf8proc libcjson || { echo 'libraries are missing: make deps' >&2; exit 1; }
	$(Q)$(call remember,$(CC) $(OUR_CPPFLAGS) $(LIB_CFLAGS) $(OUR_CFLAGS) $(OUR_LDFLAGS))
$O/sources: FORCE
	$(Q)$(call remember,$(sort $(ENGINE_OBJ) $(BLAS_OBJ) $(CLI_OBJ) $(SUPPORT_OBJ)))
.PHONY: FORCE
.SECONDARY:

$O/%.o: %.c $O/flags
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_CPPFLAGS) $(LIB_CFLAGS) $(OUR_CFLAGS) $(ISA) -MMD -MP -c $< -o $@

archive = mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

# One archive a layer, so that a unit test can link a layer and what lies beneath it, and nothing else.
define layer_archive
$O/lib$1.a: $(patsubst %.c,$O/%.o,$(call layer_src,$1)) $O/sources
	$$(Q)$$(archive)
endef
$(foreach l,$(LAYERS),$(eval $(call layer_archive,$l)))

$(STATIC): $(ENGINE_OBJ) $O/sources
	$(Q)$(archive)
$(BLAS_STATIC): $(BLAS_OBJ) $O/sources
	$(Q)$(archive)

# $(call shared,NAME,OBJECTS,MAP,LIBS): libNAME.so.VERSION and its links.
shared = mkdir -p $(@D) && $(CC) -shared $(OUR_LDFLAGS) -Wl,-soname,lib$1.so.$(ABI) -Wl,--version-script=$3 \
         -Wl,-z,relro,-z,now $(if $(findstring san,$(CONFIG)),,-Wl,-z,defs) -o $@.$(VERSION) $2 $4 && \
         ln -sf lib$1.so.$(VERSION) $@.$(ABI) && ln -sf lib$1.so.$(ABI) $@
$(SHARED): $(ENGINE_OBJ) $O/sources engine/api/edgeinfer.map
	$(Q)$(call shared,edgeinfer,$(ENGINE_OBJ),engine/api/edgeinfer.map,$(LIB_LIBS))
$(BLAS_SHARED): $(BLAS_OBJ) $O/sources blas/edgeinfer-blas.map
	$(Q)$(call shared,edgeinfer-blas,$(BLAS_OBJ),blas/edgeinfer-blas.map,$(BLAS_LIBS))

$B/bin/edgeinfer: $(CLI_OBJ) $(STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CJSON)
$B/bin/bench-%: $O/bench/bench_%.o $(STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CJSON)

# --------------------------------------------------------------------------------------------------- tests --
# tests/unit/LAYER/test_X.c links its layer and those beneath; the suites link the whole library.
link_test = mkdir -p $(@D) && $(CC) $(OUR_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIB_LIBS) $(CJSON) $(CMOCKA)
unit_of = $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/unit/$1/test_*.c))

define layer_tests
$B/tests/unit/$1/%: $O/tests/unit/$1/%.o $(SUPPORT_OBJ) $(foreach l,$(BELOW_$1),$O/lib$l.a)
	$$(Q)$$(link_test)
.PHONY: test-$1
test-$1: $(call unit_of,$1)
	$$(Q)tests/run.sh $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_tests,$l)))

define suite
$B/tests/$1/%: $O/tests/$1/%.o $(SUITE_OBJ) $(STATIC)
	$$(Q)$$(link_test)
endef
$(foreach s,golden hostile real,$(eval $(call suite,$s)))

# Every slot of the kernel table against its reference: a program of its own, since people run it with options.
$B/tests/checkkern: $O/tests/checkkern/checkkern.o $(SUPPORT_OBJ) $(foreach l,$(BELOW_kernels),$O/lib$l.a)
	$(Q)$(link_test)

$B/tests/blas/%: $O/tests/blas/%.o $(SUITE_OBJ) $(BLAS_STATIC) $(STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(BLAS_LIBS) $(LIB_LIBS) $(CMOCKA)

UNIT   := $(foreach l,$(LAYERS),$(call unit_of,$l)) $B/tests/checkkern
SUITES := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/golden/test_*.c tests/hostile/test_*.c) \
          $(if $(filter none,$(BLAS)),,$(wildcard tests/blas/test_*.c)))
REAL   := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/real/test_*.c))
# Scripts: the command in every configuration; the tree and the products once, with the default configuration.
SCRIPTS := "tests/cli/test_cli.sh $B/bin/edgeinfer" \
           $(if $(filter release,$(CONFIG)),"tests/style/check_style.sh" "tests/style/test_check_style.sh" \
           "tests/build/headers.sh $(CC)" "tests/build/symbols.sh $B/lib" "tests/build/install.sh $(MAKE) $(CC)")

.PHONY: check check-now check-unit check-suites check-style check-real
check: ## all tests; installs missing packages first
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory check-now
check-now: all $(UNIT) $(SUITES) ## all tests, with what is installed
	$(Q)tests/run.sh $(UNIT) $(SUITES) $(SCRIPTS)
check-unit: $(UNIT) ## unit tests
	$(Q)tests/run.sh $^
check-suites: $(SUITES) ## whole models: golden numbers, hostile files
	$(Q)tests/run.sh $^
check-style: ## rules of the tree
	$(Q)tests/style/check_style.sh
check-real: all $(REAL) ## Gemma 3 270M against its golden numbers; fetches 253 MB once
	$(Q)tests/real/check_real.sh $B

# ---------------------------------------------------------------------------------------------- for people --
.PHONY: demo demo-now deps bench help clean install uninstall
demo: ## build, and ask the model that ships a question
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory demo-now
STORY := Jonas goes to the station. Iris walks to the market. Jonas picks up the book. Jonas goes to the garden.
demo-now: $B/bin/edgeinfer
	@echo 'small-world, 3 million parameters, is told:  $(STORY)'
	@echo 'and asked:  Where is Jonas?'
	@$< run -m models/small-world/small-world-Q4_K_M.gguf -p '$(STORY) Where is Jonas?'
	@echo 'Ask it more:  $< run models/small-world/small-world-Q4_K_M.gguf -p "..."   (models/README.md says what it knows)'

deps: ## install missing packages (Debian, Ubuntu); NO_INSTALL=1 only names them
	$(Q)CC='$(CC)' tests/build/deps.sh $(if $(BLAS_TAG),,openblas)

bench: $(BENCHES) ## opening, memory, tokens per second of BENCH_MODEL; tokenizing of BENCH_TEXT
	$(Q)$B/bin/bench-open $(BENCH_MODEL)
	$(Q)$B/bin/bench-tokenize $(BENCH_MODEL) $(BENCH_TEXT)
	$(Q)$B/bin/bench-llm -m $(BENCH_MODEL) -p 256 -n 64

help: ## this list
	@echo 'settings: CC=gcc|clang CONFIG=release|debug|asan|tsan BLAS=openblas|none PREFIX DESTDIR LIBDIR V=1'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

clean: ## remove build/
	$(Q)rm -rf build

DEST := $(DESTDIR)$(PREFIX)
DEST_LIB := $(DESTDIR)$(LIBDIR)
pc = sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' $1 >$(DEST_LIB)/pkgconfig/$(notdir $(1:.in=))
# $(call install_library,NAME,PC_FILE): archive, shared library with its two links, pkg-config file.
install_library = install -m 644 $B/lib/lib$1.a $(DEST_LIB) && \
    install -m 755 $B/lib/lib$1.so.$(VERSION) $(DEST_LIB) && \
    ln -sf lib$1.so.$(VERSION) $(DEST_LIB)/lib$1.so.$(ABI) && ln -sf lib$1.so.$(ABI) $(DEST_LIB)/lib$1.so && $(call pc,$2)
install: all ## headers, libraries, pkg-config files, command and manual, to DESTDIR/PREFIX
	$(Q)mkdir -p $(DEST)/include/edgeinfer $(DEST_LIB)/pkgconfig $(DEST)/bin $(DEST)/share/man/man1
	$(Q)install -m 644 include/edgeinfer/*.h $(DEST)/include/edgeinfer
	$(Q)$(call install_library,edgeinfer,engine/api/edgeinfer.pc.in)
	$(Q)$(if $(BLAS_LIBRARIES),$(call install_library,edgeinfer-blas,blas/edgeinfer-blas.pc.in),true)
	$(Q)install -m 755 $B/bin/edgeinfer $(DEST)/bin
	$(Q)install -m 644 docs/edgeinfer.1 $(DEST)/share/man/man1

uninstall: ## what install put there
	$(Q)rm -rf $(DEST)/include/edgeinfer $(DEST_LIB)/libedgeinfer.* $(DEST_LIB)/libedgeinfer-blas.*
	$(Q)rm -f $(DEST_LIB)/pkgconfig/edgeinfer.pc $(DEST_LIB)/pkgconfig/edgeinfer-blas.pc $(DEST)/bin/edgeinfer \
	    $(DEST)/share/man/man1/edgeinfer.1

-include $(shell find $O -name '*.d' 2>/dev/null)
