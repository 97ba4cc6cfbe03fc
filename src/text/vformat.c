/*-------------------------------------------------------------------------
 *
 * vformat.c
 *	  psprintf() for functions that take a format themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "text/vformat.h"

/* Format into a string of the current memory context. */
char *
evaudit_vformat(const char *fmt, va_list args)
{
	StringInfoData str;

	initStringInfo(&str);
	for (;;)
	{
		va_list		copy;
		int			needed;

		va_copy(copy, args);
		needed = appendStringInfoVA(&str, fmt, copy);
		va_end(copy);
		if (needed == 0)
			return str.data;
		enlargeStringInfo(&str, needed);
	}
}
