/*-------------------------------------------------------------------------
 *
 * proto_model.c
 *	  What files of Protocol Buffers declare: types by name, and their links.
 *
 * Files come from registries, or users; all that is wrong with them is
 * returned, not raised, and their parts are counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/proto.h"
#include "text/vformat.h"

/* Most values that a number of a field, or of an enum, can have. */
#define MAX_FIELD_NUMBER	536870911

/* Messages with a JSON of their own. */
static const struct
{
	const char *name;
	ProtoKnown	known;
}			known_messages[] = {
	{"google.protobuf.Timestamp", PROTO_TIMESTAMP},
	{"google.protobuf.Duration", PROTO_DURATION},
	{"google.protobuf.DoubleValue", PROTO_ONE_FIELD},
	{"google.protobuf.FloatValue", PROTO_ONE_FIELD},
	{"google.protobuf.Int64Value", PROTO_ONE_FIELD},
	{"google.protobuf.UInt64Value", PROTO_ONE_FIELD},
	{"google.protobuf.Int32Value", PROTO_ONE_FIELD},
	{"google.protobuf.UInt32Value", PROTO_ONE_FIELD},
	{"google.protobuf.BoolValue", PROTO_ONE_FIELD},
	{"google.protobuf.StringValue", PROTO_ONE_FIELD},
	{"google.protobuf.BytesValue", PROTO_ONE_FIELD},
	{"google.protobuf.Struct", PROTO_ONE_FIELD},
	{"google.protobuf.ListValue", PROTO_ONE_FIELD},
	{"google.protobuf.Value", PROTO_ONE_OF},
	{"google.protobuf.FieldMask", PROTO_FIELD_MASK},
	{"google.protobuf.Any", PROTO_ANY},
};

/* A set of no files. */
ProtoSet *
evaudit_proto_make(void)
{
	HASHCTL		info = {.keysize = PROTO_MAX_NAME,
		.entrysize = sizeof(ProtoNamed),
	.hcxt = CurrentMemoryContext};
	ProtoSet   *set = palloc0(sizeof(ProtoSet));

	set->types = hash_create("evaudit types of Protobuf", 64, &info,
							 HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return set;
}

/* Note the first error. */
bool
evaudit_proto_fail(ProtoSet *set, const char *fmt,...)
{
	va_list		args;

	if (set->error != NULL)
		return false;
	va_start(args, fmt);
	set->error = evaudit_vformat(fmt, args);
	va_end(args);
	return false;
}

/* Count a part of the set. */
static bool
count_part(ProtoSet *set)
{
	return ++set->nparts <= PROTO_MAX_PARTS ||
		evaudit_proto_fail(set, "more than %d fields, values and types",
						   PROTO_MAX_PARTS);
}

/* Declare a type; NULL if that is not possible. */
static ProtoNamed *
declare(ProtoSet *set, const char *scope, const char *name)
{
	char		full[PROTO_MAX_NAME];
	ProtoNamed *entry;
	bool		found;
	int			len;

	if (!count_part(set))
		return NULL;
	len = snprintf(full, sizeof(full), "%s%s%s", scope,
				   scope[0] == '\0' ? "" : ".", name);
	if (name[0] == '\0' || len >= sizeof(full))
	{
		(void) evaudit_proto_fail(set, "a type has no name, or one of more than %d bytes",
								  PROTO_MAX_NAME - 1);
		return NULL;
	}
	entry = hash_search(set->types, full, HASH_ENTER, &found);
	if (found)
	{
		(void) evaudit_proto_fail(set, "type \"%s\" is declared twice", full);
		return NULL;
	}
	entry->message = NULL;
	entry->enumeration = NULL;
	return entry;
}

/* Add a message in a scope: a package, or the message that it is in. */
ProtoMessage *
evaudit_proto_add_message(ProtoSet *set, ProtoMessage *parent,
						  const char *scope, const char *name)
{
	ProtoNamed *entry = declare(set, scope, name);
	ProtoMessage *message;

	if (entry == NULL)
		return NULL;
	message = palloc0(sizeof(ProtoMessage));
	message->full_name = pstrdup(entry->name);
	entry->message = message;
	set->messages = lappend(set->messages, message);
	if (parent != NULL)
		parent->messages = lappend(parent->messages, message);
	else
		set->roots = lappend(set->roots, message);
	return message;
}

/* Add an enum. */
ProtoEnum *
evaudit_proto_add_enum(ProtoSet *set, const char *scope, const char *name)
{
	ProtoNamed *entry = declare(set, scope, name);
	ProtoEnum  *enumeration;

	if (entry == NULL)
		return NULL;
	enumeration = palloc0(sizeof(ProtoEnum));
	enumeration->full_name = pstrdup(entry->name);
	enumeration->is_null = strcmp(entry->name,
								  "google.protobuf.NullValue") == 0;
	entry->enumeration = enumeration;
	set->enums = lappend(set->enums, enumeration);
	return enumeration;
}

/* Add a value to an enum; of several names for a number the first counts. */
bool
evaudit_proto_add_value(ProtoSet *set, ProtoEnum *enumeration,
						const char *name, int64 number)
{
	int			n = enumeration->n;

	if (!count_part(set))
		return false;
	if (number != (int32) number)
		return evaudit_proto_fail(set, "a value of an enum is not a number of 32 bits");
	/* room for a power of two */
	if (n == 0)
		enumeration->values = palloc(sizeof(ProtoValue));
	else if ((n & (n - 1)) == 0)
		enumeration->values = repalloc(enumeration->values,
									   2 * n * sizeof(ProtoValue));
	enumeration->values[n].number = (int32) number;
	enumeration->values[n].place = n;
	enumeration->values[n].json = evaudit_out_name(name);
	enumeration->n++;
	return true;
}

/* Add a field to a message; its type is for the caller to set. */
ProtoField *
evaudit_proto_add_field(ProtoSet *set, ProtoMessage *message,
						const char *name, int64 number)
{
	ProtoField *field;

	if (!count_part(set))
		return NULL;
	if (number < 1 || number > MAX_FIELD_NUMBER || name[0] == '\0')
	{
		(void) evaudit_proto_fail(set, "a field of \"%s\" has no name, or no number from 1 to %d",
								  message->full_name, MAX_FIELD_NUMBER);
		return NULL;
	}
	field = palloc0(sizeof(ProtoField));
	field->name = pstrdup(name);
	field->json = evaudit_out_name(name);
	field->number = (int32) number;
	field->oneof = -1;
	message->declared = lappend(message->declared, field);
	return field;
}

/* A type by its full name, with or without a dot before it; or NULL. */
ProtoNamed *
evaudit_proto_find(ProtoSet *set, const char *name)
{
	if (name[0] == '.')
		name++;
	if (strlen(name) >= PROTO_MAX_NAME)
		return NULL;
	return hash_search(set->types, name, HASH_FIND, NULL);
}

/*
 * The type that a name means in a scope: in that, or in those around it, from
 * the innermost on.
 */
static ProtoNamed *
resolve(ProtoSet *set, const char *scope, const char *name)
{
	char		around[PROTO_MAX_NAME];
	char		full[2 * PROTO_MAX_NAME];
	char	   *dot;

	if (name[0] == '.')
		return evaudit_proto_find(set, name);
	strlcpy(around, scope, sizeof(around));
	for (;;)
	{
		ProtoNamed *found;

		snprintf(full, sizeof(full), "%s%s%.511s", around,
				 around[0] == '\0' ? "" : ".", name);
		found = evaudit_proto_find(set, full);
		if (found != NULL || around[0] == '\0')
			return found;
		dot = strrchr(around, '.');
		if (dot == NULL)
			around[0] = '\0';
		else
			*dot = '\0';
	}
}

/* Compare two fields by number. */
static int
by_number(const void *a, const void *b)
{
	const ProtoField *x = *(ProtoField *const *) a;
	const ProtoField *y = *(ProtoField *const *) b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Link a field to its type. */
static bool
link_field(ProtoSet *set, const ProtoMessage *message, ProtoField *field)
{
	ProtoNamed *named;

	if (field->type_name == NULL)
		return field->type >= PROTO_DOUBLE && field->type <= PROTO_SINT64 &&
			field->type != PROTO_MESSAGE && field->type != PROTO_ENUM ? true :
			evaudit_proto_fail(set, "field \"%s\" of \"%s\" has no type",
							   field->name, message->full_name);
	named = resolve(set, message->full_name, field->type_name);
	if (named == NULL)
		return evaudit_proto_fail(set, "type \"%.100s\" of field \"%s\" of \"%s\" is not declared",
								  field->type_name, field->name,
								  message->full_name);
	field->message = named->message;
	field->enumeration = named->enumeration;
	if (field->type != PROTO_GROUP)
		field->type = named->message != NULL ? PROTO_MESSAGE : PROTO_ENUM;
	if (field->type == PROTO_ENUM && field->enumeration->n == 0)
		return evaudit_proto_fail(set, "enum \"%s\" has no values",
								  field->enumeration->full_name);
	/* messages are there or not: they have no default */
	if (!field->repeated && field->type != PROTO_ENUM)
		field->implicit = false;
	return true;
}

/* Find out whether a message has a JSON of its own, and the fields for it. */
static void
link_known(ProtoMessage *message)
{
	ProtoKnown	known = PROTO_ORDINARY;

	for (int i = 0; i < lengthof(known_messages); i++)
		if (strcmp(known_messages[i].name, message->full_name) == 0)
			known = known_messages[i].known;
	if (known == PROTO_ONE_FIELD && message->nfields != 1)
		known = PROTO_ORDINARY;
	message->known = known;
}

/* Whether keys of a map can be of a type. */
static bool
is_key(ProtoType type)
{
	return type != PROTO_DOUBLE && type != PROTO_FLOAT &&
		type != PROTO_BYTES && type != PROTO_ENUM &&
		type != PROTO_MESSAGE && type != PROTO_GROUP;
}

/* Link a message: its fields in their order, and their types. */
static bool
link_message(ProtoSet *set, ProtoMessage *message)
{
	ListCell   *lc;
	int			n = 0;

	message->nfields = list_length(message->declared);
	message->fields = palloc(Max(message->nfields, 1) * sizeof(ProtoField *));
	message->implicit = palloc(Max(message->nfields, 1) * sizeof(int));
	foreach(lc, message->declared)
	{
		ProtoField *field = lfirst(lc);

		if (!link_field(set, message, field))
			return false;
		message->fields[n++] = field;
	}
	qsort(message->fields, n, sizeof(ProtoField *), by_number);
	for (int i = 0; i < n; i++)
	{
		ProtoField *field = message->fields[i];

		if (i > 0 && field->number == message->fields[i - 1]->number)
			return evaudit_proto_fail(set, "fields \"%s\" and \"%s\" of \"%s\" have the same number",
									  message->fields[i - 1]->name,
									  field->name, message->full_name);
		if (field->repeated || field->implicit)
			message->implicit[message->nimplicit++] = i;
	}
	if (message->map_entry &&
		(n != 2 || !is_key(message->fields[0]->type) || message->fields[0]->number != 1 ||
		 message->fields[1]->number != 2 || message->fields[0]->repeated ||
		 message->fields[1]->repeated))
		return evaudit_proto_fail(set, "entry \"%s\" of a map has no key, or no value",
								  message->full_name);
	link_known(message);
	return true;
}

/* Compare two values of an enum by number, then as they were declared. */
static int
compare_values(const void *a, const void *b)
{
	const ProtoValue *x = a;
	const ProtoValue *y = b;

	return x->number != y->number ? (x->number > y->number ? 1 : -1) :
		x->place - y->place;
}

/* Link all that was declared. */
bool
evaudit_proto_link(ProtoSet *set)
{
	ListCell   *lc;

	foreach(lc, set->messages)
		if (!link_message(set, lfirst(lc)))
			return false;
	foreach(lc, set->enums)
	{
		ProtoEnum  *enumeration = lfirst(lc);

		qsort(enumeration->values, enumeration->n, sizeof(ProtoValue),
			  compare_values);
	}
	return true;
}
