/*-------------------------------------------------------------------------
 *
 * kafka_sink_options.c
 *	  Options of a Kafka sink.
 *
 *	  topic		the topic in Kafka, where "{topic}" stands for the event's
 *				own, which is the default
 *	  delivery	exactly_once (the default) or at_least_once
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "sinks/kafka_sink.h"
#include "text/ascii.h"
#include "text/options.h"

/* What stands for the event's topic. */
#define PLACE		"{topic}"

const char *const evaudit_kafka_sink_own_options[] = {
	"topic", "delivery", NULL
};

/* The name in Kafka of an event's topic, palloc'd. */
char *
evaudit_kafka_sink_topic(const char *option, const char *topic)
{
	StringInfoData name;
	const char *place;

	initStringInfo(&name);
	while ((place = strstr(option, PLACE)) != NULL)
	{
		appendBinaryStringInfo(&name, option, place - option);
		appendStringInfoString(&name, topic);
		option = place + strlen(PLACE);
	}
	appendStringInfoString(&name, option);
	return name.data;
}

/* Refuse a name, or one with places, that no topic in Kafka can have. */
static void
check_topic(const char *option)
{
	char	   *name = evaudit_kafka_sink_topic(option, "t");

	for (const char *c = name; *c != '\0'; c++)
	{
		if (evaudit_is_alnum(*c) || strchr("._-", *c) != NULL)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid Kafka topic: \"%s\"", option),
				 errdetail("A topic's name has letters, digits, \".\", \"_\" and \"-\"; \"%s\" stands for the event's topic.",
						   PLACE)));
	}
	if (name[0] == '\0' || strlen(name) > KAFKA_MAX_TOPIC)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid Kafka topic: \"%s\"", option),
				 errdetail("A topic's name has 1 to %d characters.",
						   KAFKA_MAX_TOPIC)));
}

/* Whether each event is to be in Kafka exactly once. */
static bool
read_delivery(Jsonb *options)
{
	char	   *delivery = evaudit_option_text(options, "delivery");

	if (delivery == NULL || strcmp(delivery, "exactly_once") == 0)
		return true;
	if (strcmp(delivery, "at_least_once") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", "delivery",
					delivery),
			 errhint("Valid values are exactly_once and at_least_once.")));
}

/* Read the options; an ERROR if they cannot be. */
void
evaudit_kafka_sink_read_options(Jsonb *options, KafkaSinkOptions *read)
{
	char	   *topic = evaudit_option_text(options, "topic");
	char	   *format = evaudit_option_text(options, "format");

	read->topic = topic != NULL ? topic : PLACE;
	check_topic(read->topic);
	read->exactly_once = read_delivery(options);
	read->content_type = format != NULL && strcmp(format, "payload") != 0;
}
