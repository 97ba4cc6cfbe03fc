/*-------------------------------------------------------------------------
 *
 * token_json.h
 *	  JSON of tokens and of documents of keys.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOKEN_JSON_H
#define EVAUDIT_TOKEN_JSON_H

#include "utils/jsonb.h"

extern Jsonb *evaudit_token_json(const char *json, size_t len,
								 const char **why);

#endif							/* EVAUDIT_TOKEN_JSON_H */
