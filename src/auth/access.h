/*-------------------------------------------------------------------------
 *
 * access.h
 *	  Grants: whose token may publish to a topic, and whose may read it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ACCESS_H
#define EVAUDIT_ACCESS_H

#include "utils/jsonb.h"

/* Longest subject of a grant, in bytes. */
#define EVAUDIT_MAX_SUBJECT_BYTES	1024

/*
 * Names that grants are given for and that no topic has: the query of a
 * user's services, and the route that makes sessions start afresh.
 */
#define EVAUDIT_GRANT_SERVICES		"services"
#define EVAUDIT_GRANT_TERMINATE		"/terminate"

/* What decided, in the order of the decisions. */
typedef enum EvauditAccessCode
{
	EVAUDIT_ACCESS_GRANTED,
	EVAUDIT_ACCESS_NO_GRANT,	/* none for this subject and topic */
	EVAUDIT_ACCESS_INVALID_GRANT,	/* its row cannot be used */
	EVAUDIT_ACCESS_NOT_AN_OBJECT,	/* the grant has constraints on fields */
	EVAUDIT_ACCESS_MISSING_FIELD,
	EVAUDIT_ACCESS_FORBIDDEN_VALUE
} EvauditAccessCode;

typedef struct EvauditAccess
{
	EvauditAccessCode code;
	const char *message;		/* for the one refused; NULL if granted */
} EvauditAccess;

extern EvauditAccess evaudit_access_publish(const char *topic,
											const char *subject,
											Jsonb *payload);
extern EvauditAccess evaudit_access_read(const char *topic,
										 const char *subject);
extern bool evaudit_access_any_grants(void);
extern bool evaudit_access_is_reserved(const char *topic);

/* access_api.c */
extern void evaudit_access_check_subject(const char *subject);

/* operate_grant.c */
extern Oid	evaudit_operate_grantor(const char *subject);

#endif							/* EVAUDIT_ACCESS_H */
