/*-------------------------------------------------------------------------
 *
 * references.c
 *	  Where the references of a schema lead to.
 *
 * A reference is an absolute URI, of a resource, with a fragment that is
 * empty, an anchor, or a JSON Pointer.  A pointer is followed through the
 * jsonb; the container that it ends at tells the node, and where no keyword
 * has led to yet, a node is made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "schema/compile.h"
#include "schema/metaschemas.h"
#include "schema/uri.h"
#include "text/ascii.h"

/* A URI, and the node it stands for. */
typedef struct NameEntry
{
	const char *name;			/* hash key, compared as a string */
	SchemaNode *node;
	bool		dynamic;		/* made by $dynamicAnchor */
} NameEntry;

typedef struct SourceEntry
{
	JsonbContainer *source;		/* hash key */
	SchemaNode *node;
} SourceEntry;

typedef struct PendingRef
{
	SchemaNode *node;
	SchemaRef  *ref;
	const char *keyword;
	char	   *uri;			/* absolute, with its fragment */
} PendingRef;

/* The hash of a name, which is kept by its address. */
static uint32
hash_name(const void *key, Size keysize)
{
	const char *name = *(const char *const *) key;

	return hash_bytes((const unsigned char *) name, (int) strlen(name));
}

/* Compare two names likewise. */
static int
match_names(const void *a, const void *b, Size keysize)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Make the tables of one compilation. */
void
evaudit_schema_references_init(SchemaCompile *compile)
{
	HASHCTL		ctl = {0};

	ctl.hcxt = compile->scratch;
	ctl.keysize = sizeof(char *);
	ctl.entrysize = sizeof(NameEntry);
	ctl.hash = hash_name;
	ctl.match = match_names;
	compile->names = hash_create("evaudit schema names", 64, &ctl,
								 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
								 HASH_CONTEXT);
	ctl.entrysize = sizeof(SourceEntry);
	compile->sources = hash_create("evaudit schema sources", 256, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Remember which container a node came from. */
void
evaudit_schema_add_source(SchemaCompile *compile, SchemaNode *node)
{
	SourceEntry *entry = hash_search(compile->sources, &node->source,
									 HASH_ENTER, NULL);

	entry->node = node;
}

/*
 * Give a node a name: a URI, with an anchor unless that is NULL.  The first
 * one to have a URI keeps it; an anchor cannot be in one resource twice.
 */
void
evaudit_schema_add_name(SchemaCompile *compile, const char *uri,
						const char *anchor, SchemaNode *node, bool dynamic)
{
	const char *name = anchor == NULL ? uri : psprintf("%s#%s", uri, anchor);
	NameEntry  *entry;
	bool		found;

	entry = hash_search(compile->names, &name, HASH_ENTER, &found);
	if (!found)
	{
		entry->node = node;
		entry->dynamic = dynamic;
	}
	else if (entry->node == node)
		entry->dynamic |= dynamic;
	else if (anchor != NULL && entry->node->resource == node->resource)
		evaudit_schema_broken(node, NULL,
							  "another place has the anchor \"%s\", too",
							  anchor);
}

/* Keep a reference for evaudit_schema_resolve_all(). */
void
evaudit_schema_add_reference(SchemaCompile *compile, SchemaNode *node,
							 SchemaRef *ref, const char *keyword,
							 const SchemaValue *value)
{
	PendingRef *pending;
	MemoryContext old;
	char	   *reference;

	if (value->type != SCHEMA_VALUE_STRING)
		evaudit_schema_broken(node, keyword, "must be a string");
	old = MemoryContextSwitchTo(compile->scratch);
	reference = pnstrdup(value->as.string, value->len);
	pending = palloc(sizeof(PendingRef));
	pending->node = node;
	pending->ref = ref;
	pending->keyword = keyword;
	pending->uri = evaudit_uri_resolve(node->resource->uri, reference);
	compile->pending = lappend(compile->pending, pending);
	MemoryContextSwitchTo(old);
}

/* Undo percent encoding in place. */
static void
decode_percent(char *str)
{
	char	   *out = str;

	for (char *p = str; *p != '\0'; p++)
	{
		int			high = p[0] == '%' ? evaudit_hex_digit(p[1]) : -1;
		int			low = high >= 0 ? evaudit_hex_digit(p[2]) : -1;

		if (low >= 0)
		{
			*out++ = (char) (high << 4 | low);
			p += 2;
		}
		else
			*out++ = *p;
	}
	*out = '\0';
}

/* Cut the next token off a JSON Pointer and unescape it; returns its length. */
static int
next_token(char **pointer, char **token)
{
	char	   *p = *pointer + 1;
	char	   *out = p;

	*token = p;
	for (; *p != '\0' && *p != '/'; p++)
	{
		char		c = *p;

		if (c == '~' && (p[1] == '0' || p[1] == '1'))
			c = *++p == '0' ? '~' : '/';
		*out++ = c;
	}
	*pointer = p;
	return (int) (out - *token);
}

/* Step into a value. */
static bool
step_into(SchemaValue *value, const char *token, int len)
{
	if (value->type == SCHEMA_VALUE_OBJECT)
		return evaudit_schema_value_find(value, token, len, value);
	if (value->type == SCHEMA_VALUE_ARRAY && len > 0 && len < 10)
	{
		uint32		index = 0;
		SchemaValue *elements;

		for (int i = 0; i < len; i++)
		{
			if (token[i] < '0' || token[i] > '9')
				return false;
			index = index * 10 + (token[i] - '0');
		}
		if (index >= value->len || (len > 1 && token[0] == '0'))
			return false;
		elements = palloc(sizeof(SchemaValue) * value->len);
		evaudit_schema_value_elements(value, elements);
		*value = elements[index];
		pfree(elements);
		return true;
	}
	return false;
}

/* The node that a container was compiled to, or NULL. */
static SchemaNode *
node_of(SchemaCompile *compile, const SchemaValue *value)
{
	SourceEntry *entry = NULL;

	if (value->type == SCHEMA_VALUE_OBJECT)
		entry = hash_search(compile->sources, &value->as.container,
							HASH_FIND, NULL);
	return entry != NULL ? entry->node : NULL;
}

/* Follow a JSON Pointer from a node; NULL if nothing is there. */
static SchemaNode *
follow_pointer(SchemaCompile *compile, SchemaNode *node, const char *pointer)
{
	char	   *rest = pstrdup(pointer);
	const char *beyond = pointer + 1;	/* what follows the last known node */
	SchemaValue value = {0};

	if (node->source == NULL)
		return NULL;
	value.type = SCHEMA_VALUE_OBJECT;
	value.as.container = node->source;
	value.len = JsonContainerSize(node->source);
	pointer = rest;
	while (*rest != '\0')
	{
		char	   *token;
		int			len = next_token(&rest, &token);
		SchemaNode *known;

		if (!step_into(&value, token, len))
			return NULL;
		if ((known = node_of(compile, &value)) != NULL)
		{
			node = known;
			beyond += rest - pointer;
			pointer = rest;
		}
	}
	if (node_of(compile, &value) != NULL)
		return node;
	if (value.type != SCHEMA_VALUE_OBJECT &&
		value.type != SCHEMA_VALUE_BOOLEAN)
		return NULL;
	return evaudit_schema_node(compile, &value, node, node->resource,
							   pstrdup(beyond));
}

/* The resource of a URI without fragment, brought in if need be; or NULL. */
static SchemaNode *
find_resource(SchemaCompile *compile, const char *uri,
			  const SchemaDialect *dialect)
{
	NameEntry  *entry = hash_search(compile->names, &uri, HASH_FIND, NULL);
	Jsonb	   *document;

	if (entry != NULL)
		return entry->node;
	document = evaudit_metaschema(uri);
	if (document == NULL)
	{
		compile->registered = true;
		document = evaudit_schema_registered(uri);
	}
	if (document == NULL)
		return NULL;
	return evaudit_schema_document(compile, document, pstrdup(uri), dialect);
}

/* Find what a reference means. */
static void
resolve(SchemaCompile *compile, const PendingRef *pending)
{
	char	   *uri = pstrdup(pending->uri);
	char	   *fragment = evaudit_uri_split(uri);
	SchemaNode *node;
	NameEntry  *entry = NULL;

	node = find_resource(compile, uri, &pending->node->resource->dialect);
	if (node == NULL)
	{
		if (compile->lenient)
			return;
		evaudit_schema_broken(pending->node, pending->keyword,
							  "no schema is registered as \"%s\"", uri);
	}
	decode_percent(fragment);
	if (*fragment == '/')
		node = follow_pointer(compile, node, fragment);
	else if (*fragment != '\0')
	{
		const char *name = psprintf("%s#%s", node->resource->uri, fragment);

		entry = hash_search(compile->names, &name, HASH_FIND, NULL);
		node = entry != NULL ? entry->node : NULL;
	}
	if (node == NULL)
		evaudit_schema_broken(pending->node, pending->keyword,
							  "nothing is at \"%s\"", pending->uri);
	pending->ref->target = node;
	if (pending->ref->anchor != NULL)
		pending->ref->anchor = entry != NULL && entry->dynamic ?
			pstrdup(fragment) : NULL;
	if (pending->ref->recursive)
		pending->ref->recursive = node->resource->root == node &&
			node->resource->recursive_anchor;
}

/* Resolve all references, and those of what they bring in. */
void
evaudit_schema_resolve_all(SchemaCompile *compile)
{
	for (int i = 0; i < list_length(compile->pending); i++)
	{
		CHECK_FOR_INTERRUPTS();
		resolve(compile, list_nth(compile->pending, i));
	}
}
