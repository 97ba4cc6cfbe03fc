/*-------------------------------------------------------------------------
 *
 * proto.h
 *	  Protocol Buffers: what files declare, and messages by it.
 *
 * A set of files is filled from descriptors or from texts, and linked; then
 * its messages can be decoded.  All of it lives in the memory context that
 * the set was made in.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROTO_H
#define EVAUDIT_PROTO_H

#include "nodes/pg_list.h"
#include "utils/hsearch.h"

#include "formats/json_out.h"
#include "formats/schema_text.h"

/* Longest full name of a type, in bytes, with its zero. */
#define PROTO_MAX_NAME		512

/* Most fields, values and types of a set. */
#define PROTO_MAX_PARTS		100000

/* How deep messages may be declared in others. */
#define PROTO_MAX_NESTING	32

/* Types of fields, by their numbers in descriptors. */
typedef enum ProtoType
{
	PROTO_DOUBLE = 1,
	PROTO_FLOAT,
	PROTO_INT64,
	PROTO_UINT64,
	PROTO_INT32,
	PROTO_FIXED64,
	PROTO_FIXED32,
	PROTO_BOOL,
	PROTO_STRING,
	PROTO_GROUP,
	PROTO_MESSAGE,
	PROTO_BYTES,
	PROTO_UINT32,
	PROTO_ENUM,
	PROTO_SFIXED32,
	PROTO_SFIXED64,
	PROTO_SINT32,
	PROTO_SINT64
} ProtoType;

/* Messages whose JSON is not that of their fields. */
typedef enum ProtoKnown
{
	PROTO_ORDINARY,
	PROTO_TIMESTAMP,
	PROTO_DURATION,
	PROTO_ONE_FIELD,			/* as the value of its only field */
	PROTO_ONE_OF,				/* as the value of the field that is set */
	PROTO_FIELD_MASK,
	PROTO_ANY
} ProtoKnown;

/* A value of an enum. */
typedef struct ProtoValue
{
	int32		number;
	int			place;			/* as declared */
	char	   *json;			/* its name as JSON */
} ProtoValue;

typedef struct ProtoEnum
{
	const char *full_name;
	bool		is_null;		/* google.protobuf.NullValue */
	int			n;
	ProtoValue *values;			/* by number, once linked */
} ProtoEnum;

struct ProtoMessage;

typedef struct ProtoField
{
	const char *name;
	char	   *json;			/* its name as JSON */
	int32		number;
	ProtoType	type;			/* 0: what type_name says, once linked */
	const char *type_name;		/* of a message or enum; NULL: none */
	bool		repeated;
	bool		implicit;		/* shown by its default if it is not there */
	int			oneof;			/* number of its oneof, or -1 */
	struct ProtoMessage *message;
	ProtoEnum  *enumeration;
} ProtoField;

typedef struct ProtoMessage
{
	const char *full_name;
	List	   *declared;		/* ProtoField *, until linked */
	List	   *messages;		/* in it, in their order */
	int			nfields;
	ProtoField **fields;		/* by number, once linked */
	int			nimplicit;
	int		   *implicit;		/* indexes of those fields */
	bool		map_entry;
	ProtoKnown	known;
} ProtoMessage;

typedef struct ProtoSet
{
	HTAB	   *types;			/* by full name */
	List	   *messages;		/* all */
	List	   *enums;			/* all */
	List	   *roots;			/* messages of the last file, in their order */
	List	   *by_name;		/* all in it by name, once they are asked for */
	int			nparts;			/* fields, values, types so far */
	const char *error;			/* the first one */
} ProtoSet;

/* A type of a set. */
typedef struct ProtoNamed
{
	char		name[PROTO_MAX_NAME];
	ProtoMessage *message;		/* one of the two */
	ProtoEnum  *enumeration;
} ProtoNamed;

/* proto_model.c: false, or NULL, if there is an error */
extern ProtoSet *evaudit_proto_make(void);
extern bool evaudit_proto_fail(ProtoSet *set, const char *fmt,...)
			pg_attribute_printf(2, 3);
extern ProtoMessage *evaudit_proto_add_message(ProtoSet *set,
											   ProtoMessage *parent,
											   const char *scope,
											   const char *name);
extern ProtoEnum *evaudit_proto_add_enum(ProtoSet *set, const char *scope,
										 const char *name);
extern bool evaudit_proto_add_value(ProtoSet *set, ProtoEnum *enumeration,
									const char *name, int64 number);
extern ProtoField *evaudit_proto_add_field(ProtoSet *set,
										   ProtoMessage *message,
										   const char *name, int64 number);
extern bool evaudit_proto_link(ProtoSet *set);
extern ProtoNamed *evaudit_proto_find(ProtoSet *set, const char *name);

/* proto_descriptor.c, proto_parse.c */
extern bool evaudit_proto_add_descriptors(ProtoSet *set, const char *bytes,
										  size_t len);
extern bool evaudit_proto_add_descriptor(ProtoSet *set, const char *bytes,
										 size_t len);
extern bool evaudit_proto_add_text(ProtoSet *set, const char *source);

extern bool evaudit_proto_add_builtin(ProtoSet *set);

/* proto_schema.c */
struct ProtoWire;
extern ProtoSet *evaudit_proto_compile(const EvauditSchemaText *schema,
									   const char **error);
extern ProtoSet *evaudit_proto_compile_descriptors(const char *bytes,
												   size_t len,
												   const char **error);
extern const ProtoMessage *evaudit_proto_by_indexes(const ProtoSet *set,
													struct ProtoWire *wire);
extern const ProtoMessage *evaudit_proto_by_place(ProtoSet *set,
												  struct ProtoWire *wire);
extern const ProtoMessage *evaudit_proto_by_name(const ProtoSet *set,
												 const char *name, size_t len);

/* proto_decode.c: write a message as JSON; false if it is not one */
extern bool evaudit_proto_decode(ProtoSet *set, const ProtoMessage *message,
								 const char *bytes, size_t len,
								 EvauditJsonOut *out);

#endif							/* EVAUDIT_PROTO_H */
