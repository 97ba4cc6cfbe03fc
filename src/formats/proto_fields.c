/*-------------------------------------------------------------------------
 *
 * proto_fields.c
 *	  The fields of a message on the wire, in the order of its declaration.
 *
 * Fields may come in any order and several times: of a scalar the last one
 * counts, messages are merged, and of a oneof only the member that came last
 * is there.  What a file does not declare, or declares with another type on
 * the wire, is ignored.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "formats/proto_reader.h"

/* Fields on the wire that a payload may have, each a value at most. */
#define MAX_OCCURRENCES		1000000

/* The type on the wire of a type of fields. */
static ProtoWireType
wire_type(ProtoType type)
{
	switch (type)
	{
		case PROTO_DOUBLE:
		case PROTO_FIXED64:
		case PROTO_SFIXED64:
			return PROTO_WIRE_64;
		case PROTO_FLOAT:
		case PROTO_FIXED32:
		case PROTO_SFIXED32:
			return PROTO_WIRE_32;
		case PROTO_STRING:
		case PROTO_BYTES:
		case PROTO_MESSAGE:
			return PROTO_WIRE_BYTES;
		case PROTO_GROUP:
			return PROTO_WIRE_GROUP;
		default:
			return PROTO_WIRE_VARINT;
	}
}

/* The index of a field by its number, or -1. */
static int
find_field(const ProtoMessage *message, uint32 number)
{
	int			low = 0;
	int			high = message->nfields;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if ((uint32) message->fields[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < message->nfields &&
		(uint32) message->fields[low]->number == number ? low : -1;
}

/* Whether a field that is declared can be on the wire like that. */
static bool
fits(const ProtoField *field, const ProtoWireField *wire)
{
	ProtoWireType type = wire_type(field->type);

	if (type == PROTO_WIRE_GROUP)
		return false;
	return wire->type == type ||
		(field->repeated && wire->type == PROTO_WIRE_BYTES);
}

/* Note a field that is there. */
static bool
add_occurrence(ProtoReader *reader, ProtoFields *fields, int field,
			   const ProtoWireField *wire)
{
	int			n = fields->n;

	if (++reader->noccurrences > MAX_OCCURRENCES)
		return evaudit_out_fault(reader->out, EVAUDIT_OUT_TOO_LARGE,
								 "payload has more than %d fields",
								 MAX_OCCURRENCES);
	/* room for a power of two */
	if (n == 0)
		fields->occurrences = palloc(sizeof(ProtoOccurrence));
	else if ((n & (n - 1)) == 0)
		fields->occurrences = repalloc(fields->occurrences,
									   2 * n * sizeof(ProtoOccurrence));
	fields->occurrences[n].field = field;
	fields->occurrences[n].place = n;
	fields->occurrences[n].wire = *wire;
	fields->n++;
	return true;
}

/* Read the fields of some bytes. */
static bool
read_span(ProtoReader *reader, const ProtoSpan *span, ProtoFields *fields)
{
	ProtoWire	wire = {span->bytes, span->bytes + span->len};
	ProtoWireField field = {0};

	while (wire.p < wire.end)
	{
		int			index;

		CHECK_FOR_INTERRUPTS();
		if (!evaudit_wire_field(&wire, &field))
			return evaudit_out_malformed(reader->out,
										 "payload is malformed, or cut, in message \"%s\"",
										 fields->message->full_name);
		index = find_field(fields->message, field.number);
		if (index >= 0 && fits(fields->message->fields[index], &field) &&
			!add_occurrence(reader, fields, index, &field))
			return false;
	}
	return true;
}

/* The oneof that a field which is there is of, or -1. */
static int
oneof_of(const ProtoOccurrence *occurrence, const ProtoMessage *message)
{
	return message->fields[occurrence->field]->oneof;
}

/* Compare by oneof, then by place. */
static int
by_oneof(const void *a, const void *b, void *message)
{
	const ProtoOccurrence *x = a;
	const ProtoOccurrence *y = b;
	int			order = oneof_of(x, message) - oneof_of(y, message);

	return order != 0 ? order : x->place - y->place;
}

/* Compare by field, then by place. */
static int
by_field(const void *a, const void *b)
{
	const ProtoOccurrence *x = a;
	const ProtoOccurrence *y = b;

	return x->field != y->field ? x->field - y->field : x->place - y->place;
}

/* Void the members of oneofs that another one came after. */
static void
void_oneofs(ProtoFields *fields)
{
	ProtoOccurrence *all = fields->occurrences;
	int			left = 0;

	qsort_arg(all, fields->n, sizeof(ProtoOccurrence), by_oneof,
			  unconstify(ProtoMessage *, fields->message));
	for (int i = fields->n - 1; i >= 0; i--)
	{
		int			oneof = oneof_of(&all[i], fields->message);
		int			next = i + 1;

		if (oneof < 0 || next == fields->n ||
			oneof_of(&all[next], fields->message) != oneof)
			continue;
		/* what voids the next one voids this one, too */
		if (all[next].place < 0 || all[next].field != all[i].field)
			all[i].place = -1;
	}
	for (int i = 0; i < fields->n; i++)
		if (all[i].place >= 0)
			all[left++] = all[i];
	fields->n = left;
}

/*
 * Collect the fields of a message, in the current memory context; false if
 * there is a fault.
 */
bool
evaudit_proto_collect(ProtoReader *reader, const ProtoMessage *message,
					  const ProtoSpan *spans, int nspans, ProtoFields *fields)
{
	bool		has_oneof = false;

	memset(fields, 0, sizeof(ProtoFields));
	fields->message = message;
	for (int i = 0; i < nspans; i++)
		if (!read_span(reader, &spans[i], fields))
			return false;
	for (int i = 0; i < fields->n && !has_oneof; i++)
		has_oneof = oneof_of(&fields->occurrences[i], message) >= 0;
	if (has_oneof)
		void_oneofs(fields);
	if (fields->n > 1)
		qsort(fields->occurrences, fields->n, sizeof(ProtoOccurrence),
			  by_field);
	return true;
}

/* The last field of a number that is there, or NULL. */
const ProtoOccurrence *
evaudit_proto_last(const ProtoFields *fields, int32 number)
{
	const ProtoOccurrence *last = NULL;

	for (int i = 0; i < fields->n; i++)
		if (fields->message->fields[fields->occurrences[i].field]->number == number)
			last = &fields->occurrences[i];
	return last;
}
