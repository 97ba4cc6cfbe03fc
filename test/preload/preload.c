/*-------------------------------------------------------------------------
 *
 * preload.c
 *	  What tests put in front of libraries that the server uses, by
 *	  LD_PRELOAD: a name server that can be told what to say, and a
 *	  librdkafka that installs a signal handler, or with which the process
 *	  ends in the middle of a transaction.
 *
 *	  EVAUDIT_TEST_HOSTS	a file of lines "name address"; a name in it
 *							without an address cannot be resolved, and one
 *							that is not in it is resolved as usual
 *	  EVAUDIT_TEST_SIGNAL	a file with the number of a signal
 *	  EVAUDIT_TEST_STEP		a file with a step of a producer: begin, produce,
 *							number, commit or committed, at which the process
 *							is killed; or fatal, an error when it produces.
 *							It is emptied then.  "commit 2" is the second
 *							time
 *
 * The files are read at each call, so a test changes them as it goes.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

/* Find a name in the file of hosts; the address may be empty. */
static int
find_host(const char *name, char *address)
{
	const char *path = getenv("EVAUDIT_TEST_HOSTS");
	FILE	   *file = path != NULL && name != NULL ? fopen(path, "r") : NULL;
	char		line[300];
	char		known[256];
	int			found = 0;

	if (file == NULL)
		return 0;
	while (!found && fgets(line, sizeof(line), file) != NULL)
	{
		address[0] = '\0';
		found = sscanf(line, "%255s %63s", known, address) >= 1 &&
			strcmp(known, name) == 0;
	}
	fclose(file);
	return found;
}

int
getaddrinfo(const char *node, const char *service,
			const struct addrinfo *hints, struct addrinfo **result)
{
	int			(*real) (const char *, const char *, const struct addrinfo *,
						 struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
	char		address[64];

	if (!find_host(node, address))
		return real(node, service, hints, result);
	if (address[0] == '\0')
		return EAI_NONAME;
	return real(address, service, hints, result);
}

/* A function of librdkafka's own. */
static void *
real_function(const char *name)
{
	return dlsym(dlopen("librdkafka.so.1", RTLD_NOW | RTLD_NOLOAD), name);
}

static void
ignore(int signo)
{
}

rd_kafka_t *
rd_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *errstr,
			 size_t errstr_size)
{
	const char *path = getenv("EVAUDIT_TEST_SIGNAL");
	FILE	   *file = path != NULL ? fopen(path, "r") : NULL;
	rd_kafka_t *(*real) (rd_kafka_type_t, rd_kafka_conf_t *, char *, size_t) =
		real_function("rd_kafka_new");
	int			signo;

	if (file != NULL)
	{
		if (fscanf(file, "%d", &signo) == 1)
			signal(signo, ignore);
		fclose(file);
	}
	return real(type, conf, errstr, errstr_size);
}

/*
 * Whether a step is the one in the file, which is emptied then; one with a
 * number is counted down first.
 */
static int
is_step(const char *step)
{
	const char *path = getenv("EVAUDIT_TEST_STEP");
	FILE	   *file = path != NULL ? fopen(path, "r+") : NULL;
	char		word[32] = "";
	int			left = 1;
	int			found;

	if (file == NULL)
		return 0;
	found = fscanf(file, "%31s %d", word, &left) >= 1 &&
		strcmp(word, step) == 0;
	if (found && left > 1)
	{
		rewind(file);
		fprintf(file, "%s %d\n", step, left - 1);
	}
	fclose(file);
	return found && left <= 1 && truncate(path, 0) == 0;
}

/* Kill the process at a step. */
static void
die_at(const char *step)
{
	if (is_step(step))
		kill(getpid(), SIGKILL);
}

rd_kafka_error_t *
rd_kafka_begin_transaction(rd_kafka_t *rk)
{
	rd_kafka_error_t *(*real) (rd_kafka_t *) =
		real_function("rd_kafka_begin_transaction");
	rd_kafka_error_t *error = real(rk);

	die_at("begin");
	return error;
}

rd_kafka_error_t *
rd_kafka_produceva(rd_kafka_t *rk, const rd_kafka_vu_t *vus, size_t cnt)
{
	rd_kafka_error_t *(*real) (rd_kafka_t *, const rd_kafka_vu_t *, size_t) =
		real_function("rd_kafka_produceva");
	rd_kafka_error_t *error = real(rk, vus, cnt);

	if (is_step("fatal"))
		(void) rd_kafka_test_fatal_error(rk,
										 RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
										 "a test");
	die_at("produce");
	return error;
}

rd_kafka_error_t *
rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk,
									 const rd_kafka_topic_partition_list_t *offsets,
									 const rd_kafka_consumer_group_metadata_t * group,
									 int timeout_ms)
{
	rd_kafka_error_t *(*real) (rd_kafka_t *,
							   const rd_kafka_topic_partition_list_t *,
							   const rd_kafka_consumer_group_metadata_t *, int) =
		real_function("rd_kafka_send_offsets_to_transaction");
	rd_kafka_error_t *error = real(rk, offsets, group, timeout_ms);

	die_at("number");
	return error;
}

rd_kafka_error_t *
rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms)
{
	rd_kafka_error_t *(*real) (rd_kafka_t *, int) =
		real_function("rd_kafka_commit_transaction");
	rd_kafka_error_t *error;

	die_at("commit");
	error = real(rk, timeout_ms);
	die_at("committed");
	return error;
}
