/*-------------------------------------------------------------------------
 *
 * utf8.c
 *	  Whether bytes are UTF-8; RFC 3629, without surrogates and long forms.
 *
 *-------------------------------------------------------------------------
 */
#include "utf8.h"

/* Whether a string is UTF-8. */
bool
is_utf8(const char *string)
{
	const unsigned char *p = (const unsigned char *) string;

	while (*p != '\0')
	{
		int			more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 :
			*p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;

		if (more < 0 || (*p == 0xe0 && p[1] < 0xa0) ||
			(*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
			(*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (p++; more > 0; more--, p++)
		{
			if ((*p & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}
