/*-------------------------------------------------------------------------
 *
 * proto_parse.c
 *	  Files of Protocol Buffers as text, of syntax proto2 and proto3.
 *
 * Of what a file says, that is read which decides how messages are decoded;
 * options, services, extensions and imports are skipped.  A type that is
 * imported from a file that is not there shows when the set is linked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/proto_lexer.h"

/* A file under way. */
typedef struct File
{
	ProtoLexer	lexer;
	ProtoSet   *set;
	const char *package;
	bool		proto3;
} File;

/* Where a field is declared. */
typedef struct Place
{
	ProtoMessage *message;
	int			oneof;			/* -1: in none */
	int		   *noneofs;		/* of the message so far */
	int			depth;
} Place;

static const struct
{
	const char *name;
	ProtoType	type;
}			scalars[] = {
	{"double", PROTO_DOUBLE},
	{"float", PROTO_FLOAT},
	{"int64", PROTO_INT64},
	{"uint64", PROTO_UINT64},
	{"int32", PROTO_INT32},
	{"fixed64", PROTO_FIXED64},
	{"fixed32", PROTO_FIXED32},
	{"bool", PROTO_BOOL},
	{"string", PROTO_STRING},
	{"bytes", PROTO_BYTES},
	{"uint32", PROTO_UINT32},
	{"sfixed32", PROTO_SFIXED32},
	{"sfixed64", PROTO_SFIXED64},
	{"sint32", PROTO_SINT32},
	{"sint64", PROTO_SINT64},
};

/* Give a field the type of a name: a scalar, or what it is linked to. */
static void
set_type(ProtoField *field, char *name)
{
	for (int i = 0; i < lengthof(scalars); i++)
	{
		if (strcmp(scalars[i].name, name) == 0)
		{
			field->type = scalars[i].type;
			return;
		}
	}
	field->type_name = name;
}

/* The rest of a field, from its number on. */
static bool
end_field(ProtoLexer *lexer)
{
	if (evaudit_proto_is(lexer, "[") && !evaudit_proto_skip_brackets(lexer))
		return false;
	return evaudit_proto_expect(lexer, ";");
}

/* The name of the message of a map's entries, as protoc makes it. */
static char *
entry_name(const char *field)
{
	char	   *name = palloc(strlen(field) + 6);
	char	   *p = name;
	bool		upper = true;

	for (; *field != '\0'; field++)
	{
		if (*field == '_')
			upper = true;
		else
		{
			*p++ = upper && *field >= 'a' && *field <= 'z' ?
				(char) (*field - 'a' + 'A') : *field;
			upper = false;
		}
	}
	strcpy(p, "Entry");
	return name;
}

/* "map" "<" key "," value ">" name "=" number; the word "map" is over. */
static bool
parse_map(File *file, const Place *place)
{
	ProtoLexer *lexer = &file->lexer;
	char	   *key;
	char	   *value;
	char	   *name;
	int64		number;
	ProtoMessage *entry;
	ProtoField *field;

	if (!evaudit_proto_expect(lexer, "<") ||
		!evaudit_proto_take_name(lexer, &key) ||
		!evaudit_proto_expect(lexer, ",") ||
		!evaudit_proto_take_name(lexer, &value) ||
		!evaudit_proto_expect(lexer, ">") ||
		!evaudit_proto_take_name(lexer, &name) ||
		!evaudit_proto_expect(lexer, "=") ||
		!evaudit_proto_take_int(lexer, &number))
		return false;
	entry = evaudit_proto_add_message(file->set, place->message,
									  place->message->full_name,
									  entry_name(name));
	if (entry == NULL)
		return false;
	entry->map_entry = true;
	field = evaudit_proto_add_field(file->set, entry, "key", 1);
	if (field == NULL)
		return false;
	set_type(field, key);
	field = evaudit_proto_add_field(file->set, entry, "value", 2);
	if (field == NULL)
		return false;
	set_type(field, value);
	field = evaudit_proto_add_field(file->set, place->message, name, number);
	if (field == NULL)
		return false;
	field->type_name = psprintf(".%s", entry->full_name);
	field->repeated = true;
	return end_field(lexer);
}

static bool parse_message_body(File *file, ProtoMessage *message, int depth);

/*
 * "group" Name "=" number { ... }, of proto2: its messages are skipped when
 * they are read, but what it declares counts.
 */
static bool
parse_group(File *file, const Place *place)
{
	ProtoLexer *lexer = &file->lexer;
	char	   *name;
	int64		number;
	ProtoMessage *message;
	ProtoField *field;

	if (!evaudit_proto_take_name(lexer, &name) ||
		!evaudit_proto_expect(lexer, "=") ||
		!evaudit_proto_take_int(lexer, &number))
		return false;
	if (evaudit_proto_is(lexer, "[") && !evaudit_proto_skip_brackets(lexer))
		return false;
	message = evaudit_proto_add_message(file->set, place->message,
										place->message->full_name, name);
	field = message == NULL ? NULL :
		evaudit_proto_add_field(file->set, place->message, name, number);
	if (field == NULL)
		return false;
	field->type = PROTO_GROUP;
	field->type_name = psprintf(".%s", message->full_name);
	return parse_message_body(file, message, place->depth + 1);
}

/* A field, from its label on. */
static bool
parse_field(File *file, const Place *place)
{
	ProtoLexer *lexer = &file->lexer;
	bool		repeated = evaudit_proto_accept(lexer, "repeated");
	bool		optional = !repeated &&
		evaudit_proto_accept(lexer, "optional");
	bool		labelled = repeated || optional ||
		evaudit_proto_accept(lexer, "required");
	char	   *type;
	char	   *name;
	int64		number;
	ProtoField *field;

	if (!evaudit_proto_take_name(lexer, &type))
		return false;
	if (strcmp(type, "map") == 0 && !labelled && evaudit_proto_is(lexer, "<"))
		return parse_map(file, place);
	if (strcmp(type, "group") == 0)
		return parse_group(file, place);
	if (!evaudit_proto_take_name(lexer, &name) ||
		!evaudit_proto_expect(lexer, "=") ||
		!evaudit_proto_take_int(lexer, &number))
		return false;
	field = evaudit_proto_add_field(file->set, place->message, name, number);
	if (field == NULL)
		return false;
	set_type(field, type);
	field->repeated = repeated;
	field->oneof = place->oneof;
	field->implicit = file->proto3 && !labelled && place->oneof < 0;
	return end_field(lexer);
}

/* "oneof" name { fields }; the word "oneof" is over. */
static bool
parse_oneof(File *file, const Place *place)
{
	ProtoLexer *lexer = &file->lexer;
	Place		inside = *place;
	char	   *name;

	inside.oneof = (*place->noneofs)++;
	if (!evaudit_proto_take_name(lexer, &name) ||
		!evaudit_proto_expect(lexer, "{"))
		return false;
	while (!evaudit_proto_is(lexer, "}"))
	{
		if (evaudit_proto_is(lexer, "option") ?
			!evaudit_proto_skip_statement(lexer) :
			(!evaudit_proto_accept(lexer, ";") &&
			 !parse_field(file, &inside)))
			return false;
	}
	return evaudit_proto_next(lexer);
}

/* "enum" name { values }; the word "enum" is over. */
static bool
parse_enum(File *file, const char *scope)
{
	ProtoLexer *lexer = &file->lexer;
	ProtoEnum  *enumeration;
	char	   *name;
	int64		number;

	if (!evaudit_proto_take_name(lexer, &name) ||
		!evaudit_proto_expect(lexer, "{"))
		return false;
	enumeration = evaudit_proto_add_enum(file->set, scope, name);
	if (enumeration == NULL)
		return false;
	while (!evaudit_proto_is(lexer, "}"))
	{
		if (evaudit_proto_accept(lexer, ";"))
			continue;
		if (!evaudit_proto_take_name(lexer, &name))
			return false;
		if (!evaudit_proto_is(lexer, "=") &&
			(strcmp(name, "option") == 0 || strcmp(name, "reserved") == 0))
		{
			if (!evaudit_proto_skip_statement(lexer))
				return false;
			continue;
		}
		if (!evaudit_proto_expect(lexer, "=") ||
			!evaudit_proto_take_int(lexer, &number) ||
			!evaudit_proto_add_value(file->set, enumeration, name, number) ||
			!end_field(lexer))
			return false;
	}
	return evaudit_proto_next(lexer);
}

/* "message" name { ... }; the word "message" is over. */
static bool
parse_message(File *file, ProtoMessage *parent, const char *scope, int depth)
{
	char	   *name;
	ProtoMessage *message;

	if (!evaudit_proto_take_name(&file->lexer, &name))
		return false;
	message = evaudit_proto_add_message(file->set, parent, scope, name);
	return message != NULL && parse_message_body(file, message, depth);
}

/*
 * Whether the current word begins a statement that it names; else it is the
 * type of a field, as any name can be.
 */
static bool
begins(File *file, const char *word)
{
	ProtoLexer	ahead = file->lexer;

	if (!evaudit_proto_is(&ahead, word))
		return false;
	/* a type is followed by a name and "=", which no statement has */
	return !(evaudit_proto_next(&ahead) &&
			 ahead.token.type == PROTO_TOKEN_NAME &&
			 evaudit_proto_next(&ahead) && evaudit_proto_is(&ahead, "="));
}

/* One statement of a message. */
static bool
parse_member(File *file, const Place *place)
{
	static const char *const skipped[] = {"reserved", "extensions", "extend"};
	ProtoLexer *lexer = &file->lexer;

	if (evaudit_proto_is(lexer, "option"))
	{
		/* "option" name "=" looks like a field, whose number follows */
		return evaudit_proto_skip_statement(lexer);
	}
	for (int i = 0; i < lengthof(skipped); i++)
		if (begins(file, skipped[i]))
			return evaudit_proto_skip_statement(lexer);
	if (begins(file, "message"))
		return evaudit_proto_next(lexer) &&
			parse_message(file, place->message, place->message->full_name,
						  place->depth + 1);
	if (begins(file, "enum"))
		return evaudit_proto_next(lexer) &&
			parse_enum(file, place->message->full_name);
	if (begins(file, "oneof"))
		return evaudit_proto_next(lexer) && parse_oneof(file, place);
	return evaudit_proto_accept(lexer, ";") || parse_field(file, place);
}

/* What is between the braces of a message, and these. */
static bool
parse_message_body(File *file, ProtoMessage *message, int depth)
{
	int			noneofs = 0;
	Place		place = {.message = message,.oneof = -1,.noneofs = &noneofs,
	.depth = depth};

	if (depth > PROTO_MAX_NESTING)
		return evaudit_proto_fail(file->set, "messages are declared deeper than %d levels",
								  PROTO_MAX_NESTING);
	if (!evaudit_proto_expect(&file->lexer, "{"))
		return false;
	while (!evaudit_proto_is(&file->lexer, "}"))
		if (!parse_member(file, &place))
			return false;
	return evaudit_proto_next(&file->lexer);
}

/* "syntax" "=" string; the word "syntax" is over. */
static bool
parse_syntax(File *file)
{
	ProtoLexer *lexer = &file->lexer;

	if (!evaudit_proto_expect(lexer, "="))
		return false;
	file->proto3 = evaudit_proto_is(lexer, "\"proto3\"") ||
		evaudit_proto_is(lexer, "'proto3'");
	if (!file->proto3 && !evaudit_proto_is(lexer, "\"proto2\"") &&
		!evaudit_proto_is(lexer, "'proto2'"))
		return evaudit_proto_fail(file->set, "the syntax is neither proto2 nor proto3");
	return evaudit_proto_next(lexer) && evaudit_proto_expect(lexer, ";");
}

/* One statement of a file. */
static bool
parse_statement(File *file)
{
	ProtoLexer *lexer = &file->lexer;
	char	   *package;

	if (evaudit_proto_accept(lexer, "syntax"))
		return parse_syntax(file);
	if (evaudit_proto_is(lexer, "edition"))
		return evaudit_proto_fail(file->set, "files of editions are not supported");
	if (evaudit_proto_accept(lexer, "package"))
	{
		if (!evaudit_proto_take_name(lexer, &package))
			return false;
		file->package = package;
		return evaudit_proto_expect(lexer, ";");
	}
	if (evaudit_proto_accept(lexer, "message"))
		return parse_message(file, NULL, file->package, 1);
	if (evaudit_proto_accept(lexer, "enum"))
		return parse_enum(file, file->package);
	if (evaudit_proto_is(lexer, "import") || evaudit_proto_is(lexer, "option") ||
		evaudit_proto_is(lexer, "service") || evaudit_proto_is(lexer, "extend"))
		return evaudit_proto_skip_statement(lexer);
	return evaudit_proto_accept(lexer, ";") ||
		evaudit_proto_fail(file->set, "line %d: \"%.*s\" is not known here",
						   lexer->line, (int) Min(lexer->token.len, 40),
						   lexer->token.text);
}

/* Add a file. */
bool
evaudit_proto_add_text(ProtoSet *set, const char *source)
{
	File		file = {.set = set,.package = "",.lexer = {.set = set,
			.p = source,.line = 1
	}};

	set->roots = NIL;
	if (!evaudit_proto_next(&file.lexer))
		return false;
	while (file.lexer.token.type != PROTO_TOKEN_END)
		if (!parse_statement(&file))
			return false;
	return true;
}
