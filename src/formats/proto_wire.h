/*-------------------------------------------------------------------------
 *
 * proto_wire.h
 *	  The wire format of Protocol Buffers: tags, numbers, lengths.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROTO_WIRE_H
#define EVAUDIT_PROTO_WIRE_H

typedef enum ProtoWireType
{
	PROTO_WIRE_VARINT = 0,
	PROTO_WIRE_64 = 1,
	PROTO_WIRE_BYTES = 2,
	PROTO_WIRE_GROUP = 3,
	PROTO_WIRE_END_GROUP = 4,
	PROTO_WIRE_32 = 5
} ProtoWireType;

/* Bytes as far as they are read. */
typedef struct ProtoWire
{
	const char *p;
	const char *end;
} ProtoWire;

/* A field as it is on the wire. */
typedef struct ProtoWireField
{
	uint32		number;
	ProtoWireType type;
	uint64		value;			/* a number */
	const char *bytes;			/* or bytes */
	size_t		len;
} ProtoWireField;

/* False at what is malformed, or cut. */
extern bool evaudit_wire_varint(ProtoWire *wire, uint64 *value);
extern bool evaudit_wire_fixed(ProtoWire *wire, int size, uint64 *value);
extern bool evaudit_wire_field(ProtoWire *wire, ProtoWireField *field);

#endif							/* EVAUDIT_PROTO_WIRE_H */
