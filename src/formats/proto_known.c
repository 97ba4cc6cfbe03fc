/*-------------------------------------------------------------------------
 *
 * proto_known.c
 *	  Messages of google.protobuf that have a JSON of their own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/proto_reader.h"

/* The seconds of 0001-01-01 and of the end of 9999. */
#define FIRST_SECOND	INT64CONST(-62135596800)
#define LAST_SECOND		INT64CONST(253402300799)

/* The longest duration, in seconds. */
#define MAX_DURATION	INT64CONST(315576000000)

#define NANOS_OF_SECOND	1000000000

/* The number in a field, or 0. */
static int64
number_of(const ProtoFields *fields, int32 number)
{
	const ProtoOccurrence *found = evaudit_proto_last(fields, number);

	return found == NULL ? 0 : (int64) found->wire.value;
}

/* A Timestamp, as RFC 3339 has it. */
static bool
write_timestamp(ProtoReader *reader, const ProtoFields *fields)
{
	int64		seconds = number_of(fields, 1);
	int32		nanos = (int32) number_of(fields, 2);

	if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 ||
		nanos >= NANOS_OF_SECOND)
		return evaudit_out_malformed(reader->out, "payload has a timestamp that is not in the years 0001 to 9999");
	return evaudit_out_timestamp(reader->out, seconds, nanos, "Z");
}

/* A Duration, such as "1.500s". */
static bool
write_duration(ProtoReader *reader, const ProtoFields *fields)
{
	int64		seconds = number_of(fields, 1);
	int32		nanos = (int32) number_of(fields, 2);
	bool		negative = seconds < 0 || nanos < 0;
	char		str[64];
	int			len;

	if (seconds < -MAX_DURATION || seconds > MAX_DURATION ||
		nanos <= -NANOS_OF_SECOND || nanos >= NANOS_OF_SECOND ||
		(seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0))
		return evaudit_out_malformed(reader->out, "payload has a duration that is none");
	if (negative)
	{
		seconds = -seconds;
		nanos = -nanos;
	}
	len = snprintf(str, sizeof(str), "\"%s" INT64_FORMAT, negative ? "-" : "",
				   seconds);
	if (nanos % 1000000 == 0 && nanos > 0)
		len += snprintf(str + len, sizeof(str) - len, ".%03d", nanos / 1000000);
	else if (nanos % 1000 == 0 && nanos > 0)
		len += snprintf(str + len, sizeof(str) - len, ".%06d", nanos / 1000);
	else if (nanos > 0)
		len += snprintf(str + len, sizeof(str) - len, ".%09d", nanos);
	snprintf(str + len, sizeof(str) - len, "s\"");
	return evaudit_out_raw(reader->out, str);
}

/* The paths of a FieldMask, in camel case, with commas between them. */
static bool
write_field_mask(ProtoReader *reader, const ProtoFields *fields)
{
	StringInfoData paths;
	bool		ok;

	initStringInfo(&paths);
	for (int i = 0; i < fields->n; i++)
	{
		const ProtoWireField *wire = &fields->occurrences[i].wire;

		if (wire->type != PROTO_WIRE_BYTES)
			continue;
		if (paths.len > 0)
			appendStringInfoChar(&paths, ',');
		for (size_t j = 0; j < wire->len; j++)
		{
			char		c = wire->bytes[j];

			if (c == '_' && j + 1 < wire->len &&
				wire->bytes[j + 1] >= 'a' && wire->bytes[j + 1] <= 'z')
				c = (char) (wire->bytes[++j] - 'a' + 'A');
			appendStringInfoChar(&paths, c);
		}
	}
	ok = evaudit_out_string(reader->out, paths.data, paths.len);
	pfree(paths.data);
	return ok;
}

/* Write the object of an Any before its other members. */
static bool
begin_any(ProtoReader *reader, const ProtoOccurrence *url)
{
	return evaudit_out_raw(reader->out, "{\"@type\":") &&
		evaudit_out_string(reader->out, url->wire.bytes, url->wire.len);
}

/*
 * An Any: an object with the members of what it holds, and "@type"; what is
 * no object of its own, and what is not declared, is the member "value".
 */
static bool
write_any(ProtoReader *reader, const ProtoFields *fields)
{
	const ProtoOccurrence *url = evaudit_proto_last(fields, 1);
	const ProtoOccurrence *value = evaudit_proto_last(fields, 2);
	ProtoSpan	span = {"", 0};
	ProtoNamed *named;
	char	   *name;
	char	   *slash;
	int			begin;

	if (url == NULL || url->wire.type != PROTO_WIRE_BYTES)
		return evaudit_out_raw(reader->out, "{}");
	if (value != NULL && value->wire.type == PROTO_WIRE_BYTES)
		span = (ProtoSpan)
	{
		value->wire.bytes, value->wire.len
	};
	name = pnstrdup(url->wire.bytes, url->wire.len);
	slash = strrchr(name, '/');
	named = evaudit_proto_find(reader->set, slash == NULL ? name : slash + 1);
	if (!begin_any(reader, url))
		return false;
	if (named == NULL || named->message == NULL)
		return evaudit_out_raw(reader->out, ",\"value\":") &&
			evaudit_out_base64(reader->out, span.bytes, span.len) &&
			evaudit_out_raw(reader->out, "}");
	if (named->message->known != PROTO_ORDINARY)
		return evaudit_out_raw(reader->out, ",\"value\":") &&
			evaudit_proto_message(reader, named->message, &span, 1) &&
			evaudit_out_raw(reader->out, "}");
	/* the members go on after "@type": a comma takes the place of the brace */
	begin = reader->out->text.len;
	if (!evaudit_proto_message(reader, named->message, &span, 1))
		return false;
	if (reader->out->text.len > begin + 2)
		reader->out->text.data[begin] = ',';
	else
	{
		reader->out->text.len = begin;
		return evaudit_out_raw(reader->out, "}");
	}
	return true;
}

/* A message with one field, or with one of several. */
static bool
write_one(ProtoReader *reader, const ProtoFields *fields)
{
	const ProtoMessage *message = fields->message;
	int			n = 0;

	while (n < fields->n &&
		   fields->occurrences[n].field == fields->occurrences[0].field)
		n++;
	if (n > 0)
		return evaudit_proto_field(reader,
								   message->fields[fields->occurrences[0].field],
								   fields->occurrences, n);
	return message->known == PROTO_ONE_OF ?
		evaudit_out_raw(reader->out, "null") :
		evaudit_proto_field(reader, message->fields[0], NULL, 0);
}

/* A message that has a JSON of its own. */
bool
evaudit_proto_known(ProtoReader *reader, const ProtoFields *fields)
{
	switch (fields->message->known)
	{
		case PROTO_TIMESTAMP:
			return write_timestamp(reader, fields);
		case PROTO_DURATION:
			return write_duration(reader, fields);
		case PROTO_FIELD_MASK:
			return write_field_mask(reader, fields);
		case PROTO_ANY:
			return write_any(reader, fields);
		default:
			return write_one(reader, fields);
	}
}
