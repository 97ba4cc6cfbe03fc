/*-------------------------------------------------------------------------
 *
 * access_rule.h
 *	  A grant, compiled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ACCESS_RULE_H
#define EVAUDIT_ACCESS_RULE_H

#include "auth/access.h"
#include "utils/array.h"
#include "text/pattern.h"

/* Longest constraints of a grant, in bytes of jsonb. */
#define EVAUDIT_MAX_CONSTRAINT_BYTES	65536

/* What a grant is for; each kind has a table of its own. */
typedef enum EvauditGrantKind
{
	EVAUDIT_GRANT_PUBLISH,
	EVAUDIT_GRANT_READ
} EvauditGrantKind;

/* What a top-level field of the payload must be. */
typedef struct EvauditAccessField
{
	char	   *name;
	int			npatterns;
	char	  **patterns;		/* one must match; without any, none does */
	EvauditRegex **regexes;		/* the same, compiled */
} EvauditAccessField;

typedef struct EvauditAccessRule
{
	char	   *subject;		/* as it was granted */
	char	   *invalid;		/* why the row cannot be used, or NULL */
	int			nfields;
	EvauditAccessField *fields; /* each must match */
} EvauditAccessRule;

extern EvauditAccessRule *evaudit_access_compile(const char *topic,
												 const char *subject,
												 Jsonb *constraints,
												 ArrayType *order,
												 MemoryContext context);
extern int	evaudit_access_match(const EvauditAccessField *field,
								 const JsonbValue *value);
extern JsonbValue *evaudit_access_value(Jsonb *payload,
										const EvauditAccessField *field);
extern const EvauditAccessRule *evaudit_access_find(EvauditGrantKind kind,
													const char *topic,
													const char *subject);

#endif							/* EVAUDIT_ACCESS_RULE_H */
