/*-------------------------------------------------------------------------
 *
 * json.h
 *	  JSON that outside services speak: what they answer, and what they are
 *	  asked.  Payloads are not read with this but with Postgres' own parser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JSON_H
#define EVAUDIT_JSON_H

#include "lib/stringinfo.h"

typedef struct cJSON EvauditJson;

/*
 * Parse a document into the current memory context.  NULL if it is none, is
 * nested too deeply, or something follows it.  The text, which must end in a
 * zero, may be changed: an escaped NUL becomes U+FFFD, since a C string
 * would end there.
 */
extern EvauditJson *evaudit_json_parse(char *str, size_t len);

extern bool evaudit_json_is_object(const EvauditJson *json);
extern bool evaudit_json_is_array(const EvauditJson *json);
extern bool evaudit_json_is_true(const EvauditJson *json);

/* The value of a member, or NULL if there is none; json may be NULL. */
extern const EvauditJson *evaudit_json_get(const EvauditJson *json,
										   const char *name);

/* The string that a member is, or NULL if it is none; json may be NULL. */
extern const char *evaudit_json_string(const EvauditJson *json,
									   const char *name);

/* The number that a member is; also one in a string. False if none. */
extern bool evaudit_json_number(const EvauditJson *json, const char *name,
								double *number);

/* The first element or member of a value, and those after it, or NULL. */
extern const EvauditJson *evaudit_json_first(const EvauditJson *json);
extern const EvauditJson *evaudit_json_next(const EvauditJson *json);

/* The name of a member that _first or _next returned. */
extern const char *evaudit_json_name(const EvauditJson *json);

/* Append a string with its quotes. */
extern void evaudit_json_quote(StringInfo str, const char *string,
							   size_t len);
extern void evaudit_json_quote_as_jsonb(StringInfo str, const char *string,
										size_t len);

#endif							/* EVAUDIT_JSON_H */
