/*-------------------------------------------------------------------------
 *
 * proto_reader.h
 *	  What the files that decode messages share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROTO_READER_H
#define EVAUDIT_PROTO_READER_H

#include "formats/proto.h"
#include "formats/proto_wire.h"

/* A payload that is being decoded. */
typedef struct ProtoReader
{
	ProtoSet   *set;
	EvauditJsonOut *out;
	int			depth;
	int			noccurrences;	/* so far */
} ProtoReader;

/* A field of a message that is on the wire. */
typedef struct ProtoOccurrence
{
	int			field;			/* its index in the message */
	int			place;			/* on the wire; -1: a later one voids it */
	ProtoWireField wire;
} ProtoOccurrence;

/* Bytes of a message; several are one message, merged. */
typedef struct ProtoSpan
{
	const char *bytes;
	size_t		len;
} ProtoSpan;

/* The fields of a message that are there, by index and place. */
typedef struct ProtoFields
{
	const ProtoMessage *message;
	ProtoOccurrence *occurrences;
	int			n;
} ProtoFields;

/* proto_fields.c */
extern bool evaudit_proto_collect(ProtoReader *reader,
								  const ProtoMessage *message,
								  const ProtoSpan *spans, int nspans,
								  ProtoFields *fields);
extern const ProtoOccurrence *evaudit_proto_last(const ProtoFields *fields,
												 int32 number);

/* proto_scalar.c */
extern bool evaudit_proto_scalar(ProtoReader *reader, const ProtoField *field,
								 const ProtoWireField *wire, bool as_name);
extern bool evaudit_proto_packed(ProtoReader *reader, const ProtoField *field,
								 const ProtoWireField *wire, bool *first);

/* proto_decode.c */
extern bool evaudit_proto_message(ProtoReader *reader,
								  const ProtoMessage *message,
								  const ProtoSpan *spans, int nspans);
extern bool evaudit_proto_field(ProtoReader *reader, const ProtoField *field,
								const ProtoOccurrence *occurrences, int n);

/* proto_known.c */
extern bool evaudit_proto_known(ProtoReader *reader, const ProtoFields *fields);

#endif							/* EVAUDIT_PROTO_READER_H */
