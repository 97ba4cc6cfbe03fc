/*-------------------------------------------------------------------------
 *
 * compile.h
 *	  The state of one compilation, and what its parts do for each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_COMPILE_H
#define EVAUDIT_SCHEMA_COMPILE_H

#include "utils/hsearch.h"

#include "schema/compiled.h"
#include "server/compat.h"

typedef struct SchemaCompile
{
	MemoryContext scratch;		/* gone after the compilation */
	HTAB	   *names;			/* URIs of resources and anchors */
	HTAB	   *sources;		/* nodes by the container they came from */
	List	   *pending;		/* references that are not resolved yet */
	int			depth;
	int			nodes;
	int			patterns;
	Size		pattern_bytes;	/* of all patterns, as PCRE2 gets them */
	Size		bytes;			/* of the documents */
	bool		registered;		/* a registered schema was looked for */
	bool		lenient;		/* leave references to what is not there */
} SchemaCompile;

/* compile.c */
extern SchemaNode *evaudit_schema_node(SchemaCompile *compile,
									   const SchemaValue *value,
									   SchemaNode *parent,
									   SchemaResource *resource,
									   const char *step);
extern SchemaNode *evaudit_schema_document(SchemaCompile *compile,
										   Jsonb *document, const char *uri,
										   const SchemaDialect *dialect);
extern void evaudit_schema_check(Jsonb *schema, const char *uri);
pg_noreturn extern void evaudit_schema_broken(const SchemaNode *node,
											  const char *keyword,
											  const char *fmt,...)
			pg_attribute_printf(3, 4);

/* keywords.c, assertions.c */

/* The drafts that have a keyword, for SchemaKeyword: first and last. */
#define ALWAYS			DRAFT_4, DRAFT_2020_12
#define SINCE(draft)	draft, DRAFT_2020_12
#define UNTIL(draft)	DRAFT_4, draft
#define ONLY(draft)		draft, draft

typedef struct SchemaKeyword
{
	const char *name;
	SchemaDraft first;
	SchemaDraft last;
	uint32		vocabulary;
	void		(*compile) (SchemaCompile *compile, SchemaNode *node,
							const char *keyword, const SchemaValue *value);
} SchemaKeyword;

extern void evaudit_schema_keyword(SchemaCompile *compile, SchemaNode *node,
								   const SchemaMember *member);
extern const SchemaKeyword *evaudit_schema_assertions(int *n);
extern SchemaName *evaudit_schema_names(SchemaNode *node, const char *keyword,
										const SchemaValue *value, int *n);
extern ArrayRules *evaudit_schema_array(SchemaNode *node);
extern ObjectRules *evaudit_schema_object(SchemaNode *node);
extern EvauditRegex *evaudit_schema_regex(SchemaCompile *compile,
										  SchemaNode *node,
										  const char *keyword,
										  const char *pattern, size_t len);

/* references.c */
extern void evaudit_schema_references_init(SchemaCompile *compile);
extern void evaudit_schema_add_source(SchemaCompile *compile, SchemaNode *node);
extern void evaudit_schema_add_name(SchemaCompile *compile, const char *uri,
									const char *anchor, SchemaNode *node,
									bool dynamic);
extern void evaudit_schema_add_reference(SchemaCompile *compile,
										 SchemaNode *node, SchemaRef *ref,
										 const char *keyword,
										 const SchemaValue *value);
extern void evaudit_schema_resolve_all(SchemaCompile *compile);

/* dialect.c */
extern SchemaDialect evaudit_schema_dialect(SchemaCompile *compile,
											const SchemaNode *node,
											const SchemaValue *value);
extern const SchemaDialect evaudit_schema_default_dialect;

/* registry.c */
extern Jsonb *evaudit_schema_registered(const char *uri);
extern uint64 evaudit_schema_generation(void);

#endif							/* EVAUDIT_SCHEMA_COMPILE_H */
