/*-------------------------------------------------------------------------
 *
 * names.h
 *	  Lists of names and patterns that say which topics are meant.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_NAMES_H
#define EVAUDIT_NAMES_H

#include "nodes/pg_list.h"

/* What names and patterns say of a name. */
typedef enum EvauditNameMatch
{
	EVAUDIT_NAME_UNWANTED,
	EVAUDIT_NAME_WANTED,
	EVAUDIT_NAME_TOO_COMPLEX,	/* the budget is spent */
	EVAUDIT_NAME_INVALID		/* a pattern is none */
} EvauditNameMatch;

/* Whether a pattern cannot mean a name, whatever it is. */
typedef bool (*EvauditNameReserved) (const char *pattern, const char *name);

extern bool evaudit_name_is_pattern(const char *name);
extern void evaudit_check_name_pattern(const char *what, const char *pattern);
extern EvauditNameMatch evaudit_names_match(List *names, const char *name,
											EvauditNameReserved reserved,
											const char **decisive);

#endif							/* EVAUDIT_NAMES_H */
