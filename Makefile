# Makefile: builds evaudit with PGXS.
#
#   make && make install        the extension, for the server of PG_CONFIG, and
#                               the HTTP front where libmicrohttpd is there
#   make installcheck           regress and isolation tests on a running server
#   make check-tap              TAP tests: private clusters and a real broker
#   make lint                   format, layers, exported symbols

EXTENSION = evaudit
EXTVERSION = 1.0
MODULE_big = evaudit

SRCS = $(sort $(wildcard src/*.c src/*/*.c))
ifeq ($(SRCS),)
$(error run make in the folder of the sources: evaudit is not built out of tree)
endif
# With FUZZ, flags of clang's, what scripts/fuzz needs is in the library.
ifdef FUZZ
SRCS += $(sort $(wildcard test/fuzz/*.c))
endif
OBJS = $(SRCS:.c=.o)
OWN_HEADERS = $(wildcard src/*/*.h)

# The install script is joined from its parts, in the order of dependency.
SQL_PARTS = $(addprefix sql/, schema.sql audit.sql tracking.sql history.sql events.sql json_schema.sql \
	topics.sql event_log.sql tokens.sql access.sql http.sql sources.sql registry.sql \
	sinks.sql deliveries.sql webhook.sql stats.sql retention.sql alerts.sql \
	metrics.sql restore.sql grants.sql)
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql

# Each release brings a delta, from the one before, for ALTER EXTENSION UPDATE.
DATA = $(wildcard sql/$(EXTENSION)--*--*.sql)

PKG_CONFIG ?= pkg-config
LIBRARIES = rdkafka libcurl libcjson libcrypto libpcre2-8 zlib libzstd
PG_CPPFLAGS = -I$(srcdir)/src $(shell $(PKG_CONFIG) --cflags $(LIBRARIES))
PG_CFLAGS = -std=gnu11 -Wextra -Wshadow -Wno-unused-parameter \
	-Wno-missing-field-initializers -Wno-sign-compare \
	$(if $(WERROR),-Werror)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs $(LIBRARIES))
# Where the server is built with LTO, as Ubuntu's is, the linker compiles, and
# what it suspects across functions is no error.
PG_LDFLAGS = $(if $(WERROR),-Wno-error)
ifdef FUZZ
PG_CPPFLAGS += -I$(srcdir)/test/fuzz
SHLIB_LINK += $(shell clang \
	-print-file-name=libclang_rt.fuzzer_no_main-$(shell uname -m).a) -lstdc++ -lm
endif

# Expected output is looked for in the folder of output first: ./expected.
REGRESS = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test --outputdir=. --load-extension=evaudit
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=evaudit
EXTRA_CLEAN = front/*.o front/page_html.h front/evaudit-http front/evaudit-http.1 results regression.diffs regression.out test/tmp_check \
	test/tools/kafka_tool test/preload/preload.so demo/broker

# LLVM bitcode is never inlined for code that waits on a broker.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The server's compiler may be another one than clang.
ifdef FUZZ
override CC = clang
override CFLAGS = -std=gnu11 -O1 -g -w -fPIC -fno-strict-aliasing -fwrapv \
	$(FUZZ)
override LDFLAGS =
endif

# PGXS tracks no header dependencies; a small tree can afford to name all.
$(OBJS): $(OWN_HEADERS)

$(DATA_built): $(SQL_PARTS)
	cat $^ > $@

# Programs that the tests and the demo use.
TOOL_CFLAGS = -std=gnu11 -O2 -Wall -Wextra -Wshadow -Wno-unused-parameter \
	$(if $(WERROR),-Werror) $(shell $(PKG_CONFIG) --cflags rdkafka)
TOOL_SRCS = $(wildcard test/tools/*.c)

tools: test/tools/kafka_tool test/preload/preload.so demo/broker

test/tools/kafka_tool: $(TOOL_SRCS) $(wildcard test/tools/*.h)
	$(CC) $(TOOL_CFLAGS) -o $@ $(TOOL_SRCS) $(SHLIB_LINK)

# What tests put in front of libraries that the server uses.
test/preload/preload.so: test/preload/preload.c
	$(CC) $(TOOL_CFLAGS) -fPIC -shared -o $@ $<

demo/broker: demo/broker.c
	$(CC) $(TOOL_CFLAGS) -o $@ $< $(SHLIB_LINK)

# The HTTP front, a program of its own, where its libraries are.
FRONT_LIBRARIES = libpq libmicrohttpd libcjson
ifeq ($(origin FRONT),undefined)
FRONT = $(shell $(PKG_CONFIG) --exists $(FRONT_LIBRARIES) 2>/dev/null && \
	echo front/evaudit-http)
endif
FRONT_CFLAGS ?= -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
FRONT_SRCS = $(sort $(wildcard front/*.c))

# Files of Swagger UI, if scripts/swagger_ui has brought them.
FRONT_ASSETS = $(wildcard front/swagger-ui/*)
front_assets_dir = $(datadir)/evaudit-http

# The page of the admin listener, as a string.
front/page_html.h: front/page.html
	sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< >$@

front/evaudit-http: $(FRONT_SRCS) $(sort $(wildcard front/*.h) front/page_html.h)
	$(CC) -std=gnu11 $(FRONT_CFLAGS) -Wall -Wextra -Wshadow \
		-Wno-unused-parameter -Wno-missing-field-initializers \
		$(if $(WERROR),-Werror) -DDOCS_ASSETS='"$(front_assets_dir)"' \
		$(shell $(PKG_CONFIG) --cflags $(FRONT_LIBRARIES)) -o $@ \
		$(FRONT_SRCS) $(FRONT_LDFLAGS) \
		$(shell $(PKG_CONFIG) --libs $(FRONT_LIBRARIES))

# The manual's options are those that the program prints.
front/evaudit-http.1: front/evaudit-http.1.in front/evaudit-http front/man.sed
	front/evaudit-http --help | sed -E -f front/man.sed >$@.options
	sed -e 's/@VERSION@/$(EXTVERSION)/' -e '/@OPTIONS@/{' \
		-e 'r $@.options' -e d -e '}' $< >$@
	rm $@.options

all: $(FRONT) $(FRONT:=.1)

install: install-front
install-front: $(FRONT) $(FRONT:=.1)
	$(if $(FRONT),$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(mandir)/man1')
	$(if $(FRONT),$(INSTALL_PROGRAM) $(FRONT) '$(DESTDIR)$(bindir)')
	$(if $(FRONT_ASSETS),$(MKDIR_P) '$(DESTDIR)$(front_assets_dir)')
	$(if $(FRONT_ASSETS),$(INSTALL_DATA) $(FRONT_ASSETS) \
		'$(DESTDIR)$(front_assets_dir)')
	$(if $(FRONT),$(INSTALL_DATA) $(FRONT).1 '$(DESTDIR)$(mandir)/man1')

uninstall: uninstall-front
uninstall-front:
	rm -f '$(DESTDIR)$(bindir)/evaudit-http' \
		'$(DESTDIR)$(mandir)/man1/evaudit-http.1'
	rm -rf '$(DESTDIR)$(front_assets_dir)'

# TAP tests run private servers of the installed extension, or of the one
# that EVAUDIT_CONF leads to; those of a broker need EVAUDIT_KAFKA_JARS.
# PostgreSQL's Perl modules of one version drive servers of the others.
PG_PERL ?= $(firstword $(wildcard $(top_srcdir)/src/test/perl/PostgreSQL/.. \
	/usr/lib/postgresql/*/lib/pgxs/src/test/perl))
PROVE_TESTS ?= $(sort $(wildcard test/t/*.t))

check-tap: tools
	rm -rf test/tmp_check
	mkdir -p test/tmp_check
	PATH="$(bindir):$$PATH" PG_REGRESS="$(top_builddir)/src/test/regress/pg_regress" \
	TESTDIR="$(CURDIR)/test" TESTDATADIR="$(CURDIR)/test/tmp_check" \
	TESTLOGDIR="$(CURDIR)/test/tmp_check/log" \
	EVAUDIT_KAFKA_TOOL="$(CURDIR)/test/tools/kafka_tool" \
	EVAUDIT_BROKER="$(CURDIR)/demo/broker" \
	EVAUDIT_FRONT="$(CURDIR)/front/evaudit-http" \
	EVAUDIT_PRELOAD="$(CURDIR)/test/preload/preload.so" \
	prove -I "$(PG_PERL)" -I test/lib $(PROVE_FLAGS) $(PROVE_TESTS)

lint: all
	scripts/lint

# The archive that PGXN takes: what git knows, and the joined install script.
DISTVERSION = $(shell sed -nE '0,/"version"/s/.*"version": "(.*)",/\1/p' META.json)

dist: $(DATA_built)
	git archive --format zip -o $(EXTENSION)-$(DISTVERSION).zip \
		--prefix=$(EXTENSION)-$(DISTVERSION)/sql/ --add-file=$(DATA_built) \
		--prefix=$(EXTENSION)-$(DISTVERSION)/ HEAD

.PHONY: dist install-front uninstall-front tools check-tap lint
