/*-------------------------------------------------------------------------
 *
 * avro_decode.c
 *	  Values of Avro's binary encoding, as JSON, by the schema that they were
 *	  written with.
 *
 * Whatever the bytes are, the outcome is JSON or a fault.  Recursion ends at
 * a depth, and everything else at the bound of the JSON.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "formats/avro.h"

#define NANOS_OF_SECOND		INT64CONST(1000000000)

/* Most bytes of a varint of 64 bits. */
#define VARINT_BYTES		10

/* A payload as far as it is read. */
typedef struct Input
{
	const char *begin;
	const char *p;
	const char *end;
	EvauditJsonOut *out;
	int			depth;
} Input;

static bool decode(Input *in, const AvroType *type);

/* Note that the payload ends within a value. */
static bool
cut(Input *in)
{
	return evaudit_out_malformed(in->out, "payload of %zu bytes ends within a value",
								 (size_t) (in->end - in->begin));
}

/* Read a varint in zigzag. */
static bool
read_long(Input *in, int64 *value)
{
	uint64		n = 0;

	for (int i = 0; i < VARINT_BYTES; i++)
	{
		uint64		byte;

		if (in->p == in->end)
			return cut(in);
		byte = (uint8) *in->p++;
		if (i == VARINT_BYTES - 1 && byte > 1)
			break;
		n |= (byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0)
		{
			*value = (int64) (n >> 1) ^ -(int64) (n & 1);
			return true;
		}
	}
	return evaudit_out_malformed(in->out, "payload has a number of more than 64 bits, at byte %zu",
								 (size_t) (in->p - in->begin));
}

/* Take so many bytes; NULL if there are less. */
static const char *
take(Input *in, int64 len)
{
	const char *bytes = in->p;

	if (len < 0 || len > in->end - in->p)
	{
		(void) cut(in);
		return NULL;
	}
	in->p += len;
	return bytes;
}

/* Take bytes with their length before them. */
static const char *
take_counted(Input *in, int64 *len)
{
	if (!read_long(in, len))
		return NULL;
	return take(in, *len);
}

/* A number of 32 or 64 bits, or a time. */
static bool
decode_number(Input *in, const AvroType *type)
{
	int64		value;
	int64		per_second = type->unit > 0 ? NANOS_OF_SECOND / type->unit : 1;
	int64		seconds;
	int64		rest;

	if (!read_long(in, &value))
		return false;
	if (type->kind == AVRO_INT && value != (int32) value)
		return evaudit_out_malformed(in->out, "payload has an int of more than 32 bits, at byte %zu",
									 (size_t) (in->p - in->begin));
	switch (type->logical)
	{
		case AVRO_DATE:
			return evaudit_out_date(in->out, value);
		case AVRO_TIME:
			/* past a day, whatever the unit */
			if (value < 0 || value > 86400 * per_second)
				value = 86400 * per_second;
			return evaudit_out_time(in->out, value * type->unit);
		case AVRO_TIMESTAMP:
		case AVRO_LOCAL_TIMESTAMP:
			seconds = value / per_second;
			rest = value % per_second;
			if (rest < 0)
			{
				rest += per_second;
				seconds--;
			}
			return evaudit_out_timestamp(in->out, seconds,
										 (int) (rest * type->unit),
										 type->logical == AVRO_TIMESTAMP ?
										 "Z" : "");
		default:
			return evaudit_out_int(in->out, value);
	}
}

/* Read a number of so many bytes, least significant first. */
static uint64
read_fixed(const char *bytes, int size)
{
	uint64		value = 0;

	for (int i = 0; i < size; i++)
		value |= (uint64) (uint8) bytes[i] << (8 * i);
	return value;
}

/* A float or a double. */
static bool
decode_float(Input *in, const AvroType *type)
{
	bool		is_float = type->kind == AVRO_FLOAT;
	const char *bytes = take(in, is_float ? 4 : 8);
	union
	{
		uint32		bits;
		float		value;
	}			single;
	union
	{
		uint64		bits;
		double		value;
	}			full;

	if (bytes == NULL)
		return false;
	if (is_float)
	{
		single.bits = (uint32) read_fixed(bytes, 4);
		return evaudit_out_float(in->out, single.value);
	}
	full.bits = read_fixed(bytes, 8);
	return evaudit_out_double(in->out, full.value);
}

/* A boolean. */
static bool
decode_boolean(Input *in)
{
	const char *byte = take(in, 1);

	if (byte == NULL)
		return false;
	if (*byte != 0 && *byte != 1)
		return evaudit_out_malformed(in->out, "payload has a boolean of 0x%02x, at byte %zu",
									 (uint8) *byte, (size_t) (in->p - in->begin));
	return evaudit_out_raw(in->out, *byte != 0 ? "true" : "false");
}

/* A duration of months, days and milliseconds, as ISO 8601 has it. */
static bool
write_duration(EvauditJsonOut *out, const char *bytes)
{
	uint32		months = (uint32) read_fixed(bytes, 4);
	uint32		days = (uint32) read_fixed(bytes + 4, 4);
	uint32		millis = (uint32) read_fixed(bytes + 8, 4);
	char		str[64];
	int			len = snprintf(str, sizeof(str), "\"P");

	if (months > 0)
		len += snprintf(str + len, sizeof(str) - len, "%uM", months);
	if (days > 0)
		len += snprintf(str + len, sizeof(str) - len, "%uD", days);
	if (millis > 0 || len == 2)
		len += snprintf(str + len, sizeof(str) - len, "T%u", millis / 1000);
	if (millis % 1000 > 0)
		len += snprintf(str + len, sizeof(str) - len, ".%03u", millis % 1000);
	if (strchr(str, 'T') != NULL)
		len += snprintf(str + len, sizeof(str) - len, "S");
	snprintf(str + len, sizeof(str) - len, "\"");
	return evaudit_out_raw(out, str);
}

/* A UUID of 16 bytes. */
static bool
write_uuid(EvauditJsonOut *out, const char *bytes)
{
	char		str[40];
	char	   *p = str;

	*p++ = '"';
	for (int i = 0; i < 16; i++)
		p += sprintf(p, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" :
					 "%02x", (uint8) bytes[i]);
	strcpy(p, "\"");
	return evaudit_out_raw(out, str);
}

/* Bytes of any number, or of a fixed one. */
static bool
decode_bytes(Input *in, const AvroType *type)
{
	int64		len = type->size;
	const char *bytes = type->kind == AVRO_FIXED ? take(in, len) :
		take_counted(in, &len);

	if (bytes == NULL)
		return false;
	switch (type->logical)
	{
		case AVRO_DECIMAL:
			return evaudit_out_decimal(in->out, bytes, len, type->scale);
		case AVRO_DURATION:
			return write_duration(in->out, bytes);
		case AVRO_UUID:
			return write_uuid(in->out, bytes);
		default:
			return evaudit_out_base64(in->out, bytes, len);
	}
}

/* A string. */
static bool
decode_string(Input *in)
{
	int64		len;
	const char *bytes = take_counted(in, &len);

	return bytes != NULL && evaudit_out_string(in->out, bytes, len);
}

/* The fields of a record. */
static bool
decode_record(Input *in, const AvroType *type)
{
	if (!evaudit_out_raw(in->out, "{"))
		return false;
	for (int i = 0; i < type->n; i++)
		if ((i > 0 && !evaudit_out_raw(in->out, ",")) ||
			!evaudit_out_raw(in->out, type->names[i]) ||
			!evaudit_out_raw(in->out, ":") ||
			!decode(in, type->types[i]))
			return false;
	return evaudit_out_raw(in->out, "}");
}

/* Read an index into a list of so many. */
static bool
read_index(Input *in, int n, const char *what, int64 *index)
{
	if (!read_long(in, index))
		return false;
	if (*index >= 0 && *index < n)
		return true;
	return evaudit_out_malformed(in->out, "payload has %s " INT64_FORMAT " of %d, at byte %zu",
								 what, *index, n,
								 (size_t) (in->p - in->begin));
}

/*
 * Read how many items follow in a block, 0 for the last.  A negative number
 * is followed by the block's bytes, which nobody needs who reads them all.
 */
static bool
read_block(Input *in, int64 *n)
{
	int64		size;

	if (!read_long(in, n))
		return false;
	if (*n >= 0)
		return true;
	if (*n == PG_INT64_MIN || !read_long(in, &size))
		return evaudit_out_malformed(in->out, "payload has a block of too many items");
	if (size < 0 || size > in->end - in->p)
		return cut(in);
	*n = -*n;
	return true;
}

/* The items of an array or a map. */
static bool
decode_items(Input *in, const AvroType *type)
{
	bool		is_map = type->kind == AVRO_MAP;
	bool		first = true;
	int64		n;

	if (!evaudit_out_raw(in->out, is_map ? "{" : "["))
		return false;
	for (;;)
	{
		if (!read_block(in, &n))
			return false;
		if (n == 0)
			return evaudit_out_raw(in->out, is_map ? "}" : "]");
		for (; n > 0; n--)
		{
			CHECK_FOR_INTERRUPTS();
			if (!first && !evaudit_out_raw(in->out, ","))
				return false;
			first = false;
			if (is_map &&
				(!decode_string(in) || !evaudit_out_raw(in->out, ":")))
				return false;
			if (!decode(in, type->types[0]))
				return false;
		}
	}
}

/* The branch of a union, which shows as its value alone. */
static bool
decode_union(Input *in, const AvroType *type)
{
	int64		branch;

	return read_index(in, type->n, "branch", &branch) &&
		decode(in, type->types[branch]);
}

/* A symbol. */
static bool
decode_enum(Input *in, const AvroType *type)
{
	int64 symbol;

	return read_index(in, type->n, "symbol", &symbol) &&
		evaudit_out_raw(in->out, type->names[symbol]);
}

/* A value that holds others. */
static bool
decode_container(Input *in, const AvroType *type)
{
	bool		ok;

	if (++in->depth > EVAUDIT_DECODE_MAX_DEPTH)
		return evaudit_out_fault(in->out, EVAUDIT_OUT_TOO_DEEP,
								 "payload nests deeper than %d levels",
								 EVAUDIT_DECODE_MAX_DEPTH);
	if (type->kind == AVRO_RECORD)
		ok = decode_record(in, type);
	else if (type->kind == AVRO_UNION)
		ok = decode_union(in, type);
	else
		ok = decode_items(in, type);
	in->depth--;
	return ok;
}

/* A value of a type. */
static bool
decode(Input *in, const AvroType *type)
{
	switch (type->kind)
	{
		case AVRO_NULL:
			return evaudit_out_raw(in->out, "null");
		case AVRO_BOOLEAN:
			return decode_boolean(in);
		case AVRO_INT:
		case AVRO_LONG:
			return decode_number(in, type);
		case AVRO_FLOAT:
		case AVRO_DOUBLE:
			return decode_float(in, type);
		case AVRO_BYTES:
		case AVRO_FIXED:
			return decode_bytes(in, type);
		case AVRO_STRING:
			return decode_string(in);
		case AVRO_ENUM:
			return decode_enum(in, type);
		case AVRO_RECORD:
		case AVRO_ARRAY:
		case AVRO_MAP:
		case AVRO_UNION:
			return decode_container(in, type);
	}
	return false;
}

/* See avro.h.  Bytes that follow the value are a fault. */
bool
evaudit_avro_decode(const AvroType *type, const char *bytes, size_t len,
					EvauditJsonOut *out)
{
	Input		in = {.begin = bytes,.p = bytes,.end = bytes + len,
	.out = out};

	if (!decode(&in, type))
		return false;
	if (in.p != in.end)
		return evaudit_out_malformed(out, "payload has %zu bytes after its value",
									 (size_t) (in.end - in.p));
	return true;
}
