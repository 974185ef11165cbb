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
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
# aarch64 made on another machine: pkg-config looks where Debian's multi-arch libraries are, tests run under QEMU.
CROSS := $(filter aarch64,$(filter-out $(shell uname -m),$(ARCH)))
ifneq ($(CROSS),)
ifeq ($(origin PKG_CONFIG),file)
PKG_CONFIG := PKG_CONFIG_LIBDIR=/usr/lib/$(CROSS)-linux-gnu/pkgconfig:/usr/share/pkgconfig pkg-config
endif
EMULATOR ?= qemu-$(CROSS)
export EMULATOR
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

# One folder a configuration, so that switching never needs a clean. The default build is build/ itself.
EMPTY :=
TAG := $(filter-out gcc cc release,$(notdir $(firstword $(CC))) $(if $(findstring $(CROSS),$(firstword $(CC))),,$(CROSS)) \
       $(CONFIG) $(BLAS_TAG))
B ?= $(if $(strip $(TAG)),build/$(subst $(EMPTY) ,-,$(strip $(TAG))),build)
O := $B/obj

# --------------------------------------------------------------------------------------------------- flags --
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wdouble-promotion \
        -Wpointer-arith -Wwrite-strings -Wcast-qual
CONFIG_CFLAGS_release := -O2 -g -DNDEBUG
CONFIG_CFLAGS_debug   := -O0 -g3
CONFIG_CFLAGS_asan    := -O2 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CONFIG_CFLAGS_tsan    := -O2 -g -fsanitize=thread
CONFIG_CFLAGS_fuzz    := $(CONFIG_CFLAGS_asan) -fsanitize=fuzzer-no-link
CONFIG_LDFLAGS_asan   := -fsanitize=address,undefined
CONFIG_LDFLAGS_fuzz   := -fsanitize=address,undefined
CONFIG_LDFLAGS_tsan   := -fsanitize=thread

# -ffp-contract=off: the reference kernels mean one thing on every compiler; no -march=native, no -ffast-math.
# CPPFLAGS, CFLAGS and LDFLAGS are the user's, and come after ours.
OUR_CPPFLAGS = -I. -Iinclude -D_GNU_SOURCE $(CPPFLAGS)
OUR_CFLAGS   = -std=c11 $(CONFIG_CFLAGS_$(CONFIG)) -fPIC -fvisibility=hidden -ffp-contract=off -pthread $(WARN) $(CFLAGS)
OUR_LDFLAGS  = $(CONFIG_LDFLAGS_$(CONFIG)) -pthread $(LDFLAGS)
Q := $(if $(filter 1,$V),,@)

# Inner loops are where no new path is found: fuzzing watches their memory, does not count their edges, and does not
# wait for the compiler's best.
$O/engine/kernels/%.o: CONFIG_CFLAGS_fuzz := $(CONFIG_CFLAGS_asan:-O2=-O1)

AVX512 := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl
# One instruction set a translation unit: the suffix of the file says which.
$O/%_avx2.o: ISA := -mavx2 -mfma -mf16c
$O/%_avxvnni.o: ISA := -mavx2 -mfma -mf16c -mavxvnni
$O/%_avx512.o: ISA := $(AVX512)
$O/%_vnni512.o: ISA := $(AVX512) -mavx512vnni
$O/%_dotprod.o: ISA := -march=armv8.2-a+dotprod
$O/%_i8mm.o: ISA := -march=armv8.2-a+dotprod+i8mm
$O/%_avx512fp16.o: ISA := $(AVX512) -mavx512fp16
$O/%_fp16.o: ISA := -march=armv8.2-a+fp16
$O/blas/%.o: ISA = $(BLAS_CFLAGS)

# Asked when first needed, and then once: `make deps` may just have brought them.
pkg = $(if $(filter undefined,$(origin $1)),$(eval $1 := $$(shell $(PKG_CONFIG) $2)))$($1)
LIB_CFLAGS  = $(call pkg,pc_lib_cflags,--cflags libpcre2-8 libutf8proc libxxhash libpng libjpeg)
LIB_LIBS    = $(call pkg,pc_lib_libs,--libs libpcre2-8 libutf8proc libxxhash libpng libjpeg) -lm -pthread
BLAS_CFLAGS = $(call pkg,pc_blas_cflags,--cflags openblas)
BLAS_LIBS   = $(call pkg,pc_blas_libs,--libs openblas)
CJSON       = $(call pkg,pc_cjson,--libs libcjson)
LIBEDIT     = $(call pkg,pc_libedit,--libs libedit)
CMOCKA      = $(call pkg,pc_cmocka,--libs cmocka)

# ------------------------------------------------------------------------------------------------- sources --
LAYERS := base gguf kernels text model decode vision api
# What a layer's unit tests link with: the layer and what lies beneath, lowest last.
BELOW_base    := base
BELOW_gguf    := gguf base
BELOW_kernels := kernels base
BELOW_text    := text gguf base
BELOW_model   := model kernels gguf base
BELOW_decode  := decode model kernels gguf base
BELOW_vision  := vision kernels gguf base
BELOW_api     := api vision decode model text kernels gguf base

layer_src = $(wildcard $(if $(filter vision,$1),vision,engine/$1)/*.c) $(if $(filter kernels,$1),$(wildcard engine/kernels/ref/*.c) \
            $(if $(filter x86_64,$(ARCH)),$(wildcard engine/kernels/x86/*.c)) \
            $(if $(filter aarch64,$(ARCH)),$(wildcard engine/kernels/arm/*.c)))
ENGINE_OBJ  := $(foreach l,$(LAYERS),$(patsubst %.c,$O/%.o,$(call layer_src,$l)))
PROF_OBJ    := $(patsubst %.c,$O/%.o,$(wildcard profiler/*/*.c))
PROF_CLI_OBJ := $(patsubst %.c,$O/%.o,$(wildcard cli/edgeprof/*.c) cli/nearest.c cli/numbers.c)
BLAS_OBJ    := $(patsubst %.c,$O/%.o,$(wildcard blas/*.c))
CLI_OBJ     := $(patsubst %.c,$O/%.o,$(wildcard cli/*.c))
BENCHES     := $(patsubst bench/bench_%.c,$B/bin/bench-%,$(wildcard bench/bench_*.c))
BENCH_OBJ   := $(patsubst %.c,$O/%.o,$(filter-out bench/bench_%.c,$(wildcard bench/*.c)) \
               $(if $(filter x86_64,$(ARCH)),$(wildcard bench/x86/*.c)) \
               $(if $(filter aarch64,$(ARCH)),$(wildcard bench/arm/*.c)))
SUPPORT_OBJ := $(patsubst %.c,$O/%.o,$(wildcard tests/support/*.c))
SUITE_OBJ   := $(SUPPORT_OBJ) $O/tests/golden/golden_support.o

STATIC      := $B/lib/libedgeinfer.a
SHARED      := $B/lib/libedgeinfer.so
PROF_STATIC := $B/lib/libedgeprof.a
PROF_SHARED := $B/lib/libedgeprof.so
BLAS_STATIC := $B/lib/libedgeinfer-blas.a
BLAS_SHARED := $B/lib/libedgeinfer-blas.so
BLAS_LIBRARIES := $(if $(filter none,$(BLAS)),,$(BLAS_STATIC) $(BLAS_SHARED))

# -------------------------------------------------------------------------------------- libraries, programs --
.PHONY: all lib programs
all: lib programs ## programs and both kinds of library (default: build/bin, build/lib)
lib: $(STATIC) $(SHARED) $(PROF_STATIC) $(PROF_SHARED) $(BLAS_LIBRARIES) ## the libraries alone
programs: $B/bin/edgeinfer $B/bin/edgeprof $(BENCHES) ## the commands and the benches alone

# What is made depends on the flags it was made with, and on which sources there were: files that change only when
# these do.
remember = mkdir -p $(@D) && { echo '$1' | cmp -s - $@ || echo '$1' >$@; }
$O/flags: FORCE
	$(Q)$(PKG_CONFIG) --exists libpcre2-8 libutf8proc libxxhash libpng libjpeg libcjson libedit || { echo 'libraries are missing: make deps' >&2; exit 1; }
	$(Q)$(call remember,$(CC) $(OUR_CPPFLAGS) $(LIB_CFLAGS) $(OUR_CFLAGS) $(OUR_LDFLAGS))
$O/sources: FORCE
	$(Q)$(call remember,$(sort $(ENGINE_OBJ) $(PROF_OBJ) $(PROF_CLI_OBJ) $(BLAS_OBJ) $(CLI_OBJ) $(BENCH_OBJ) $(SUPPORT_OBJ)))
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
$(PROF_STATIC): $(PROF_OBJ) $O/sources
	$(Q)$(archive)
$(BLAS_STATIC): $(BLAS_OBJ) $O/sources
	$(Q)$(archive)

# $(call shared,NAME,OBJECTS,MAP,LIBS): libNAME.so.VERSION and its links.
shared = mkdir -p $(@D) && $(CC) -shared $(OUR_LDFLAGS) -Wl,-soname,lib$1.so.$(ABI) -Wl,--version-script=$3 \
         -Wl,-z,relro,-z,now $(if $(findstring san,$(CONFIG)),,-Wl,-z,defs) -o $@.$(VERSION) $2 $4 && \
         ln -sf lib$1.so.$(VERSION) $@.$(ABI) && ln -sf lib$1.so.$(ABI) $@
$(SHARED): $(ENGINE_OBJ) $O/sources engine/api/edgeinfer.map $(PROF_SHARED)
	$(Q)$(call shared,edgeinfer,$(ENGINE_OBJ),engine/api/edgeinfer.map,-L$B/lib -ledgeprof $(LIB_LIBS))
$(PROF_SHARED): $(PROF_OBJ) $O/sources profiler/edgeprof.map
	$(Q)$(call shared,edgeprof,$(PROF_OBJ),profiler/edgeprof.map,-lm -pthread)
$(BLAS_SHARED): $(BLAS_OBJ) $O/sources blas/edgeinfer-blas.map
	$(Q)$(call shared,edgeinfer-blas,$(BLAS_OBJ),blas/edgeinfer-blas.map,$(BLAS_LIBS))

$B/bin/edgeinfer: $(CLI_OBJ) $(STATIC) $(PROF_STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CJSON) $(LIBEDIT)
$B/bin/edgeprof: $(PROF_CLI_OBJ) $(PROF_STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $^ $(CJSON) -lm -pthread
# For another architecture: a script in the command's place, which lends it the emulator.
$B/emulated/edgeinfer: $B/bin/edgeinfer
	$(Q)mkdir -p $(@D)
	$(Q)printf '#!/bin/sh\nexec $$EMULATOR %s "$$@"\n' '$(abspath $<)' >$@
	$(Q)chmod +x $@
$O/libbench.a: $(BENCH_OBJ) $O/sources
	$(Q)$(archive)
$B/bin/bench-%: $O/bench/bench_%.o $O/libbench.a $(STATIC) $(PROF_STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $^ $(LIB_LIBS) $(CJSON)

# --------------------------------------------------------------------------------------------------- tests --
# tests/unit/LAYER/test_X.c links its layer and those beneath; the suites link the whole library.
link_test = mkdir -p $(@D) && $(CC) $(OUR_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(LIB_LIBS) $(CJSON) $(CMOCKA)
unit_of = $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/unit/$1/test_*.c))

define layer_tests
$B/tests/unit/$1/%: $O/tests/unit/$1/%.o $(SUPPORT_OBJ) $(foreach l,$(BELOW_$1),$O/lib$l.a) $(if $(filter api,$1),$(PROF_STATIC))
	$$(Q)$$(link_test)
.PHONY: test-$1
test-$1: $(call unit_of,$1)
	$$(Q)tests/run.sh $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_tests,$l)))

# The profiler knows the C library alone.
$B/tests/unit/profiler/test_profiler_faults: PROF_WRAPS := malloc calloc realloc pthread_create
$B/tests/unit/profiler/%: $O/tests/unit/profiler/%.o $O/tests/support/fake_machine.o $(PROF_STATIC)
	$(Q)$(link_test) $(PROF_WRAPS:%=-Wl,--wrap=%)
.PHONY: test-profiler
test-profiler: $(call unit_of,profiler)
	$(Q)tests/run.sh $^

# What the benches reckon with, tested as a layer is.
$B/tests/unit/bench/%: $O/tests/unit/bench/%.o $(SUPPORT_OBJ) $O/libbench.a $(STATIC) $(PROF_STATIC)
	$(Q)$(link_test)
.PHONY: test-bench
test-bench: $(call unit_of,bench)
	$(Q)tests/run.sh $^

define suite
$B/tests/$1/%: $O/tests/$1/%.o $(SUITE_OBJ) $(STATIC) $(PROF_STATIC)
	$$(Q)$$(link_test)
endef
$(foreach s,golden hostile real threads,$(eval $(call suite,$s)))

# Faults are made where the library calls the system: the linker leads these calls to tests/faults/fault_calls.c first.
FAULT_CALLS := open stat fstat pread read mmap write close fsync rename unlink pthread_create pthread_mutex_init \
               pthread_cond_init pthread_condattr_init pthread_condattr_setclock pthread_attr_init \
               pthread_attr_setstacksize pthread_sigmask
$B/tests/faults/%: $O/tests/faults/%.o $O/tests/faults/fault_calls.o $(SUITE_OBJ) $(STATIC) $(PROF_STATIC)
	$(Q)$(link_test) $(FAULT_CALLS:%=-Wl,--wrap=%)

# A fuzz target as a test (replay-NAME, any compiler) and as libFuzzer's (search-NAME, `make fuzz`).
FUZZ_OBJ := $O/tests/fuzz/gguf_mutate.o $(SUPPORT_OBJ) $(STATIC) $(PROF_STATIC)
$B/tests/fuzz/replay-%: $O/tests/fuzz/fuzz_%.o $O/tests/fuzz/replay.o $(FUZZ_OBJ)
	$(Q)$(link_test)
$B/tests/fuzz/search-%: $O/tests/fuzz/fuzz_%.o $(FUZZ_OBJ)
	$(Q)$(link_test) -fsanitize=fuzzer

# Every slot of the kernel table against its reference: a program of its own, since people run it with options.
$B/tests/checkkern: $O/tests/checkkern/checkkern.o $(SUPPORT_OBJ) $(foreach l,$(BELOW_kernels),$O/lib$l.a)
	$(Q)$(link_test)

$B/tests/blas/%: $O/tests/blas/%.o $(SUITE_OBJ) $(BLAS_STATIC) $(STATIC) $(PROF_STATIC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(OUR_LDFLAGS) -o $@ $(filter %.o %.a,$^) $(BLAS_LIBS) $(LIB_LIBS) $(CMOCKA)

UNIT   := $(foreach l,$(LAYERS) profiler bench,$(call unit_of,$l)) $B/tests/checkkern
SUITES := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/golden/test_*.c tests/hostile/test_*.c \
          tests/faults/test_*.c tests/threads/test_*.c) $(if $(filter none,$(BLAS)),,$(wildcard tests/blas/test_*.c)))
REPLAYS := $(patsubst tests/fuzz/fuzz_%.c,$B/tests/fuzz/replay-%,$(wildcard tests/fuzz/fuzz_*.c))
SEARCHES := $(REPLAYS:$B/tests/fuzz/replay-%=$B/tests/fuzz/search-%)
# What threads do to one another: for the thread sanitizer.
THREADED := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/threads/test_*.c) tests/unit/base/test_threads.c \
            tests/unit/text/test_text_faults.c tests/unit/api/test_api_lifetimes.c \
            tests/unit/profiler/test_regions.c tests/unit/profiler/test_sample_loop.c)
REAL   := $(patsubst tests/%.c,$B/tests/%,$(wildcard tests/real/test_*.c))
# The interface is recorded from what gcc makes.
IS_GCC := $(and $(filter gcc cc,$(notdir $(firstword $(CC)))),$(filter release,$(CONFIG)))
# Scripts: the command in every configuration; the tree and the products once, with the default configuration.
COMMAND := $B/$(if $(CROSS),emulated,bin)/edgeinfer
SCRIPTS := $(if $(CROSS),,"tests/cli/test_cli.sh $(COMMAND)" "tests/cli/test_chat.sh $(COMMAND)") \
           "tests/cli/test_state.sh $(COMMAND)" \
           $(if $(CROSS),,"tests/cli/test_vision.sh $(COMMAND)") \
           $(if $(CROSS),,"tests/cli/test_advise.sh $(COMMAND)") \
           $(if $(CROSS),,"tests/cli/test_perplexity.sh $(COMMAND)" "tests/cli/test_doctor.sh $(COMMAND)" \
           "tests/cli/test_bench.sh $B/bin") \
           $(if $(CROSS),,"tests/cli/test_edgeprof.sh $B/bin/edgeprof") \
           $(if $(filter release,$(CONFIG)),$(if $(CROSS),,"tests/cli/test_man.sh $(COMMAND)" \
           "tests/cli/test_completion.sh $(COMMAND)" "tests/style/check_style.sh" "tests/style/test_check_style.sh" \
           "tests/faults/address_space.sh $B/tests/fuzz/replay-gguf" \
           "tests/build/headers.sh $(CC)" "tests/build/symbols.sh $B/lib" "tests/build/install.sh $(MAKE) $(CC)" \
           $(if $(IS_GCC),"tests/build/abi.sh check $(SHARED)" "tests/build/test_abi.sh")))

.PHONY: check check-now check-unit check-suites check-style check-abi abi-record check-real check-kl check-tsan check-tsan-now \
        check-aarch64 check-aarch64-now check-emulated-a76 check-emulated-max check-emulated-pages fuzz fuzz-now
check: ## all tests; installs missing packages first
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory check-now
check-now: all $(COMMAND) $(UNIT) $(SUITES) $(REPLAYS) ## all tests, with what is installed
	$(Q)tests/run.sh $(UNIT) $(SUITES) $(REPLAYS) $(SCRIPTS)
check-unit: $(UNIT) ## unit tests
	$(Q)tests/run.sh $^
check-suites: $(SUITES) $(REPLAYS) ## whole models: golden numbers, hostile files, faults, threads, fuzz seeds
	$(Q)tests/run.sh $^
check-style: ## rules of the tree
	$(Q)tests/style/check_style.sh
check-abi: $(SHARED) ## the interface is the one in docs/abi, and programs built before still run
	$(Q)$(if $(IS_GCC),tests/build/abi.sh check $(SHARED),echo 'the interface is compared in the release build of gcc')
abi-record: $(SHARED) ## write docs/abi, after the interface changed
	$(Q)$(if $(IS_GCC),tests/build/abi.sh record $(SHARED),echo 'record with the release build of gcc' >&2; false)
check-real: all $(REAL) ## Gemma 3 270M against its golden numbers; fetches 253 MB once
	$(Q)tests/real/check_real.sh $B

check-kl: $(COMMAND) ## KL divergence of the default arithmetic from the exact one, by weight type, beside llama.cpp's
	$(Q)tests/quality/check_kl.sh $(COMMAND)

check-tsan: ## what threads do to one another, under the thread sanitizer
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory check-tsan-now CONFIG=tsan
check-tsan-now: $(THREADED)
	$(Q)tests/run.sh $^
# Another CPU: what asks which one it is, and what computes.
COMPUTING := $(foreach l,base kernels model,$(call unit_of,$l)) $B/tests/checkkern $(filter %_logits,$(SUITES))
# Pages of 16 KiB: what maps files, carves memory or asks for the size of a page.
PAGED := $(call unit_of,base) $(call unit_of,gguf) $(filter %truncation %hostile_files,$(SUITES))
check-aarch64: ## the suite for aarch64, cross-compiled, under QEMU: Cortex-A76, every feature, pages of 16 KiB
	$(Q)$(MAKE) --no-print-directory deps CC=aarch64-linux-gnu-gcc
	$(Q)$(MAKE) --no-print-directory check-aarch64-now CC=aarch64-linux-gnu-gcc
check-aarch64-now: check-emulated-a76 check-emulated-max check-emulated-pages
check-emulated-a76: all $(COMMAND) $(UNIT) $(SUITES) $(REPLAYS)
	$(Q)LABEL=cortex-a76 EMULATOR='$(EMULATOR) -cpu cortex-a76' tests/run.sh $(UNIT) $(SUITES) $(REPLAYS) $(SCRIPTS)
check-emulated-max: $(COMPUTING)
	$(Q)LABEL=max EMULATOR='$(EMULATOR) -cpu max' tests/run.sh $^
check-emulated-pages: $(PAGED)
	$(Q)LABEL='16 KiB' EMULATOR='$(EMULATOR) -cpu cortex-a76 -p 16384' tests/run.sh $^
fuzz: ## libFuzzer (clang), each target FUZZ_SECONDS=60 or HOURS=n in all, from seeds in FUZZ_DIR
	$(Q)$(MAKE) --no-print-directory deps CC=clang
	$(Q)$(MAKE) --no-print-directory fuzz-now CC=clang CONFIG=fuzz
fuzz-now: $(REPLAYS) $(SEARCHES)
	$(Q)FUZZ_SECONDS='$(FUZZ_SECONDS)' HOURS='$(HOURS)' FUZZ_DIR='$(or $(FUZZ_DIR),$B/fuzz)' tests/fuzz/fuzz.sh $(SEARCHES)

# ---------------------------------------------------------------------------------------------- for people --
.PHONY: demo demo-now deps bench help clean install uninstall
demo: ## build, and ask the models that ship about a story and a picture
	$(Q)$(MAKE) --no-print-directory deps
	$(Q)$(MAKE) --no-print-directory demo-now
STORY := Jonas goes to the station. Iris walks to the market. Jonas picks up the book. Jonas goes to the garden.
SCENE := models/traffic-vl/heldout/scene-09.png
demo-now: $B/bin/edgeinfer $B/bin/edgeprof
	@echo 'small-world, 3 million parameters, is told:  $(STORY)'
	@echo 'and asked:  Where is Jonas?'
	@$< run -m models/small-world/small-world-Q4_K_M.gguf -p '$(STORY) Where is Jonas?'
	@echo; echo 'It goes on for 6,000 tokens, and is profiled meanwhile:'
	@$< run -m models/small-world/small-world-Q4_K_M.gguf -p '$(STORY)' --raw --ignore-eos -n 6000 -c 8192 --cost \
	    --baseline 3 --profile $B/demo.log >/dev/null
	@$B/bin/edgeprof report $B/demo.log -o $B/demo.html
	@echo 'Drawn, with every number and how it came about:  $B/demo.html'
	@echo; echo 'traffic-vl, 2 million parameters and eyes of 4 million, is shown $(SCENE)'
	@echo 'and told:  Describe the scene.'
	@$< run -m models/traffic-vl/traffic-vl-Q4_K_M.gguf --mmproj models/traffic-vl/mmproj-traffic-vl-F16.gguf \
	    --image $(SCENE) -p 'Describe the scene.' --cost --baseline 2
	@echo; echo 'Ask on:  $< run models/small-world/small-world-Q4_K_M.gguf -p "..."   (models/README.md says what each of them knows)'

deps: ## install missing packages (Debian, Ubuntu); NO_INSTALL=1 only names them
	$(Q)CC='$(CC)' tests/build/deps.sh $(if $(BLAS_TAG),,openblas)

bench: $(BENCHES) ## opening, memory, tokens per second of BENCH_MODEL; tokenizing of BENCH_TEXT
	$(Q)$B/bin/bench-open $(BENCH_MODEL)
	$(Q)$B/bin/bench-tokenize $(BENCH_MODEL) $(BENCH_TEXT)
	$(Q)$B/bin/bench-llm -m $(BENCH_MODEL) -p 256 -n 64

help: ## this list
	@echo 'settings: CC=gcc|clang CONFIG=release|debug|asan|tsan BLAS=openblas|none PREFIX DESTDIR LIBDIR V=1'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

clean: ## remove build/
	$(Q)rm -rf build

DEST := $(DESTDIR)$(PREFIX)
DEST_LIB := $(DESTDIR)$(LIBDIR)
pc = sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(VERSION)|' $1 >$(DEST_LIB)/pkgconfig/$(notdir $(1:.in=))
# $(call install_library,NAME,PC_FILE): archive, shared library with its two links, pkg-config file.
install_library = install -m 644 $B/lib/lib$1.a $(DEST_LIB) && \
    install -m 755 $B/lib/lib$1.so.$(VERSION) $(DEST_LIB) && \
    ln -sf lib$1.so.$(VERSION) $(DEST_LIB)/lib$1.so.$(ABI) && ln -sf lib$1.so.$(ABI) $(DEST_LIB)/lib$1.so && $(call pc,$2)
install: all ## headers, libraries, pkg-config files, command, manual, completion, to DESTDIR/PREFIX
	$(Q)mkdir -p $(DEST)/include/edgeinfer $(DEST)/include/edgeprof $(DEST_LIB)/pkgconfig $(DEST)/bin \
	    $(DEST)/share/man/man1 $(DEST)/share/bash-completion/completions
	$(Q)install -m 644 include/edgeinfer/*.h $(DEST)/include/edgeinfer
	$(Q)install -m 644 include/edgeprof/*.h $(DEST)/include/edgeprof
	$(Q)$(call install_library,edgeprof,profiler/edgeprof.pc.in)
	$(Q)$(call install_library,edgeinfer,engine/api/edgeinfer.pc.in)
	$(Q)$(if $(BLAS_LIBRARIES),$(call install_library,edgeinfer-blas,blas/edgeinfer-blas.pc.in),true)
	$(Q)install -m 755 $B/bin/edgeinfer $B/bin/edgeprof $(DEST)/bin
	$(Q)install -m 644 docs/edgeinfer.1 docs/edgeprof.1 $(DEST)/share/man/man1
	$(Q)install -m 644 completions/edgeinfer.bash $(DEST)/share/bash-completion/completions/edgeinfer
	$(Q)install -m 644 completions/edgeprof.bash $(DEST)/share/bash-completion/completions/edgeprof

uninstall: ## what install put there
	$(Q)rm -rf $(DEST)/include/edgeinfer $(DEST)/include/edgeprof $(DEST_LIB)/libedgeinfer.* $(DEST_LIB)/libedgeinfer-blas.* \
	    $(DEST_LIB)/libedgeprof.*
	$(Q)rm -f $(patsubst %,$(DEST_LIB)/pkgconfig/%.pc,edgeinfer edgeinfer-blas edgeprof) \
	    $(patsubst %,$(DEST)/bin/%,edgeinfer edgeprof) $(patsubst %,$(DEST)/share/man/man1/%.1,edgeinfer edgeprof) \
	    $(patsubst %,$(DEST)/share/bash-completion/completions/%,edgeinfer edgeprof)

-include $(shell find $O -name '*.d' 2>/dev/null)
