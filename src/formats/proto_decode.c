/*-------------------------------------------------------------------------
 *
 * proto_decode.c
 *	  Messages of Protocol Buffers, as JSON: names of fields as they are
 *	  declared, all numbers as numbers, bytes in base64.
 *
 * Whatever the bytes are, the outcome is JSON or a fault.  The time that a
 * message takes is bounded by its bytes and by those of the JSON: fields that
 * are neither there nor shown cost nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/proto_reader.h"

/* The bytes of messages that are fields, as spans of one message. */
static ProtoSpan *
make_spans(const ProtoOccurrence *occurrences, int n)
{
	ProtoSpan  *spans = palloc(Max(n, 1) * sizeof(ProtoSpan));

	for (int i = 0; i < n; i++)
	{
		spans[i].bytes = occurrences[i].wire.bytes;
		spans[i].len = occurrences[i].wire.len;
	}
	return spans;
}

/* A value that is not repeated; none of it: its default. */
static bool
write_value(ProtoReader *reader, const ProtoField *field,
			const ProtoOccurrence *occurrences, int n)
{
	ProtoSpan  *spans;
	bool		ok;

	if (field->type != PROTO_MESSAGE)
		return evaudit_proto_scalar(reader, field, n == 0 ? NULL :
									&occurrences[n - 1].wire, false);
	spans = make_spans(occurrences, n);
	ok = evaudit_proto_message(reader, field->message, spans, n);
	pfree(spans);
	return ok;
}

/* How many of some fields, from the first on, are the same one. */
static int
count_same(const ProtoFields *fields, int from, int index)
{
	int			n = 0;

	while (from + n < fields->n &&
		   fields->occurrences[from + n].field == index)
		n++;
	return n;
}

/* The entry of a map: a member. */
static bool
write_entry(ProtoReader *reader, const ProtoField *field,
			const ProtoOccurrence *occurrence)
{
	const ProtoMessage *entry = field->message;
	ProtoSpan	span = {occurrence->wire.bytes, occurrence->wire.len};
	ProtoFields fields;
	int			nkeys;
	bool		ok;

	if (!evaudit_proto_collect(reader, entry, &span, 1, &fields))
		return false;
	nkeys = count_same(&fields, 0, 0);
	ok = evaudit_proto_scalar(reader, entry->fields[0], nkeys == 0 ? NULL :
							  &fields.occurrences[nkeys - 1].wire, true) &&
		evaudit_out_raw(reader->out, ":") &&
		write_value(reader, entry->fields[1], fields.occurrences + nkeys,
					fields.n - nkeys);
	if (fields.occurrences != NULL)
		pfree(fields.occurrences);
	return ok;
}

/* One of the values of a repeated field. */
static bool
write_element(ProtoReader *reader, const ProtoField *field,
			  const ProtoOccurrence *occurrence, bool *first)
{
	bool		is_map = field->message != NULL && field->message->map_entry;
	bool		packed = occurrence->wire.type == PROTO_WIRE_BYTES &&
		field->type != PROTO_STRING && field->type != PROTO_BYTES &&
		field->type != PROTO_MESSAGE;

	if (packed)
		return evaudit_proto_packed(reader, field, &occurrence->wire, first);
	if (!*first && !evaudit_out_raw(reader->out, ","))
		return false;
	*first = false;
	return is_map ? write_entry(reader, field, occurrence) :
		write_value(reader, field, occurrence, 1);
}

/* The value of a field that is there so often. */
bool
evaudit_proto_field(ProtoReader *reader, const ProtoField *field,
					const ProtoOccurrence *occurrences, int n)
{
	bool		is_map = field->message != NULL && field->message->map_entry;
	bool		first = true;

	if (!field->repeated)
		return write_value(reader, field, occurrences, n);
	if (!evaudit_out_raw(reader->out, is_map ? "{" : "["))
		return false;
	for (int i = 0; i < n; i++)
		if (!write_element(reader, field, &occurrences[i], &first))
			return false;
	return evaudit_out_raw(reader->out, is_map ? "}" : "]");
}

/*
 * The fields of a message: those that are there, and those that are shown by
 * their default, both in the order of their numbers.
 */
static bool
write_fields(ProtoReader *reader, const ProtoFields *fields)
{
	const ProtoMessage *message = fields->message;
	bool		first = true;
	int			implicit = 0;
	int			from = 0;

	while (from < fields->n || implicit < message->nimplicit)
	{
		int			index = PG_INT32_MAX;
		int			n;

		if (from < fields->n)
			index = fields->occurrences[from].field;
		if (implicit < message->nimplicit)
			index = Min(index, message->implicit[implicit]);
		n = count_same(fields, from, index);
		if ((!first && !evaudit_out_raw(reader->out, ",")) ||
			!evaudit_out_raw(reader->out, message->fields[index]->json) ||
			!evaudit_out_raw(reader->out, ":") ||
			!evaudit_proto_field(reader, message->fields[index],
								 fields->occurrences + from, n))
			return false;
		first = false;
		from += n;
		if (implicit < message->nimplicit &&
			message->implicit[implicit] == index)
			implicit++;
	}
	return true;
}

/* A message, of which the bytes may be in several places. */
bool
evaudit_proto_message(ProtoReader *reader, const ProtoMessage *message,
					  const ProtoSpan *spans, int nspans)
{
	ProtoFields fields;
	bool		ok;

	if (++reader->depth > EVAUDIT_DECODE_MAX_DEPTH)
		return evaudit_out_fault(reader->out, EVAUDIT_OUT_TOO_DEEP,
								 "payload nests deeper than %d levels",
								 EVAUDIT_DECODE_MAX_DEPTH);
	if (!evaudit_proto_collect(reader, message, spans, nspans, &fields))
		return false;
	if (message->known != PROTO_ORDINARY)
		ok = evaudit_proto_known(reader, &fields);
	else
		ok = evaudit_out_raw(reader->out, "{") &&
			write_fields(reader, &fields) &&
			evaudit_out_raw(reader->out, "}");
	if (fields.occurrences != NULL)
		pfree(fields.occurrences);
	reader->depth--;
	return ok;
}

/* See proto.h. */
bool
evaudit_proto_decode(ProtoSet *set, const ProtoMessage *message,
					 const char *bytes, size_t len, EvauditJsonOut *out)
{
	ProtoReader reader = {.set = set,.out = out};
	ProtoSpan	span = {bytes, len};

	return evaudit_proto_message(&reader, message, &span, 1);
}
