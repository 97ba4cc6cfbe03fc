/*-------------------------------------------------------------------------
 *
 * conf.c
 *	  Which librdkafka properties servers and user mappings may set.
 *
 * Names and values are librdkafka's own and checked by it when an option is
 * set, not when a worker starts.  A few are refused: those that the source
 * owns, since exactly-once rests on them; those that load code or run
 * commands in the server; those that read a file of the server, unless the
 * user may do that anyway; and secrets outside user mappings, because
 * everybody can read a server's options.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/client_internal.h"
#include "server/foreign_options.h"

typedef enum OptionClass
{
	OPTION_PLAIN,
	OPTION_OWNED,				/* the source decides */
	OPTION_CODE,				/* loads code or runs a command */
	OPTION_FILE,				/* names a file of the server */
	OPTION_SECRET
} OptionClass;

/* All that is not plain. */
static const struct
{
	const char *name;
	OptionClass class;
}			special_options[] = {
	{"allow.auto.create.topics", OPTION_OWNED},
	{"auto.commit.enable", OPTION_OWNED},
	{"auto.commit.interval.ms", OPTION_OWNED},
	{"auto.offset.reset", OPTION_OWNED},
	{"debug", OPTION_OWNED},
	{"enable.auto.commit", OPTION_OWNED},
	{"enable.auto.offset.store", OPTION_OWNED},
	{"enable.partition.eof", OPTION_OWNED},
	{"fetch.error.backoff.ms", OPTION_OWNED},
	{"fetch.max.bytes", OPTION_OWNED},
	{"fetch.message.max.bytes", OPTION_OWNED},
	{"fetch.queue.backoff.ms", OPTION_OWNED},
	{"group.instance.id", OPTION_OWNED},
	{"group.protocol", OPTION_OWNED},
	{"group.remote.assignor", OPTION_OWNED},
	{"isolation.level", OPTION_OWNED},
	{"log.queue", OPTION_OWNED},
	{"log_level", OPTION_OWNED},
	{"max.partition.fetch.bytes", OPTION_OWNED},
	{"max.poll.interval.ms", OPTION_OWNED},
	{"offset.store.method", OPTION_OWNED},
	{"offset.store.path", OPTION_OWNED},
	{"offset.store.sync.interval.ms", OPTION_OWNED},
	{"partition.assignment.strategy", OPTION_OWNED},
	{"queued.max.messages.kbytes", OPTION_OWNED},
	{"queued.min.messages", OPTION_OWNED},
	{"test.mock.num.brokers", OPTION_OWNED},
	{"topic.metadata.propagation.max.ms", OPTION_OWNED},

	{"plugin.library.paths", OPTION_CODE},
	{"sasl.kerberos.kinit.cmd", OPTION_CODE},
	{"sasl.kerberos.min.time.before.relogin", OPTION_CODE},
	{"ssl.engine.id", OPTION_CODE},
	{"ssl.engine.location", OPTION_CODE},
	{"ssl.providers", OPTION_CODE},

	{"https.ca.location", OPTION_FILE},
	{"sasl.kerberos.keytab", OPTION_FILE},
	{"sasl.oauthbearer.assertion.file", OPTION_FILE},
	{"sasl.oauthbearer.assertion.jwt.template.file", OPTION_FILE},
	{"sasl.oauthbearer.assertion.private.key.file", OPTION_FILE},
	{"ssl.ca.location", OPTION_FILE},
	{"ssl.certificate.location", OPTION_FILE},
	{"ssl.crl.location", OPTION_FILE},
	{"ssl.key.location", OPTION_FILE},
	{"ssl.keystore.location", OPTION_FILE},

	{"sasl.oauthbearer.assertion.private.key.passphrase", OPTION_SECRET},
	{"sasl.oauthbearer.assertion.private.key.pem", OPTION_SECRET},
	{"sasl.oauthbearer.client.secret", OPTION_SECRET},
	{"sasl.oauthbearer.config", OPTION_SECRET},
	{"sasl.password", OPTION_SECRET},
	{"ssl.key.password", OPTION_SECRET},
	{"ssl.key.pem", OPTION_SECRET},
	{"ssl.keystore.password", OPTION_SECRET},
};

/* What kind of option this is. */
static OptionClass
option_class(const char *name)
{
	for (int i = 0; i < lengthof(special_options); i++)
	{
		if (strcmp(special_options[i].name, name) == 0)
			return special_options[i].class;
	}
	return OPTION_PLAIN;
}

/* Let librdkafka judge name and value; a secret's value is not repeated. */
static void
check_with_library(const char *name, const char *value, bool secret)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char		error[512] = "";
	rd_kafka_conf_res_t result;

	result = rd_kafka_conf_set(conf, name, value, error, sizeof(error));
	rd_kafka_conf_destroy(conf);
	if (result == RD_KAFKA_CONF_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("invalid option \"%s\"", name),
				 errhint("Options are the configuration properties of librdkafka %s for consumers.",
						 rd_kafka_version_str())));
	if (result == RD_KAFKA_CONF_INVALID)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", name),
				 secret ? 0 : errdetail("%s", error)));
}

/*
 * Check one option of a server or of a user mapping; raises an ERROR of
 * class HV or 42 for what may not be set.
 * https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
 */
void
evaudit_kafka_check_option(const char *name, const char *value,
						   bool user_mapping)
{
	OptionClass class;

	class = option_class(name);

	if (class == OPTION_OWNED)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" cannot be set", name),
				 errdetail("It is controlled by the source.")));
	if (class == OPTION_CODE)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
				 errmsg("option \"%s\" cannot be set", name),
				 errdetail("It would load code into the server or run a command there.")));
	if (class == OPTION_SECRET && !user_mapping)
		evaudit_refuse_secret(name);
	if (class == OPTION_FILE)
		evaudit_check_file_option(name);
	check_with_library(name, value, class == OPTION_SECRET);
}
