/*-------------------------------------------------------------------------
 *
 * pattern_ecma.h
 *	  Patterns of ECMA-262 in the language of PCRE2.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PATTERN_ECMA_H
#define EVAUDIT_PATTERN_ECMA_H

#include "lib/stringinfo.h"

extern const char *evaudit_regex_translate(const char *pattern, size_t len,
										   StringInfo out);

#endif							/* EVAUDIT_PATTERN_ECMA_H */
