/*-------------------------------------------------------------------------
 *
 * avro_schema.c
 *	  Schemas of Avro, from their JSON to a graph of types.
 *
 * A schema comes from a registry, or a user: its text is bounded and parsed
 * like a payload, and all that is wrong with it is returned, not raised.  A
 * logical type that does not fit the type below it is ignored, as Avro's
 * specification asks for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "formats/avro.h"
#include "text/jsonb.h"
#include "text/json_text.h"

/* Longest name with its namespace, in bytes. */
#define MAX_NAME	512

/* A named type. */
typedef struct NamedType
{
	char		name[MAX_NAME]; /* with its namespace */
	AvroType   *type;
} NamedType;

/* A compilation. */
typedef struct Compilation
{
	HTAB	   *names;
	const char *error;
} Compilation;

/* By AvroKind: the types that have no parts. */
static const char *const primitives[] = {
	[AVRO_NULL] = "null",
	[AVRO_BOOLEAN] = "boolean",
	[AVRO_INT] = "int",
	[AVRO_LONG] = "long",
	[AVRO_FLOAT] = "float",
	[AVRO_DOUBLE] = "double",
	[AVRO_BYTES] = "bytes",
	[AVRO_STRING] = "string",
};

/* Logical types, with the types that they may annotate. */
static const struct
{
	const char *name;
	AvroKind	kind;
	int			size;			/* of a fixed; 0: any */
	AvroLogical logical;
	int			unit;
}			logicals[] = {
	{"decimal", AVRO_BYTES, 0, AVRO_DECIMAL, 0},
	{"decimal", AVRO_FIXED, 0, AVRO_DECIMAL, 0},
	{"date", AVRO_INT, 0, AVRO_DATE, 0},
	{"time-millis", AVRO_INT, 0, AVRO_TIME, 1000000},
	{"time-micros", AVRO_LONG, 0, AVRO_TIME, 1000},
	{"timestamp-millis", AVRO_LONG, 0, AVRO_TIMESTAMP, 1000000},
	{"timestamp-micros", AVRO_LONG, 0, AVRO_TIMESTAMP, 1000},
	{"timestamp-nanos", AVRO_LONG, 0, AVRO_TIMESTAMP, 1},
	{"local-timestamp-millis", AVRO_LONG, 0, AVRO_LOCAL_TIMESTAMP, 1000000},
	{"local-timestamp-micros", AVRO_LONG, 0, AVRO_LOCAL_TIMESTAMP, 1000},
	{"local-timestamp-nanos", AVRO_LONG, 0, AVRO_LOCAL_TIMESTAMP, 1},
	{"uuid", AVRO_FIXED, 16, AVRO_UUID, 0},
	{"duration", AVRO_FIXED, 12, AVRO_DURATION, 0},
};

static AvroType *compile(Compilation *c, const JsonbValue *v,
						 const char *space);

/* Note what is wrong with the schema. */
#define fail(c, ...) \
	((c)->error = (c)->error != NULL ? (c)->error : psprintf(__VA_ARGS__), \
	 (AvroType *) NULL)

/* A type of some kind. */
static AvroType *
make_type(AvroKind kind)
{
	AvroType   *type = palloc0(sizeof(AvroType));

	type->kind = kind;
	return type;
}

/* A member that is a string, or NULL. */
static char *
member_text(JsonbContainer *object, const char *name)
{
	JsonbValue *v = evaudit_jsonb_member(object, name);

	return v == NULL || v->type != jbvString ? NULL :
		pnstrdup(v->val.string.val, v->val.string.len);
}

/* A member that is a number from 0 to some limit, or -1. */
static int
member_int(JsonbContainer *object, const char *name, int max)
{
	JsonbValue *v = evaudit_jsonb_member(object, name);
	int32		value;

	if (v == NULL || v->type != jbvNumeric ||
		!evaudit_compat_numeric_int4(v->val.numeric, &value) ||
		value < 0 || value > max)
		return -1;
	return value;
}

/* A member that is an array, or NULL. */
static JsonbContainer *
member_array(JsonbContainer *object, const char *name)
{
	JsonbValue *v = evaudit_jsonb_member(object, name);

	return v == NULL || v->type != jbvBinary ||
		!JsonContainerIsArray(v->val.binary.data) ? NULL : v->val.binary.data;
}

/* A name with the namespace that it is in; false if it is too long. */
static bool
full_name(const char *name, const char *space, char *full)
{
	int			len;

	if (strchr(name, '.') != NULL || space == NULL || space[0] == '\0')
		len = snprintf(full, MAX_NAME, "%s", name);
	else
		len = snprintf(full, MAX_NAME, "%s.%s", space, name);
	return len > 0 && len < MAX_NAME;
}

/* The namespace that a full name is in; NULL for none. */
static char *
space_of(const char *full)
{
	const char *dot = strrchr(full, '.');

	return dot == NULL ? NULL : pnstrdup(full, dot - full);
}

/* Declare a type by the name that its schema gives it. */
static bool
declare(Compilation *c, JsonbContainer *schema, AvroType *type, char **space)
{
	char	   *name = member_text(schema, "name");
	char	   *own = member_text(schema, "namespace");
	char		full[MAX_NAME];
	NamedType  *entry;
	bool		found;

	if (name == NULL || !full_name(name, own != NULL ? own : *space, full))
	{
		(void) fail(c, "a named type has no name, or one of more than %d bytes",
					MAX_NAME - 1);
		return false;
	}
	entry = hash_search(c->names, full, HASH_ENTER, &found);
	if (found)
	{
		(void) fail(c, "type \"%s\" is defined twice", full);
		return false;
	}
	entry->type = type;
	*space = space_of(full);
	return true;
}

/* A type by its name alone. */
static AvroType *
compile_name(Compilation *c, const char *name, const char *space)
{
	char		full[MAX_NAME];
	NamedType  *entry = NULL;

	for (int kind = 0; kind < lengthof(primitives); kind++)
		if (strcmp(primitives[kind], name) == 0)
			return make_type((AvroKind) kind);
	if (full_name(name, space, full))
		entry = hash_search(c->names, full, HASH_FIND, NULL);
	/* a name without dots may also be one without a namespace */
	if (entry == NULL && full_name(name, NULL, full))
		entry = hash_search(c->names, full, HASH_FIND, NULL);
	return entry != NULL ? entry->type :
		fail(c, "type \"%.100s\" is not defined", name);
}

/* Room for the parts of a type. */
static void
make_parts(AvroType *type, int n, bool types, bool names)
{
	type->n = n;
	if (types)
		type->types = palloc0(Max(n, 1) * sizeof(AvroType *));
	if (names)
		type->names = palloc0(Max(n, 1) * sizeof(char *));
}

/* A record. */
static AvroType *
compile_record(Compilation *c, JsonbContainer *schema, char *space)
{
	AvroType   *type = make_type(AVRO_RECORD);
	JsonbContainer *fields = member_array(schema, "fields");

	if (!declare(c, schema, type, &space))
		return NULL;
	if (fields == NULL)
		return fail(c, "a record has no fields");
	make_parts(type, JsonContainerSize(fields), true, true);
	for (int i = 0; i < type->n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(fields, i);
		JsonbContainer *field;
		JsonbValue *of;
		char	   *name;

		if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
			return fail(c, "a field is not an object");
		field = v->val.binary.data;
		name = member_text(field, "name");
		of = evaudit_jsonb_member(field, "type");
		if (name == NULL || of == NULL)
			return fail(c, "a field has no name, or no type");
		type->names[i] = evaudit_out_name(name);
		type->types[i] = compile(c, of, space);
		if (type->types[i] == NULL)
			return NULL;
	}
	return type;
}

/* An enum. */
static AvroType *
compile_enum(Compilation *c, JsonbContainer *schema, char *space)
{
	AvroType   *type = make_type(AVRO_ENUM);
	JsonbContainer *symbols = member_array(schema, "symbols");

	if (!declare(c, schema, type, &space))
		return NULL;
	if (symbols == NULL)
		return fail(c, "an enum has no symbols");
	make_parts(type, JsonContainerSize(symbols), false, true);
	for (int i = 0; i < type->n; i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(symbols, i);

		if (v->type != jbvString)
			return fail(c, "a symbol is not a string");
		type->names[i] = evaudit_out_name(pnstrdup(v->val.string.val,
												   v->val.string.len));
	}
	return type;
}

/* A fixed. */
static AvroType *
compile_fixed(Compilation *c, JsonbContainer *schema, char *space)
{
	AvroType   *type = make_type(AVRO_FIXED);

	type->size = member_int(schema, "size", EVAUDIT_MAX_SCHEMA_BYTES);
	if (!declare(c, schema, type, &space))
		return NULL;
	return type->size >= 0 ? type : fail(c, "a fixed has no size");
}

/* An array or a map. */
static AvroType *
compile_items(Compilation *c, JsonbContainer *schema, AvroKind kind,
			  const char *member, const char *space)
{
	AvroType   *type = make_type(kind);
	JsonbValue *of = evaudit_jsonb_member(schema, member);

	if (of == NULL)
		return fail(c, "an array or a map has no %s", member);
	make_parts(type, 1, true, false);
	type->types[0] = compile(c, of, space);
	return type->types[0] == NULL ? NULL : type;
}

/* A union. */
static AvroType *
compile_union(Compilation *c, JsonbContainer *branches, const char *space)
{
	AvroType   *type = make_type(AVRO_UNION);

	make_parts(type, JsonContainerSize(branches), true, false);
	for (int i = 0; i < type->n; i++)
	{
		type->types[i] = compile(c, getIthJsonbValueFromContainer(branches, i),
								 space);
		if (type->types[i] == NULL)
			return NULL;
	}
	return type;
}

/* The scale of a decimal; -1 if it is none that can be. */
static int
decimal_scale(JsonbContainer *schema)
{
	int			precision = member_int(schema, "precision",
									   EVAUDIT_JSON_MAX_DIGITS);
	int			scale = evaudit_jsonb_member(schema, "scale") == NULL ? 0 :
		member_int(schema, "scale", EVAUDIT_JSON_MAX_DIGITS);

	return precision < 1 || scale > precision ? -1 : scale;
}

/* Annotate a type by its logical type, if that fits. */
static AvroType *
annotate(AvroType *type, JsonbContainer *schema)
{
	char	   *name = member_text(schema, "logicalType");

	for (int i = 0; name != NULL && i < lengthof(logicals); i++)
	{
		if (strcmp(logicals[i].name, name) != 0 ||
			logicals[i].kind != type->kind ||
			(logicals[i].size > 0 && logicals[i].size != type->size))
			continue;
		if (logicals[i].logical == AVRO_DECIMAL &&
			(type->scale = decimal_scale(schema)) < 0)
			continue;
		type->logical = logicals[i].logical;
		type->unit = logicals[i].unit;
	}
	return type;
}

/* A type that is an object. */
static AvroType *
compile_object(Compilation *c, JsonbContainer *schema, const char *space)
{
	JsonbValue *type = evaudit_jsonb_member(schema, "type");
	char	   *in = space == NULL ? NULL : pstrdup(space);
	char	   *name;
	AvroType   *result;

	if (type == NULL)
		return fail(c, "a type is an object without a member \"type\"");
	/* a type within a type: what is around it adds nothing but annotations */
	if (type->type != jbvString)
		return compile(c, type, space);
	name = pnstrdup(type->val.string.val, type->val.string.len);
	if (strcmp(name, "record") == 0 || strcmp(name, "error") == 0)
		return compile_record(c, schema, in);
	if (strcmp(name, "enum") == 0)
		return compile_enum(c, schema, in);
	if (strcmp(name, "array") == 0)
		return compile_items(c, schema, AVRO_ARRAY, "items", space);
	if (strcmp(name, "map") == 0)
		return compile_items(c, schema, AVRO_MAP, "values", space);
	if (strcmp(name, "fixed") == 0)
	{
		result = compile_fixed(c, schema, in);
		return result == NULL ? NULL : annotate(result, schema);
	}
	result = compile_name(c, name, space);
	/* what a name stands for is not to be changed here */
	return result == NULL || result->kind > AVRO_STRING ? result :
		annotate(result, schema);
}

/* A type, whatever form it has; the depth of the JSON bounds recursion. */
static AvroType *
compile(Compilation *c, const JsonbValue *v, const char *space)
{
	if (v->type == jbvString)
		return compile_name(c, pnstrdup(v->val.string.val, v->val.string.len),
							space);
	if (v->type != jbvBinary)
		return fail(c, "a type is neither a name nor an object nor an array");
	return JsonContainerIsArray(v->val.binary.data) ?
		compile_union(c, v->val.binary.data, space) :
		compile_object(c, v->val.binary.data, space);
}

/* Compile the text of one schema. */
static AvroType *
compile_text(Compilation *c, const char *json_text)
{
	Jsonb	   *json = evaudit_schema_json(json_text, &c->error);
	JsonbValue	v;

	if (json == NULL)
		return NULL;
	if (JB_ROOT_IS_SCALAR(json))
		(void) JsonbExtractScalar(&json->root, &v);
	else
	{
		v.type = jbvBinary;
		v.val.binary.data = &json->root;
		v.val.binary.len = VARSIZE(json) - VARHDRSZ;
	}
	return compile(c, &v, NULL);
}

/* See avro.h. */
const AvroType *
evaudit_avro_compile(const EvauditSchemaText *schema, const char **error)
{
	HASHCTL		info = {.keysize = MAX_NAME,.entrysize = sizeof(NamedType)};
	Compilation c = {0};
	AvroType   *type = NULL;
	int			i = 0;

	info.hcxt = CurrentMemoryContext;
	c.names = hash_create("evaudit names of Avro", 32, &info,
						  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	while (i < schema->nreferences &&
		   compile_text(&c, schema->references[i].text) != NULL)
		i++;
	if (i == schema->nreferences)
		type = compile_text(&c, schema->text);
	hash_destroy(c.names);
	*error = c.error;
	return type;
}
