/*-------------------------------------------------------------------------
 *
 * options.h
 *	  Options that users give as one flat jsonb object.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_OPTIONS_H
#define EVAUDIT_OPTIONS_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

extern void evaudit_options_check_object(Jsonb *options);
extern void evaudit_options_check_names(Jsonb *options,
										const char *const *known);
extern JsonbValue *evaudit_option_value(Jsonb *options, const char *name);
extern char *evaudit_option_text(Jsonb *options, const char *name);
extern bool evaudit_option_bool(Jsonb *options, const char *name,
								bool initial);
extern List *evaudit_option_texts(Jsonb *options, const char *name);
extern int	evaudit_option_int(Jsonb *options, const char *name,
							   int initial, int min, int max);
extern int	evaudit_millis(const char *name, const char *str,
						   int min, int max);
extern int	evaudit_option_millis(Jsonb *options, const char *name,
								  int initial, int min, int max);

#endif							/* EVAUDIT_OPTIONS_H */
