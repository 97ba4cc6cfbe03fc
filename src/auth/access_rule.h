/*-------------------------------------------------------------------------
 *
 * access_rule.h
 *	  A grant to publish, compiled.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ACCESS_RULE_H
#define EVAUDIT_ACCESS_RULE_H

#include "auth/access.h"
#include "text/pattern.h"

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
	int			nfields;
	EvauditAccessField *fields; /* all must be */
} EvauditAccessRule;

extern EvauditAccessRule *evaudit_access_compile(const char *topic,
												 const char *subject,
												 Jsonb *constraints,
												 MemoryContext context);
extern int	evaudit_access_match(const EvauditAccessField *field,
								 const JsonbValue *value);
extern JsonbValue *evaudit_access_value(Jsonb *payload,
										const EvauditAccessField *field);
extern const EvauditAccessRule *evaudit_access_find(const char *topic,
													const char *subject);

#endif							/* EVAUDIT_ACCESS_RULE_H */
