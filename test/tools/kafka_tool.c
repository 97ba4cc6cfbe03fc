/*-------------------------------------------------------------------------
 *
 * kafka_tool.c
 *	  What tests, benchmarks and the demo do to a Kafka broker.
 *
 * Each subcommand connects, does one thing, waits for the broker's answer
 * and exits; status 1 says that something was not done.  Run it without
 * arguments for the list.
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka_tool.h"

typedef struct Command
{
	const char *name;
	int			nargs;
	void		(*run) (Options *options, char **args);
	const char *usage;
} Command;

static void usage(void) __attribute__((noreturn));

/* How long a broker may take for one answer (-w). */
int			timeout_ms = 180000;

/* Messages that the broker did not take. */
long		undelivered = 0;

/* Report and give up. */
void
die(const char *fmt,...)
{
	va_list		args;

	fprintf(stderr, "kafka_tool: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* Give up if err is one. */
void
check(rd_kafka_resp_err_t err, const char *what)
{
	if (err)
		die("%s: %s", what, rd_kafka_err2str(err));
}

/* As check(), for the calls that return an object. */
void
check_error(rd_kafka_error_t *error, const char *what)
{
	if (error)
		die("%s: %s", what, rd_kafka_error_string(error));
}

/* Set one property from "name=value". */
void
set_property(rd_kafka_conf_t *conf, const char *setting)
{
	char		errstr[512];
	char	   *name = strdup(setting);
	char	   *value = strchr(name, '=');

	if (value == NULL)
		die("no \"=\" in property \"%s\"", setting);
	*value++ = '\0';
	if (rd_kafka_conf_set(conf, name, value, errstr, sizeof(errstr)))
		die("%s", errstr);
	free(name);
}

static void
delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
	if (message->err && undelivered++ == 0)
		fprintf(stderr, "kafka_tool: not delivered: %s\n",
				rd_kafka_err2str(message->err));
}

rd_kafka_t *
connect_as(Options *options, rd_kafka_type_t type)
{
	char		errstr[512];
	rd_kafka_t *rk;

	rd_kafka_conf_set_dr_msg_cb(options->conf, delivered);
	rk = rd_kafka_new(type, options->conf, errstr, sizeof(errstr));
	if (rk == NULL)
		die("%s", errstr);
	return rk;
}

/* Print what a configuration holds: names and values in turn. */
static void
print_names(const char **dump, size_t n)
{
	for (size_t i = 0; i < n; i += 2)
		puts(dump[i]);
	rd_kafka_conf_dump_free(dump, n);
}

/*
 * Print all properties that the library has: those that it documents, as in
 * CONFIGURATION.md, and those that it does not.
 */
static void
run_properties(Options *options, char **args)
{
	rd_kafka_topic_conf_t *topic_conf = rd_kafka_topic_conf_new();
	size_t		n;
	const char **dump;

	printf("# librdkafka %s\n", rd_kafka_version_str());
	rd_kafka_conf_properties_show(stdout);
	dump = rd_kafka_conf_dump(options->conf, &n);
	print_names(dump, n);
	dump = rd_kafka_topic_conf_dump(topic_conf, &n);
	print_names(dump, n);
}

static const Command commands[] = {
	{"await", 0, run_await, "until the broker answers"},
	{"create", 2, run_create, "TOPIC PARTITIONS"},
	{"delete", 1, run_delete, "TOPIC"},
	{"partitions", 2, run_partitions, "TOPIC PARTITIONS"},
	{"delete-records", 3, run_delete_records, "TOPIC PARTITION BEFORE_OFFSET"},
	{"offsets", 1, run_offsets, "TOPIC"},
	{"committed", 1, run_committed, "TOPIC, of its first partition by -X group.id"},
	{"produce", 1, run_produce, "TOPIC, lines from standard input"},
	{"transaction", 2, run_transaction, "TOPIC commit|abort|abandon, the same"},
	{"consume", 1, run_consume, "TOPIC, up to its end"},
	{"follow", 2, run_follow, "TOPIC COUNT, from its end, with the time of each"},
	{"load", 4, run_load, "TOPIC COUNT USERS SEED"},
	{"dump", 3, run_dump, "COUNT USERS SEED, the events of load"},
	{"properties", 0, run_properties, "of the library"}
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
usage(void)
{
	fputs("usage: kafka_tool [OPTION...] COMMAND ARGUMENT...\n"
		  "  -s SERVERS        bootstrap servers\n"
		  "  -w SECONDS        wait this long for an answer (30)\n"
		  "  -X NAME=VALUE     any property of librdkafka\n"
		  "  -C NAME=VALUE     configuration of a topic to create\n"
		  "  -p PARTITION      produce to this one\n"
		  "  -e                escaped fields: key, value, ms, headers\n"
		  "  -T commit|abort|abandon   produce or load in a transaction\n"
		  "  -m N, -r N, -l N  malformed, repeated, late events of load"
		  " in a thousand (0)\n"
		  "  -i                events of load carry an id\n", stderr);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(stderr, "  %s %s\n", commands[i].name, commands[i].usage);
	exit(2);
}

/* Take one option of the command line. */
static void
read_option(Options *options, int c, char *value)
{
	char		errstr[512];

	switch (c)
	{
		case 's':
			if (rd_kafka_conf_set(options->conf, "bootstrap.servers", value,
								  errstr, sizeof(errstr)))
				die("%s", errstr);
			break;
		case 'w':
			timeout_ms = 1000 * atoi(value);
			break;
		case 'X':
			set_property(options->conf, value);
			break;
		case 'C':
			options->topic_config = value;
			break;
		case 'p':
			options->partition = atoi(value);
			break;
		case 'e':
			options->escaped = 1;
			break;
		case 'T':
			options->transaction = value;
			break;
		case 'm':
			options->stream.bad = atol(value);
			break;
		case 'r':
			options->stream.repeated = atol(value);
			break;
		case 'l':
			options->stream.late = atol(value);
			break;
		case 'i':
			options->stream.ids = 1;
			break;
		default:
			usage();
	}
}

int
main(int argc, char **argv)
{
	Options		options = {.partition = RD_KAFKA_PARTITION_UA};
	int			c;

	options.conf = rd_kafka_conf_new();
	while ((c = getopt(argc, argv, "s:w:X:C:p:eT:m:r:l:i")) >= 0)
		read_option(&options, c, optarg);
	if (optind == argc)
		usage();
	for (size_t i = 0; i < NCOMMANDS; i++)
	{
		if (strcmp(commands[i].name, argv[optind]) != 0)
			continue;
		if (argc - optind - 1 != commands[i].nargs)
			usage();
		commands[i].run(&options, argv + optind + 1);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	usage();
}
