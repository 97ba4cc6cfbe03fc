/*-------------------------------------------------------------------------
 *
 * openapi.h
 *	  The parts of GET /api: for the files openapi*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_OPENAPI_H
#define EVAUDIT_HTTP_OPENAPI_H

/* A path, or two of one setting. */
typedef struct EvauditOpenapiPath
{
	const int  *access;			/* the setting of its route, or NULL */
	const bool *enabled;		/* another one; or NULL */
	const char *yaml;			/* NULL: the end of the list */
} EvauditOpenapiPath;

extern const char evaudit_openapi_head[];
extern const EvauditOpenapiPath evaudit_openapi_paths[];

/* Ends where the schemas of topics follow. */
extern const char evaudit_openapi_components[];

#endif							/* EVAUDIT_HTTP_OPENAPI_H */
