/*-------------------------------------------------------------------------
 *
 * proto_wire.c
 *	  The wire format of Protocol Buffers: tags, numbers, lengths.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/proto_wire.h"

/* Groups in groups that are skipped at most. */
#define MAX_GROUPS		100

/* Most bytes of a varint. */
#define VARINT_BYTES	10

/* Read a varint; what is beyond 64 bits is malformed. */
bool
evaudit_wire_varint(ProtoWire *wire, uint64 *value)
{
	uint64		n = 0;

	for (int i = 0; i < VARINT_BYTES && wire->p < wire->end; i++)
	{
		uint64		byte = (uint8) *wire->p++;

		if (i == VARINT_BYTES - 1 && byte > 1)
			return false;
		n |= (byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0)
		{
			*value = n;
			return true;
		}
	}
	return false;
}

/* Read a number of so many bytes, least significant first. */
bool
evaudit_wire_fixed(ProtoWire *wire, int size, uint64 *value)
{
	*value = 0;
	if (wire->end - wire->p < size)
		return false;
	for (int i = 0; i < size; i++)
		*value |= (uint64) (uint8) *wire->p++ << (8 * i);
	return true;
}

/* Read the number and the type of a field. */
static bool
read_tag(ProtoWire *wire, ProtoWireField *field)
{
	uint64		tag;

	if (!evaudit_wire_varint(wire, &tag) || tag > PG_UINT32_MAX ||
		(tag >> 3) == 0)
		return false;
	field->number = (uint32) (tag >> 3);
	field->type = (ProtoWireType) (tag & 7);
	return true;
}

/* Read what follows a tag, but for groups. */
static bool
read_value(ProtoWire *wire, ProtoWireField *field)
{
	switch (field->type)
	{
		case PROTO_WIRE_VARINT:
			return evaudit_wire_varint(wire, &field->value);
		case PROTO_WIRE_64:
			return evaudit_wire_fixed(wire, 8, &field->value);
		case PROTO_WIRE_32:
			return evaudit_wire_fixed(wire, 4, &field->value);
		case PROTO_WIRE_BYTES:
			if (!evaudit_wire_varint(wire, &field->value) ||
				field->value > (uint64) (wire->end - wire->p))
				return false;
			field->bytes = wire->p;
			field->len = field->value;
			wire->p += field->len;
			return true;
		default:
			return false;
	}
}

/* Skip a group up to its end, with the groups in it. */
static bool
skip_group(ProtoWire *wire, uint32 number)
{
	uint32		open[MAX_GROUPS];
	int			depth = 0;
	ProtoWireField field;

	open[depth++] = number;
	while (depth > 0)
	{
		if (!read_tag(wire, &field))
			return false;
		if (field.type == PROTO_WIRE_GROUP)
		{
			if (depth == MAX_GROUPS)
				return false;
			open[depth++] = field.number;
		}
		else if (field.type == PROTO_WIRE_END_GROUP)
		{
			if (open[--depth] != field.number)
				return false;
		}
		else if (!read_value(wire, &field))
			return false;
	}
	return true;
}

/* Read a field; one of type PROTO_WIRE_GROUP has been skipped. */
bool
evaudit_wire_field(ProtoWire *wire, ProtoWireField *field)
{
	if (!read_tag(wire, field))
		return false;
	return field->type == PROTO_WIRE_GROUP ?
		skip_group(wire, field->number) : read_value(wire, field);
}
