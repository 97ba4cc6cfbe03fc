/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  Arguments of functions that are not strict.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ARGUMENTS_H
#define EVAUDIT_ARGUMENTS_H

#include "fmgr.h"
#include "utils/jsonb.h"

/* Each raises an ERROR 22004 that names the argument if it is NULL. */
extern char *evaudit_text_argument(FunctionCallInfo fcinfo, int i,
								   const char *name);
extern Jsonb *evaudit_jsonb_argument(FunctionCallInfo fcinfo, int i,
									 const char *name);

/* The same, or NULL. */
extern char *evaudit_text_argument_or_null(FunctionCallInfo fcinfo, int i);
extern Jsonb *evaudit_jsonb_argument_or_null(FunctionCallInfo fcinfo, int i);

#endif							/* EVAUDIT_ARGUMENTS_H */
