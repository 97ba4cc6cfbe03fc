/*-------------------------------------------------------------------------
 *
 * avro.h
 *	  Avro: schemas and values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AVRO_H
#define EVAUDIT_AVRO_H

#include "formats/json_out.h"
#include "formats/schema_text.h"

typedef enum AvroKind
{
	AVRO_NULL,
	AVRO_BOOLEAN,
	AVRO_INT,
	AVRO_LONG,
	AVRO_FLOAT,
	AVRO_DOUBLE,
	AVRO_BYTES,
	AVRO_STRING,
	AVRO_RECORD,
	AVRO_ENUM,
	AVRO_ARRAY,
	AVRO_MAP,
	AVRO_UNION,
	AVRO_FIXED
} AvroKind;

typedef enum AvroLogical
{
	AVRO_PLAIN,
	AVRO_DECIMAL,
	AVRO_DATE,
	AVRO_TIME,
	AVRO_TIMESTAMP,
	AVRO_LOCAL_TIMESTAMP,
	AVRO_UUID,
	AVRO_DURATION
} AvroLogical;

/* A type of a schema; those that have a name may be part of themselves. */
typedef struct AvroType
{
	AvroKind	kind;
	AvroLogical logical;
	int			unit;			/* of times: nanoseconds of one */
	int			scale;			/* of a decimal */
	int			size;			/* of a fixed, in bytes */
	int			n;				/* of the following */
	struct AvroType **types;	/* fields, branches; items of array or map */
	char	  **names;			/* of fields or symbols, as JSON */
} AvroType;

/*
 * Compile a schema, in the current memory context; NULL, with the reason, if
 * it cannot be used.
 */
extern const AvroType *evaudit_avro_compile(const EvauditSchemaText *schema,
											const char **error);

/* Write a value as JSON; false if it is not one of the type. */
extern bool evaudit_avro_decode(const AvroType *type, const char *bytes,
								size_t len, EvauditJsonOut *out);

#endif							/* EVAUDIT_AVRO_H */
