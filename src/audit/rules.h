/*-------------------------------------------------------------------------
 *
 * rules.h
 *	  What of a tracked table is audited, and in which form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_RULES_H
#define EVAUDIT_RULES_H

#include "access/attnum.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

#include "audit/audit_log.h"
#include "audit/mask.h"

typedef enum EvauditRuleKind
{
	EVAUDIT_RULE_INCLUDE,
	EVAUDIT_RULE_EXCLUDE,
	EVAUDIT_RULE_HMAC,
	EVAUDIT_RULE_MASK
} EvauditRuleKind;

typedef struct EvauditRule
{
	EvauditRuleKind kind;
	EvauditMask mask;			/* of EVAUDIT_RULE_MASK */
} EvauditRule;

/* What options say of one column. */
typedef struct EvauditNamedRule
{
	char	   *name;
	bool		ruled;			/* "columns" names it */
	EvauditRule rule;
	bool		ignored;		/* its change alone is none */
	bool		paths;			/* changed paths are kept of it */
	AttrNumber	attnum;			/* the column that this is bound to, or 0 */
	Oid			type;			/* that it has */
} EvauditNamedRule;

/* The options of a tracked table. */
typedef struct EvauditRules
{
	int			ncolumns;
	EvauditNamedRule *columns;
	bool		has_rest;
	EvauditRule rest;			/* of columns that are not named */
	bool		operations[EVAUDIT_TRUNCATE + 1];	/* that are audited */
} EvauditRules;

/* What holds for a column of a table, by its attnum less one. */
typedef struct EvauditColumnRule
{
	EvauditRule rule;
	bool		ignored;
	bool		paths;
} EvauditColumnRule;

extern EvauditRules *evaudit_rules_parse(Jsonb *options);
extern EvauditRules *evaudit_rules_read(const char *argument);
extern char *evaudit_rules_format(const EvauditRules *rules, bool bound);
extern Jsonb *evaudit_rules_to_jsonb(const EvauditRules *rules);
extern bool evaudit_rules_empty(const EvauditRules *rules);
extern EvauditRules *evaudit_rules_merge(const EvauditRules *before,
										 Jsonb *options);

/* rules_bind.c */
extern char *evaudit_rules_argument(EvauditRules *rules, Relation rel,
									const EvauditRules *before);
extern void evaudit_rules_bind(EvauditRules *rules, Relation rel);
extern void evaudit_rules_follow(EvauditRules *rules, Relation rel);
extern EvauditColumnRule *evaudit_rules_resolve(const EvauditRules *rules,
												Relation rel);

#endif							/* EVAUDIT_RULES_H */
