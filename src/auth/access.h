/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Whose token may publish what.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ACCESS_H
#define EVAUDIT_ACCESS_H

#include "utils/jsonb.h"

/* Longest subject of a grant, in bytes. */
#define EVAUDIT_MAX_SUBJECT_BYTES	1024

/* What decided, in the order of the decisions. */
typedef enum EvauditAccessCode
{
	EVAUDIT_ACCESS_GRANTED,
	EVAUDIT_ACCESS_NO_GRANT,	/* none for this subject and topic */
	EVAUDIT_ACCESS_NOT_AN_OBJECT,	/* fields are asked for, there are none */
	EVAUDIT_ACCESS_MISSING_FIELD,
	EVAUDIT_ACCESS_FORBIDDEN_VALUE
} EvauditAccessCode;

typedef struct EvauditAccess
{
	EvauditAccessCode code;
	const char *message;		/* for whoever was refused; NULL if granted */
} EvauditAccess;

extern EvauditAccess evaudit_access_decide(const char *topic,
										   const char *subject,
										   Jsonb *payload);
extern bool evaudit_access_any_grants(void);

#endif							/* EVAUDIT_ACCESS_H */
