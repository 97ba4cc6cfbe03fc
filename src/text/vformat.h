/*-------------------------------------------------------------------------
 *
 * vformat.h
 *	  psprintf() for functions that take a format themselves.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_VFORMAT_H
#define EVAUDIT_VFORMAT_H

#include <stdarg.h>

extern char *evaudit_vformat(const char *fmt, va_list args)
			pg_attribute_printf(1, 0);

#endif							/* EVAUDIT_VFORMAT_H */
