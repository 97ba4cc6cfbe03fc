/*-------------------------------------------------------------------------
 *
 * proto_scalar.c
 *	  Scalars of Protocol Buffers, as JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "formats/proto_reader.h"

/* A number of an enum: its name, or itself if it has none. */
static bool
write_enum(EvauditJsonOut *out, const ProtoEnum *enumeration, int32 number)
{
	int			low = 0;
	int			high = enumeration->n;

	if (enumeration->is_null)
		return evaudit_out_raw(out, "null");
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (enumeration->values[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < enumeration->n && enumeration->values[low].number == number)
		return evaudit_out_raw(out, enumeration->values[low].json);
	return evaudit_out_int(out, number);
}

/* Undo zigzag. */
static int64
zigzag(uint64 value)
{
	return (int64) (value >> 1) ^ -(int64) (value & 1);
}

/* A float of 32 bits. */
static bool
write_float(EvauditJsonOut *out, uint64 bits)
{
	union
	{
		uint32		bits;
		float		value;
	}			single = {.bits = (uint32) bits};

	return evaudit_out_float(out, single.value);
}

/* A double. */
static bool
write_double(EvauditJsonOut *out, uint64 bits)
{
	union
	{
		uint64		bits;
		double		value;
	}			full = {.bits = bits};

	return evaudit_out_double(out, full.value);
}

/* A number by its type. */
static bool
write_number(EvauditJsonOut *out, const ProtoField *field, uint64 value)
{
	switch (field->type)
	{
		case PROTO_DOUBLE:
			return write_double(out, value);
		case PROTO_FLOAT:
			return write_float(out, value);
		case PROTO_INT64:
		case PROTO_SFIXED64:
			return evaudit_out_int(out, (int64) value);
		case PROTO_UINT64:
		case PROTO_FIXED64:
			return evaudit_out_uint(out, value);
		case PROTO_INT32:
		case PROTO_SFIXED32:
			return evaudit_out_int(out, (int32) value);
		case PROTO_UINT32:
		case PROTO_FIXED32:
			return evaudit_out_uint(out, (uint32) value);
		case PROTO_SINT32:
			return evaudit_out_int(out, (int32) zigzag((uint32) value));
		case PROTO_SINT64:
			return evaudit_out_int(out, zigzag(value));
		case PROTO_BOOL:
			return evaudit_out_raw(out, value != 0 ? "true" : "false");
		case PROTO_ENUM:
			return write_enum(out, field->enumeration, (int32) value);
		default:
			return evaudit_out_malformed(out, "field \"%s\" is not a number",
										 field->name);
	}
}

/*
 * A scalar as it is on the wire, or its default if wire is NULL; as the name
 * of a member if it is the key of a map.
 */
bool
evaudit_proto_scalar(ProtoReader *reader, const ProtoField *field,
					 const ProtoWireField *wire, bool as_name)
{
	EvauditJsonOut *out = reader->out;
	const char *bytes = wire == NULL ? "" : wire->bytes;
	size_t		len = wire == NULL ? 0 : wire->len;

	if (field->type == PROTO_STRING)
		return evaudit_out_string(out, bytes, len);
	if (field->type == PROTO_BYTES)
		return evaudit_out_base64(out, bytes, len);
	if (as_name && !evaudit_out_raw(out, "\""))
		return false;
	if (!write_number(out, field, wire == NULL ? 0 : wire->value))
		return false;
	return !as_name || evaudit_out_raw(out, "\"");
}

/* Read a number as it is packed with others. */
static bool
read_packed(ProtoWire *wire, ProtoType type, uint64 *value)
{
	switch (type)
	{
		case PROTO_DOUBLE:
		case PROTO_FIXED64:
		case PROTO_SFIXED64:
			return evaudit_wire_fixed(wire, 8, value);
		case PROTO_FLOAT:
		case PROTO_FIXED32:
		case PROTO_SFIXED32:
			return evaudit_wire_fixed(wire, 4, value);
		default:
			return evaudit_wire_varint(wire, value);
	}
}

/* The numbers that one field has packed; "first" is about commas. */
bool
evaudit_proto_packed(ProtoReader *reader, const ProtoField *field,
					 const ProtoWireField *on_wire, bool *first)
{
	ProtoWire	wire = {on_wire->bytes, on_wire->bytes + on_wire->len};
	uint64		value;

	while (wire.p < wire.end)
	{
		CHECK_FOR_INTERRUPTS();
		if (!read_packed(&wire, field->type, &value))
			return evaudit_out_malformed(reader->out,
										 "payload is malformed, or cut, in field \"%s\"",
										 field->name);
		if (!*first && !evaudit_out_raw(reader->out, ","))
			return false;
		*first = false;
		if (!write_number(reader->out, field, value))
			return false;
	}
	return true;
}
