/*-------------------------------------------------------------------------
 *
 * pattern_python.h
 *	  Patterns of Python's module re in the language of PCRE2.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PATTERN_PYTHON_H
#define EVAUDIT_PATTERN_PYTHON_H

#include "lib/stringinfo.h"

extern const char *evaudit_regex_translate_python(const char *pattern,
												  size_t len, StringInfo out);

#endif							/* EVAUDIT_PATTERN_PYTHON_H */
