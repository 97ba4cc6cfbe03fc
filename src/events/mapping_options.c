/*-------------------------------------------------------------------------
 *
 * mapping_options.c
 *	  From the options of a topic to a compiled mapping.
 *
 * Options come from a user, so every fault is an ERROR that names the
 * option.  What a topic does with its events ("project", "keep") and how it
 * takes its schema is known here by name only: topic_define.c reads it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "events/mapping_compiled.h"
#include "server/compat.h"

#define DEFAULT_MAX_FUTURE			"5min"
#define DEFAULT_MAX_PAYLOAD_BYTES	(1024 * 1024)

/* No text, and no string in a jsonb, can be longer. */
#define MAX_MAX_PAYLOAD_BYTES		0x0FFFFFFF

typedef void (*OptionSetter) (EvauditMapping *mapping, const char *option,
							  const JsonbValue *value);

typedef struct OptionDef
{
	const char *name;
	OptionSetter set;			/* NULL: not the mapping's */
} OptionDef;

static const char *const field_names[EVAUDIT_NFIELDS] = {
	[EVAUDIT_FIELD_USER_ID] = "user_id",
	[EVAUDIT_FIELD_SERVICE_ID] = "service_id",
	[EVAUDIT_FIELD_SERVICE_NAME] = "service_name",
};

static const char *const time_formats[] = {
	[TIME_RFC3339] = "rfc3339",
	[TIME_ISO8601] = "iso8601",
	[TIME_EPOCH_S] = "epoch_s",
	[TIME_EPOCH_MS] = "epoch_ms",
	[TIME_RECORD] = "record",
};

/* Refuse the value of an option. */
static void
bad_option(const char *option, const char *must_be)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic option \"%s\" must be %s", option, must_be)));
}

/* The value of an option that has to be a string. */
static char *
string_value(const char *option, const JsonbValue *value)
{
	if (value->type != jbvString)
		bad_option(option, "a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* The child of a node by name, made if it is not there yet. */
static PathNode *
child_named(PathNode *node, const char *name)
{
	int			name_len = (int) strlen(name);
	PathNode   *child;

	for (child = node->children; child != NULL; child = child->next)
		if (strcmp(child->name, name) == 0)
			return child;

	child = palloc0(sizeof(PathNode));
	child->name = name;
	child->name_len = name_len;
	child->index = -1;
	/* RFC 6901: an index has no leading zero; nine digits are enough */
	if (name_len > 0 && name_len <= 9 &&
		strspn(name, "0123456789") == name_len &&
		(name[0] != '0' || name_len == 1))
		child->index = atoi(name);
	child->next = node->children;
	node->children = child;
	return child;
}

/*
 * Cut the first name off a JSON pointer that begins with "/" and undo its
 * escapes in place.  False if there is none, or one that is none of the two.
 */
static bool
next_name(char **pointer, char **name)
{
	char	   *from = *pointer;
	char	   *to;

	if (*from++ != '/')
		return false;
	*name = to = from;
	while (*from != '\0' && *from != '/')
	{
		char		c = *from++;

		if (c == '~')
		{
			if (*from != '0' && *from != '1')
				return false;
			c = *from++ == '0' ? '~' : '/';
		}
		*to++ = c;
	}
	*pointer = from;
	/* the "/" that ends this name begins the next: leave it where it is */
	if (*from == '/')
		*name = pnstrdup(*name, to - *name);
	else
		*to = '\0';
	return true;
}

/* Add the JSON pointer of a slot (RFC 6901) to the tree of names. */
static void
add_pointer(EvauditMapping *mapping, int slot, const char *option,
			const JsonbValue *value)
{
	PathNode   *node = &mapping->root;
	char	   *rest = string_value(option, value);
	char	   *name;

	mapping->pointers[slot] = pstrdup(rest);
	do
	{
		node->slots_below |= 1U << slot;
		if (!next_name(&rest, &name))
			bad_option(option, "a JSON pointer to a member, such as \"/id\"");
		node = child_named(node, name);
	} while (*rest != '\0');
	node->slots |= 1U << slot;
}

/* The option "event_id". */
static void
set_event_id(EvauditMapping *mapping, const char *option,
			 const JsonbValue *value)
{
	add_pointer(mapping, SLOT_EVENT_ID, option, value);
}

/* The option "timestamp". */
static void
set_timestamp(EvauditMapping *mapping, const char *option,
			  const JsonbValue *value)
{
	add_pointer(mapping, SLOT_TIMESTAMP, option, value);
}

/* The option "timestamp_format". */
static void
set_timestamp_format(EvauditMapping *mapping, const char *option,
					 const JsonbValue *value)
{
	const char *name = string_value(option, value);

	for (int i = 0; i < lengthof(time_formats); i++)
	{
		if (strcmp(name, time_formats[i]) == 0)
		{
			mapping->time_format = (TimeFormat) i;
			return;
		}
	}
	bad_option(option, "rfc3339, iso8601, epoch_s, epoch_ms or record");
}

/* The option "fields": an object of pointers, by column. */
static void
set_fields(EvauditMapping *mapping, const char *option,
		   const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	int			field = 0;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		bad_option(option, "an object of JSON pointers");
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			char	   *name = string_value(option, &item);

			for (field = 0; field < EVAUDIT_NFIELDS; field++)
				if (strcmp(name, field_names[field]) == 0)
					break;
			if (field == EVAUDIT_NFIELDS)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("unknown field \"%s\" in topic option \"%s\"",
								name, option),
						 errhint("Fields are user_id, service_id and service_name.")));
		}
		else if (token == WJB_VALUE)
			add_pointer(mapping, field,
						psprintf("%s.%s", option, field_names[field]), &item);
	}
}

/* Read the text of an interval as microseconds; -1 if it is none. */
static int64
parse_interval(const char *str)
{
	char		buf[256];
	char	   *fields[MAXDATEFIELDS];
	int			types[MAXDATEFIELDS];
	int			nfields;
	int			error;
	int			dtype;
	struct pg_itm_in itm;
	Interval	interval;
	int64		ndays;

	/* as interval_in() does, but without its ERROR */
	error = ParseDateTime(str, buf, sizeof(buf), fields, types,
						  MAXDATEFIELDS, &nfields);
	if (error == 0)
		error = DecodeInterval(fields, types, nfields, INTERVAL_FULL_RANGE,
							   &dtype, &itm);
	if (error == DTERR_BAD_FORMAT)
		error = DecodeISO8601Interval(unconstify(char *, str), &dtype, &itm);
	if (error != 0 || dtype != DTK_DELTA ||
		itmin2interval(&itm, &interval) != 0)
		return -1;
	ndays = (int64) interval.month * DAYS_PER_MONTH + interval.day;
	/* more is pointless, and less than a time can hold */
	if (ndays < 0 || ndays > 100000 * (int64) DAYS_PER_YEAR ||
		interval.time < 0 ||
		interval.time > 100000 * (int64) DAYS_PER_YEAR * USECS_PER_DAY)
		return -1;
	return ndays * USECS_PER_DAY + interval.time;
}

/* The option "max_future". */
static void
set_max_future(EvauditMapping *mapping, const char *option,
			   const JsonbValue *value)
{
	mapping->max_future_text = string_value(option, value);
	mapping->max_future = parse_interval(mapping->max_future_text);
	if (mapping->max_future < 0)
		bad_option(option, "an interval that is not negative, such as \"5min\"");
}

/* The option "max_payload_bytes". */
static void
set_max_payload_bytes(EvauditMapping *mapping, const char *option,
					  const JsonbValue *value)
{
	if (value->type != jbvNumeric ||
		!evaudit_compat_numeric_int4(value->val.numeric,
									 &mapping->max_payload_bytes) ||
		mapping->max_payload_bytes < 1 ||
		mapping->max_payload_bytes > MAX_MAX_PAYLOAD_BYTES)
		bad_option(option, psprintf("a number from 1 to %d",
									MAX_MAX_PAYLOAD_BYTES));
}

/* The option "key". */
static void
set_key(EvauditMapping *mapping, const char *option, const JsonbValue *value)
{
	add_pointer(mapping, SLOT_KEY, option, value);
}

/* The option "encoding". */
static void
set_encoding(EvauditMapping *mapping, const char *option,
			 const JsonbValue *value)
{
	const char *name = string_value(option, value);

	for (int i = 0; evaudit_encoding_names[i] != NULL; i++)
	{
		if (strcmp(name, evaudit_encoding_names[i]) == 0)
		{
			mapping->encoding = (EvauditEncoding) i;
			return;
		}
	}
	bad_option(option, "none, base64, gzip, zstd or base64+gzip");
}

/* The option "accept_bom". */
static void
set_accept_bom(EvauditMapping *mapping, const char *option,
			   const JsonbValue *value)
{
	if (value->type != jbvBool)
		bad_option(option, "true or false");
	mapping->accept_bom = value->val.boolean;
}

/* The option "dedup_window", which retention reads. */
static void
check_dedup_window(EvauditMapping *mapping, const char *option,
				   const JsonbValue *value)
{
	if (parse_interval(string_value(option, value)) <= 0)
		bad_option(option, "an interval that is positive, such as \"30 days\"");
}

static const OptionDef option_defs[] = {
	{"key", set_key},
	{"event_id", set_event_id},
	{"timestamp", set_timestamp},
	{"timestamp_format", set_timestamp_format},
	{"fields", set_fields},
	{"project", NULL},
	{"keep", NULL},
	{"wait", NULL},
	{"assert_format", NULL},
	{"batch", NULL},
	{"format", NULL},
	{"framing", NULL},
	{"schema_id", NULL},
	{"registry", NULL},
	{"avro_schema", NULL},
	{"descriptor_set", NULL},
	{"proto", NULL},
	{"message", NULL},
	{"on_tombstone", NULL},
	{"encoding", set_encoding},
	{"accept_bom", set_accept_bom},
	{"max_future", set_max_future},
	{"max_payload_bytes", set_max_payload_bytes},
	{"dedup_window", check_dedup_window},
};

/* The names of all options, as a hint shows them. */
static char *
option_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(option_defs); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "",
						 option_defs[i].name);
	return names.data;
}

/* Find an option by name. */
static const OptionDef *
find_option(const char *name)
{
	for (int i = 0; i < lengthof(option_defs); i++)
		if (strcmp(name, option_defs[i].name) == 0)
			return &option_defs[i];
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unrecognized topic option \"%s\"", name),
			 errhint("Valid options are: %s.", option_names())));
	return NULL;				/* keep the compiler quiet */
}

/*
 * Compile the options of a topic, in the current memory context.  What they
 * do not name is not looked for, and has the defaults of above.
 */
EvauditMapping *
evaudit_mapping_compile(Jsonb *options)
{
	EvauditMapping *mapping = palloc0(sizeof(EvauditMapping));
	const OptionDef *option = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("topic options must be a JSON object")));

	mapping->max_payload_bytes = DEFAULT_MAX_PAYLOAD_BYTES;
	mapping->max_future_text = DEFAULT_MAX_FUTURE;
	mapping->max_future = parse_interval(DEFAULT_MAX_FUTURE);

	it = JsonbIteratorInit(&options->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			option = find_option(string_value("name", &item));
		else if (token == WJB_VALUE && option->set != NULL)
			option->set(mapping, option->name, &item);
	}
	mapping->decoder = evaudit_decoder_define(options);
	return mapping;
}

/* Refuse what a mapping uses and the current user may not. */
void
evaudit_mapping_check(const EvauditMapping *mapping)
{
	evaudit_decoder_check(mapping->decoder);
}

/* Whether a mapping has a pointer for a column. */
bool
evaudit_mapping_has_field(const EvauditMapping *mapping, EvauditField field)
{
	return mapping->pointers[field] != NULL;
}

/* Whether a mapping says where payloads have the event's id. */
bool
evaudit_mapping_has_event_id(const EvauditMapping *mapping)
{
	return mapping->pointers[SLOT_EVENT_ID] != NULL;
}

/* Most bytes of a payload. */
int
evaudit_mapping_max_payload(const EvauditMapping *mapping)
{
	return mapping->max_payload_bytes;
}
