/*-------------------------------------------------------------------------
 *
 * preload.c
 *	  What tests put in front of libraries that the server uses, by
 *	  LD_PRELOAD: a name server that can be told what to say, and a
 *	  librdkafka that installs a signal handler.
 *
 *	  EVAUDIT_TEST_HOSTS	a file of lines "name address"; a name in it
 *							without an address cannot be resolved, and one
 *							that is not in it is resolved as usual
 *	  EVAUDIT_TEST_SIGNAL	a file with the number of a signal
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
	void	   *library = dlopen("librdkafka.so.1", RTLD_NOW | RTLD_NOLOAD);
	rd_kafka_t *(*real) (rd_kafka_type_t, rd_kafka_conf_t *, char *, size_t) =
		dlsym(library, "rd_kafka_new");
	int			signo;

	if (file != NULL)
	{
		if (fscanf(file, "%d", &signo) == 1)
			signal(signo, ignore);
		fclose(file);
	}
	return real(type, conf, errstr, errstr_size);
}
