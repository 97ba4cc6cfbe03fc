/*-------------------------------------------------------------------------
 *
 * dialect.c
 *	  Which draft, and which of its vocabularies, a schema is written in.
 *
 * "$schema" names a draft, or a registered meta-schema, whose own "$schema"
 * and "$vocabulary" then say so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/compile.h"
#include "schema/uri.h"

/* A meta-schema of a meta-schema of ... */
#define MAX_META_LEVELS		8

#define ALL_VOCABULARIES \
	(VOCABULARY_CORE | VOCABULARY_APPLICATOR | VOCABULARY_UNEVALUATED | \
	 VOCABULARY_VALIDATION | VOCABULARY_FORMAT)

typedef struct KnownDraft
{
	const char *uri;			/* without scheme and fragment */
	SchemaDraft draft;
} KnownDraft;

static const KnownDraft drafts[] = {
	{"//json-schema.org/draft/2020-12/schema", DRAFT_2020_12},
	{"//json-schema.org/draft/2019-09/schema", DRAFT_2019_09},
	{"//json-schema.org/draft-07/schema", DRAFT_7},
	{"//json-schema.org/draft-06/schema", DRAFT_6},
	{"//json-schema.org/draft-04/schema", DRAFT_4},
	{"//json-schema.org/schema", DRAFT_2020_12},
};

typedef struct KnownVocabulary
{
	const char *uri;
	uint32		bits;
} KnownVocabulary;

static const KnownVocabulary vocabularies[] = {
	{"https://json-schema.org/draft/2020-12/vocab/core", VOCABULARY_CORE},
	{"https://json-schema.org/draft/2020-12/vocab/applicator",
	VOCABULARY_APPLICATOR},
	{"https://json-schema.org/draft/2020-12/vocab/unevaluated",
	VOCABULARY_UNEVALUATED},
	{"https://json-schema.org/draft/2020-12/vocab/validation",
	VOCABULARY_VALIDATION},
	{"https://json-schema.org/draft/2020-12/vocab/format-annotation",
	VOCABULARY_FORMAT},
	{"https://json-schema.org/draft/2020-12/vocab/format-assertion",
	VOCABULARY_FORMAT | VOCABULARY_FORMAT_ASSERTION},
	{"https://json-schema.org/draft/2020-12/vocab/content", 0},
	{"https://json-schema.org/draft/2020-12/vocab/meta-data", 0},
	{"https://json-schema.org/draft/2019-09/vocab/core", VOCABULARY_CORE},
	{"https://json-schema.org/draft/2019-09/vocab/applicator",
	VOCABULARY_APPLICATOR | VOCABULARY_UNEVALUATED},
	{"https://json-schema.org/draft/2019-09/vocab/validation",
	VOCABULARY_VALIDATION},
	{"https://json-schema.org/draft/2019-09/vocab/format",
	VOCABULARY_FORMAT},
	{"https://json-schema.org/draft/2019-09/vocab/content", 0},
	{"https://json-schema.org/draft/2019-09/vocab/meta-data", 0},
};

const SchemaDialect evaudit_schema_default_dialect = {
	DRAFT_2020_12, ALL_VOCABULARIES
};

/* The draft of a URI without fragment; http and https are one. */
static bool
find_draft(const char *uri, SchemaDraft *draft)
{
	const char *rest = strchr(uri, ':');

	if (strncmp(uri, "http", 4) != 0 || rest == NULL)
		return false;
	for (int i = 0; i < lengthof(drafts); i++)
	{
		if (strcmp(rest + 1, drafts[i].uri) == 0)
		{
			*draft = drafts[i].draft;
			return true;
		}
	}
	return false;
}

/* The bits of "$vocabulary"; one that is required must be known. */
static uint32
read_vocabulary(const SchemaNode *node, const SchemaValue *value)
{
	uint32		bits = VOCABULARY_CORE;
	SchemaMember *members;

	if (value->type != SCHEMA_VALUE_OBJECT)
		evaudit_schema_broken(node, "$schema",
							  "the meta-schema's \"$vocabulary\" must be an object");
	members = palloc(sizeof(SchemaMember) * (value->len + 1));
	evaudit_schema_value_members(value, members);
	for (uint32 i = 0; i < value->len; i++)
	{
		char	   *uri = pnstrdup(members[i].key, members[i].key_len);
		int			known = 0;

		while (known < lengthof(vocabularies) &&
			   strcmp(uri, vocabularies[known].uri) != 0)
			known++;
		if (known < lengthof(vocabularies))
			bits |= vocabularies[known].bits;
		else if (members[i].value.type != SCHEMA_VALUE_BOOLEAN ||
				 members[i].value.boolean)
			evaudit_schema_broken(node, "$schema",
								  "the vocabulary \"%s\" is not known", uri);
	}
	return bits;
}

/* What "$schema", somewhere in or behind that of a node, means. */
static SchemaDialect
resolve_dialect(SchemaCompile *compile, const SchemaNode *node,
				const SchemaValue *value, int level)
{
	SchemaDialect dialect = evaudit_schema_default_dialect;
	SchemaValue meta;
	SchemaValue member;
	Jsonb	   *document;
	char	   *uri;

	if (value->type != SCHEMA_VALUE_STRING)
		evaudit_schema_broken(node, "$schema", "must be a string");
	uri = pnstrdup(value->as.string, value->len);
	evaudit_uri_split(uri);
	if (find_draft(uri, &dialect.draft))
		return dialect;

	compile->registered = true;
	document = level < MAX_META_LEVELS ? evaudit_schema_registered(uri) : NULL;
	if (document == NULL && compile->lenient)
	{
		/* it may be registered later; until then, nothing can be said */
		dialect.vocabularies = 0;
		return dialect;
	}
	if (document == NULL)
		evaudit_schema_broken(node, "$schema",
							  "\"%s\" is no draft from 4 to 2020-12 and not registered",
							  uri);
	evaudit_schema_value_from_jsonb(document, &meta);
	if (meta.type != SCHEMA_VALUE_OBJECT)
		return dialect;
	if (evaudit_schema_value_find(&meta, "$schema", 7, &member))
		dialect = resolve_dialect(compile, node, &member, level + 1);
	if (dialect.draft >= DRAFT_2019_09 &&
		evaudit_schema_value_find(&meta, "$vocabulary", 11, &member))
		dialect.vocabularies = read_vocabulary(node, &member);
	return dialect;
}

/* The dialect that the "$schema" of a node means. */
SchemaDialect
evaudit_schema_dialect(SchemaCompile *compile, const SchemaNode *node,
					   const SchemaValue *value)
{
	return resolve_dialect(compile, node, value, 0);
}
