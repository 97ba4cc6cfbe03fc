/*-------------------------------------------------------------------------
 *
 * kafka_messages.c
 *	  The commands of kafka_tool that write and read messages.
 *
 * Messages are lines of fields separated by tabs: key and value.  A line of
 * one field is a value without key.  With -e, fields are escaped much as in
 * COPY (\N is NULL; \t, \n, \r, \\ and \xHH), and may be followed by a
 * timestamp in milliseconds (or \N) and by headers: name=value, or name.
 * With -e, what is read is followed by its headers, too.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kafka_tool.h"

/* Undo the escapes of a field in place; NULL if the field is \N. */
static char *
unescape(char *field, size_t *len)
{
	char	   *out = field;
	unsigned	byte;

	*len = 0;
	if (strcmp(field, "\\N") == 0)
		return NULL;
	for (char *in = field; *in; in++)
	{
		if (in[0] != '\\' || in[1] == '\0')
			*out++ = *in;
		else if (*++in == 'x' && sscanf(in + 1, "%2x", &byte) == 1)
		{
			*out++ = (char) byte;
			in += 2;
		}
		else
			*out++ = *in == 't' ? '\t' : *in == 'n' ? '\n' :
				*in == 'r' ? '\r' : *in;
	}
	*len = (size_t) (out - field);
	return field;
}

/* Print bytes so that unescape() gives them back. */
static void
print_escaped(const char *bytes, size_t len)
{
	if (bytes == NULL)
		fputs("\\N", stdout);
	for (size_t i = 0; bytes != NULL && i < len; i++)
	{
		unsigned char c = (unsigned char) bytes[i];

		if (c == '\\')
			fputs("\\\\", stdout);
		else if (c < ' ' || c == 0x7f)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}

/* Hand one message to the producer, waiting while its queue is full. */
static void
send_message(rd_kafka_t *rk, const char *topic, int32_t partition,
			 const char *key, size_t key_len,
			 const char *value, size_t value_len,
			 int64_t timestamp, rd_kafka_headers_t *headers)
{
	rd_kafka_resp_err_t err;

	for (;;)
	{
		err = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic),
								RD_KAFKA_V_PARTITION(partition),
								RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
								RD_KAFKA_V_KEY(key, key_len),
								RD_KAFKA_V_VALUE((void *) value, value_len),
								RD_KAFKA_V_TIMESTAMP(timestamp),
								RD_KAFKA_V_HEADERS(headers),
								RD_KAFKA_V_END);
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		rd_kafka_poll(rk, 50);
	}
	check(err, "produce");
	rd_kafka_poll(rk, 0);
}

/* Send the message that a line of input describes. */
static void
send_line(rd_kafka_t *rk, const char *topic, Options *options, char *line)
{
	char	   *field[64];
	size_t		len[64] = {0};
	int			n = 0;
	int64_t		timestamp = 0;
	rd_kafka_headers_t *headers = NULL;

	for (char *p = line; p != NULL && n < (options->escaped ? 64 : 2); n++)
	{
		char	   *tab = n < 1 || options->escaped ? strchr(p, '\t') : NULL;

		if (tab)
			*tab++ = '\0';
		len[n] = strlen(p);
		field[n] = options->escaped && n < 2 ? unescape(p, &len[n]) : p;
		p = tab;
	}
	if (n == 1)
	{
		send_message(rk, topic, options->partition, NULL, 0, field[0], len[0],
					 0, NULL);
		return;
	}
	if (n > 2 && strcmp(field[2], "\\N") != 0)
		timestamp = atoll(field[2]);
	for (int i = 3; i < n; i++)
	{
		char	   *value = strchr(field[i], '=');
		size_t		value_len = 0;

		if (value)
		{
			*value++ = '\0';
			value = unescape(value, &value_len);
		}
		if (headers == NULL)
			headers = rd_kafka_headers_new(4);
		check(rd_kafka_header_add(headers, field[i], -1, value,
								  (ssize_t) value_len), "header");
	}
	send_message(rk, topic, options->partition, field[0], len[0],
				 field[1], len[1], timestamp, headers);
}

/* A producer whose messages arrive once and in order, though sent again. */
static rd_kafka_t *
begin_produce(Options *options)
{
	rd_kafka_t *rk;
	char		id[64];

	set_property(options->conf, "enable.idempotence=true");
	if (options->transaction)
	{
		snprintf(id, sizeof(id), "transactional.id=kafka_tool-%ld",
				 (long) getpid());
		set_property(options->conf, id);
	}
	rk = connect_as(options, RD_KAFKA_PRODUCER);
	if (options->transaction)
	{
		check_error(rd_kafka_init_transactions(rk, timeout_ms), "transaction");
		check_error(rd_kafka_begin_transaction(rk), "transaction");
	}
	return rk;
}

/* Wait for every delivery and end the transaction, if there is one. */
static void
end_produce(rd_kafka_t *rk, Options *options)
{
	check(rd_kafka_flush(rk, timeout_ms), "flush");
	if (undelivered > 0)
		die("%ld messages were not delivered", undelivered);
	if (options->transaction == NULL)
		return;
	if (strcmp(options->transaction, "commit") == 0)
		check_error(rd_kafka_commit_transaction(rk, timeout_ms), "commit");
	else if (strcmp(options->transaction, "abort") == 0)
		check_error(rd_kafka_abort_transaction(rk, timeout_ms), "abort");
	else if (strcmp(options->transaction, "abandon") != 0)
		die("a transaction ends by commit, abort or abandon");
}

void
run_produce(Options *options, char **args)
{
	rd_kafka_t *rk = begin_produce(options);
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		len;

	while ((len = getline(&line, &size, stdin)) >= 0)
	{
		if (len > 0 && line[len - 1] == '\n')
			line[len - 1] = '\0';
		send_line(rk, args[0], options, line);
	}
	free(line);
	end_produce(rk, options);
}

void
run_transaction(Options *options, char **args)
{
	options->transaction = args[1];
	run_produce(options, args);
}

/* Print the headers of a message: each a tab, its name, = and its value. */
static void
print_headers(const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	const char *name;
	const void *value;
	size_t		len;

	if (rd_kafka_message_headers(message, &headers) != 0)
		return;
	for (size_t i = 0;
		 rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++)
	{
		printf("\t%s=", name);
		print_escaped(value, len);
	}
}

/* A consumer of all partitions of a topic, from a place on. */
static rd_kafka_t *
begin_consume(Options *options, const char *topic, int64_t from,
			  int *npartitions)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_t *rk;

	set_property(options->conf, "group.id=kafka_tool");
	set_property(options->conf, "enable.auto.commit=false");
	set_property(options->conf, "enable.partition.eof=true");
	rk = connect_as(options, RD_KAFKA_CONSUMER);
	rd_kafka_poll_set_consumer(rk);
	*npartitions = count_partitions(rk, topic);
	if (*npartitions == 0)
		die("no topic \"%s\"", topic);
	for (int32_t p = 0; p < *npartitions; p++)
		rd_kafka_topic_partition_list_add(list, topic, p)->offset = from;
	check(rd_kafka_assign(rk, list), "assign");
	rd_kafka_topic_partition_list_destroy(list);
	return rk;
}

/* Print what a read from the first to the last offset sees. */
void
run_consume(Options *options, char **args)
{
	int			open;
	rd_kafka_t *rk = begin_consume(options, args[0],
								   RD_KAFKA_OFFSET_BEGINNING, &open);

	while (open > 0)
	{
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, timeout_ms);

		if (message == NULL)
			die("no message for %d s", timeout_ms / 1000);
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			open--;
		else
		{
			check(message->err, "consume");
			printf("%d\t%lld\t", message->partition,
				   (long long) message->offset);
			print_escaped(message->key, message->key_len);
			putchar('\t');
			print_escaped(message->payload, message->len);
			if (options->escaped)
				print_headers(message);
			putchar('\n');
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_consumer_close(rk);
}

/*
 * Print when each of the next messages can be read, in microseconds, and its
 * value; a line of its own says when reading has begun.
 */
void
run_follow(Options *options, char **args)
{
	int			open;
	rd_kafka_t *rk;

	set_property(options->conf, "fetch.wait.max.ms=100");
	set_property(options->conf, "fetch.min.bytes=1");
	rk = begin_consume(options, args[0], RD_KAFKA_OFFSET_END, &open);
	for (long left = atol(args[1]); left > 0;)
	{
		rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, timeout_ms);
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		if (message == NULL)
			die("no message for %d s", timeout_ms / 1000);
		if (message->err == 0)
		{
			printf("%lld\t", now.tv_sec * 1000000LL + now.tv_nsec / 1000);
			print_escaped(message->payload, message->len);
			putchar('\n');
			left--;
		}
		else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
			check(message->err, "consume");
		else if (--open == 0)
		{
			puts("ready");
			fflush(stdout);
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_consumer_close(rk);
}

/* Read the parameters COUNT USERS SEED of a stream. */
static const LoginStream *
read_stream(Options *options, char **args)
{
	options->stream.count = atol(args[0]);
	options->stream.users = atol(args[1]);
	options->stream.seed = atol(args[2]);
	if (options->stream.users < 1)
		die("a stream needs at least one user");
	return &options->stream;
}

void
run_load(Options *options, char **args)
{
	const LoginStream *stream = read_stream(options, args + 1);
	LoginEvent	event;
	rd_kafka_t *rk;

	set_property(options->conf, "partitioner=murmur2");
	set_property(options->conf, "linger.ms=20");
	set_property(options->conf, "queue.buffering.max.messages=200000");
	rk = begin_produce(options);
	for (long n = 0; n < stream->count; n++)
	{
		login_event_make(stream, n, &event);
		send_message(rk, args[0], options->partition, event.user_id,
					 strlen(event.user_id), event.payload,
					 (size_t) event.payload_len, 0, NULL);
	}
	end_produce(rk, options);
}

/* Print a stream: number, reason or ok, the four fields, payload. */
void
run_dump(Options *options, char **args)
{
	const LoginStream *stream = read_stream(options, args);
	LoginEvent	event;

	for (long n = 0; n < stream->count; n++)
	{
		login_event_make(stream, n, &event);
		printf("%ld\t%s\t%s\t%s\t%s\t%s\t%s\n", n, event.reason,
			   event.user_id, event.service_id, event.service_name,
			   event.timestamp, event.payload);
	}
}
