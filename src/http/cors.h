/*-------------------------------------------------------------------------
 *
 * cors.h
 *	  Which pages of other origins may ask.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_CORS_H
#define EVAUDIT_HTTP_CORS_H

#include "http/request.h"
#include "utils/guc.h"

extern bool evaudit_cors_check_origins(char **value, void **extra,
									   GucSource source);
extern void evaudit_cors_add_headers(const EvauditRequest *request,
									 const char *methods,
									 EvauditResponse *response);

#endif							/* EVAUDIT_HTTP_CORS_H */
