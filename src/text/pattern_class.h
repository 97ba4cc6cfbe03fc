/*-------------------------------------------------------------------------
 *
 * pattern_class.h
 *	  Characters, classes, anchors and flags of Python's patterns: for the files
 *	  pattern_*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PATTERN_CLASS_H
#define EVAUDIT_PATTERN_CLASS_H

#include "lib/stringinfo.h"

/* The flags of a pattern. */
#define PYTHON_ASCII		0x01
#define PYTHON_IGNORECASE	0x02
#define PYTHON_MULTILINE	0x04
#define PYTHON_DOTALL		0x08
#define PYTHON_UNICODE		0x10	/* not PYTHON_ASCII */

/* What is left of a pattern, in UTF-8. */
typedef struct PythonText
{
	const char *p;
	const char *end;
} PythonText;

/* Each returns why it cannot, or NULL. */
extern const char *evaudit_python_read_character(PythonText *rest,
												 uint32 *code);
extern const char *evaudit_python_read_escape(PythonText *rest, uint32 *code);
extern const char *evaudit_python_write_character(StringInfo out, uint32 code,
												  int flags);
extern const char *evaudit_python_read_flags(PythonText *rest, int *flags);
extern const char *evaudit_python_translate_class(PythonText *rest,
												  StringInfo out, int flags);

extern bool evaudit_python_is_category(char c);
extern void evaudit_python_write_category(StringInfo out, char c, int flags);
extern void evaudit_python_write_anchor(StringInfo out, char c, int flags);

#endif							/* EVAUDIT_PATTERN_CLASS_H */
