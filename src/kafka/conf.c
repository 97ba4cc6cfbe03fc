/*-------------------------------------------------------------------------
 *
 * conf.c
 *	  The options of servers and user mappings of evaudit_kafka, and the
 *	  configuration of a client.
 *
 * Options are properties of librdkafka; property.c has the list of those
 * that may be set.  They are checked by evaudit_kafka_check_options() when
 * they are set, once more when they are read for a client, since a catalog's
 * row need not have come through the validator, and their names a third time
 * right before the library sees them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "nodes/parsenodes.h"

#include "kafka/msk.h"
#include "kafka/property.h"
#include "server/foreign_options.h"

/* Longest value of an option, in bytes; certificates are the longest. */
#define MAX_VALUE			65536

/*
 * How much may wait in a consumer's memory.  The counts are of the queue that
 * all of its partitions share.  librdkafka before 2.2 checks only once a
 * second whether a full queue has room again, so it must hold what is consumed
 * in that time; the bytes then bound large records.
 */
#define QUEUED_MESSAGES		"200000"
#define QUEUED_KILOBYTES	"40960"
#define FETCH_BYTES			"8388608"
#define PARTITION_BYTES		"4194304"

/* The same of a producer, whose queue must hold a record of any size. */
#define PRODUCED_MESSAGES	"100000"
#define PRODUCED_KILOBYTES	16384

/* Largest record that is produced, unless the server's options say. */
#define PRODUCED_BYTES		"8388608"

typedef struct FixedProperty
{
	const char *name;
	const char *value;
	bool		optional;		/* the library may not know it */
} FixedProperty;

/* What evaudit relies on; it is set last. */
static const FixedProperty fixed_for_all[] = {
	{"allow.auto.create.topics", "false"},
	{"topic.metadata.propagation.max.ms", "1000"},
	{"internal.termination.signal", "0"},
	{"log_level", "0"},
	/* never: to renew a ticket means a shell, and the principal is in it */
	{"sasl.kerberos.min.time.before.relogin", "0", true},
	{"enable.metrics.push", "false", true}, /* 2.5 and later */
};

static const FixedProperty fixed_for_consumers[] = {
	{"enable.auto.commit", "false"},
	{"enable.auto.offset.store", "false"},
	{"auto.offset.reset", "error"},
	{"enable.partition.eof", "false"},
	{"isolation.level", "read_committed"},
	{"queued.min.messages", QUEUED_MESSAGES},
	{"queued.max.messages.kbytes", QUEUED_KILOBYTES},
	{"fetch.max.bytes", FETCH_BYTES},
	{"fetch.message.max.bytes", PARTITION_BYTES},
	{"fetch.error.backoff.ms", "500"},	/* see kafka_partition.c */
	{"max.poll.interval.ms", "86400000"},
	{"fetch.queue.backoff.ms", "10", true}, /* 2.2 and later */
};

static const FixedProperty fixed_for_producers[] = {
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"partitioner", "murmur2_random"},	/* as Java's producers */
	{"queue.buffering.max.messages", PRODUCED_MESSAGES},
};

/* Whether a property may be set by an option of the kind given. */
static bool
is_allowed(const EvauditKafkaProperty *property, bool user_mapping)
{
	return property != NULL &&
		(property->flags & (user_mapping ? EVAUDIT_KAFKA_MAPPING :
							EVAUDIT_KAFKA_SERVER)) != 0;
}

/* Why no option may set a property; of a mapping, why not there. */
static const char *
refusal_reason(int flags)
{
	if (flags & EVAUDIT_KAFKA_OWNED)
		return "It is controlled by evaudit.";
	if (flags & EVAUDIT_KAFKA_PROCESS)
		return "It would load code into the server, run a command there or change the process that it runs in.";
	if (flags & EVAUDIT_KAFKA_NO_USE)
		return "It cannot be set by name, or has no effect.";
	return "It belongs to the server, not to a user mapping.";
}

/* Raise the ERROR for an option that may not be set. */
pg_noreturn static void
refuse_option(const char *name, const EvauditKafkaProperty *property)
{
	if (property == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", name),
				 errhint("Options are those configuration properties of librdkafka that evaudit knows to be safe.")));
	if (property->flags & EVAUDIT_KAFKA_SECRET)
		evaudit_refuse_secret(name);
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("option \"%s\" cannot be set", name),
			 errdetail("%s", refusal_reason(property->flags))));
}

/* Refuse a value; one that is a secret is not repeated. */
pg_noreturn static void
refuse_value(const EvauditKafkaProperty *property, const char *detail)
{
	bool		secret = (property->flags & EVAUDIT_KAFKA_SECRET) != 0;

	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\"", property->name),
			 secret ? 0 : errdetail("%s", detail)));
}

/* Check a value as far as evaudit bounds it, then by the library. */
static void
check_value(const EvauditKafkaProperty *property, const char *value)
{
	rd_kafka_conf_t *conf;
	char		error[512] = "";
	rd_kafka_conf_res_t result;

	if (strlen(value) > MAX_VALUE)
		refuse_value(property, psprintf("It has more than %d bytes.",
										MAX_VALUE));
	if (property->max > 0 && strtod(value, NULL) > property->max)
		refuse_value(property, psprintf("It must not be greater than %d.",
										property->max));
	conf = rd_kafka_conf_new();
	result = rd_kafka_conf_set(conf, property->name, value,
							   error, sizeof(error));
	rd_kafka_conf_destroy(conf);
	if (result == RD_KAFKA_CONF_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", property->name),
				 errdetail("librdkafka %s does not have it.",
						   rd_kafka_version_str())));
	if (result == RD_KAFKA_CONF_INVALID &&
		strstr(error, "not supported in this build") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("option \"%s\" is not supported by this build of librdkafka",
						property->name),
				 errdetail("%s", error)));
	if (result == RD_KAFKA_CONF_INVALID)
		refuse_value(property, error);
}

/*
 * Check the options of a server or of a user mapping, whose files are read
 * with the rights of a user.  Raises an ERROR of class HV or 42.
 */
void
evaudit_kafka_check_options(List *options, bool user_mapping, Oid user)
{
	bool		brokers = false;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);
		const EvauditKafkaProperty *property =
			evaudit_kafka_property(option->defname);

		if (evaudit_kafka_is_aws_option(option->defname))
			continue;
		if (!is_allowed(property, user_mapping))
			refuse_option(option->defname, property);
		if (property->flags & EVAUDIT_KAFKA_FILE)
			evaudit_check_file_option(option->defname, user);
		check_value(property, defGetString(option));
		brokers |= strcmp(option->defname, "bootstrap.servers") == 0 ||
			strcmp(option->defname, "metadata.broker.list") == 0;
	}
	if (!user_mapping && !brokers)
		evaudit_refuse_missing("bootstrap.servers");
	evaudit_kafka_check_msk(options, user_mapping, user);
}

/*
 * The options of a server and of a user's mapping there, checked; within a
 * transaction.
 */
List *
evaudit_kafka_read_options(Oid server, Oid user)
{
	List	   *options = evaudit_server_options(server, user,
												 evaudit_kafka_check_options);

	evaudit_kafka_check_msk_ambient(options, server);
	return options;
}

/* Set one property or fail; the value may be a secret. */
static void
set_property(rd_kafka_conf_t *conf, const char *name, const char *value,
			 bool optional)
{
	char		error[256];

	if (rd_kafka_conf_set(conf, name, value, error, sizeof(error)) ==
		RD_KAFKA_CONF_OK || optional)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("librdkafka does not accept the value of option \"%s\"",
					name)));
}

/* The value that a property has in a configuration. */
static char *
get_property(const rd_kafka_conf_t *conf, const char *name)
{
	char		value[128] = "";
	size_t		size = sizeof(value);

	if (rd_kafka_conf_get(conf, name, value, &size) != RD_KAFKA_CONF_OK)
		value[0] = '\0';
	return pstrdup(value);
}

/*
 * Whether a client would log in with what belongs to the server's operating
 * system user, such as its Kerberos tickets, and not with what the options
 * give.  librdkafka's default mechanism is GSSAPI.
 */
static bool
uses_ambient_credentials(const rd_kafka_conf_t *conf, List *options)
{
	char	   *mechanism = get_property(conf, "sasl.mechanisms");

	if (pg_strncasecmp(get_property(conf, "security.protocol"), "sasl", 4) != 0)
		return false;
	if (strcmp(mechanism, "PLAIN") == 0 ||
		strncmp(mechanism, "SCRAM-SHA-", 10) == 0)
		return false;
	if (strcmp(mechanism, "OAUTHBEARER") == 0)
		return evaudit_find_option(options,
								   "sasl.oauthbearer.client.secret") == NULL &&
			evaudit_find_option(options, "sasl.oauthbearer.config") == NULL;
	return true;
}

/* Set the properties of a list. */
static void
set_fixed(rd_kafka_conf_t *conf, const FixedProperty *list, int n)
{
	for (int i = 0; i < n; i++)
		set_property(conf, list[i].name, list[i].value, list[i].optional);
}

/*
 * Set the options that evaudit_kafka_read_options() returned, then what all
 * clients rely on.  ambient: whether the user may use the server's own
 * credentials.
 */
static void
set_options(rd_kafka_conf_t *conf, List *options, bool ambient)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);
		const EvauditKafkaProperty *property =
			evaudit_kafka_property(option->defname);

		if (evaudit_kafka_is_aws_option(option->defname))
			continue;
		if (!is_allowed(property, false) && !is_allowed(property, true))
			refuse_option(option->defname, property);
		set_property(conf, option->defname, defGetString(option), false);
	}
	set_fixed(conf, fixed_for_all, lengthof(fixed_for_all));
	if (evaudit_kafka_uses_msk(options))
	{
		set_property(conf, "security.protocol", "sasl_ssl", false);
		set_property(conf, "sasl.mechanisms", "OAUTHBEARER", false);
		return;					/* whose credentials, the tokens' maker checks */
	}

	if (!ambient && uses_ambient_credentials(conf, options))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to use the credentials of the server for Kafka"),
				 errdetail("They are for superusers and members of the role in evaudit.ambient_credentials_role."),
				 errhint("Set sasl.mechanism and the user's own credentials.")));
}

/* A consumer's configuration; shown_group may be NULL. */
rd_kafka_conf_t *
evaudit_kafka_consumer_conf(List *options, bool ambient, const char *group,
							const char *shown_group)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	set_property(conf, "client.id", "evaudit", false);
	set_property(conf, "group.id", group, false);
	set_options(conf, options, ambient);
	if (shown_group != NULL)
		set_property(conf, "group.id", shown_group, false);
	set_fixed(conf, fixed_for_consumers, lengthof(fixed_for_consumers));
	return conf;
}

/*
 * A producer's configuration; transactional_id may be NULL.  Requests hold at
 * most batch_bytes, or one record.
 *
 * Without a transaction no record ever times out: those behind it would go
 * before it.  Within one the library derives the time from the transaction's,
 * and a record that times out aborts it.
 */
rd_kafka_conf_t *
evaudit_kafka_producer_conf(List *options, bool ambient,
							const char *transactional_id, int batch_bytes)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int			record_kilobytes;

	set_property(conf, "client.id", "evaudit", false);
	set_property(conf, "linger.ms", "1", false);
	/* a transaction begins while the brokers still end the one before it */
	set_property(conf, "retry.backoff.ms", "2", false);
	set_property(conf, "socket.nagle.disable", "true", false);
	set_property(conf, "message.max.bytes", PRODUCED_BYTES, false);
	set_options(conf, options, ambient);
	set_fixed(conf, fixed_for_producers, lengthof(fixed_for_producers));

	record_kilobytes = atoi(get_property(conf, "message.max.bytes")) / 1024;
	set_property(conf, "queue.buffering.max.kbytes",
				 psprintf("%d", Max(PRODUCED_KILOBYTES,
									2 * record_kilobytes)), false);
	set_property(conf, "batch.size", psprintf("%d", batch_bytes), false);
	if (transactional_id != NULL)
		set_property(conf, "transactional.id", transactional_id, false);
	else
		set_property(conf, "message.timeout.ms", "0", false);
	return conf;
}
