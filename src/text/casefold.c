/*-------------------------------------------------------------------------
 *
 * casefold.c
 *	  Names that are the same but for their case.
 *
 * The result is kept in a table's key, so it must not change with a locale,
 * a version of ICU or of the server: lower() would.  So this is a fixed part
 * of Unicode's case folding: Latin with its extensions, Greek, Cyrillic and
 * Armenian.  Letters of other scripts that have two cases stay as they are,
 * and in encodings other than UTF-8 all but those of ASCII do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "text/casefold.h"

/* How the letters of a range fold. */
typedef enum FoldKind
{
	FOLD_SHIFT,					/* each by the same distance */
	FOLD_EVEN,					/* even ones to the next */
	FOLD_ODD					/* odd ones to the next */
} FoldKind;

typedef struct FoldRange
{
	uint16		first;
	uint16		last;
	FoldKind	kind;
	int16		shift;			/* of FOLD_SHIFT */
} FoldRange;

/* In the order of code points, without overlaps. */
static const FoldRange ranges[] = {
	{0x00B5, 0x00B5, FOLD_SHIFT, 775},
	{0x00C0, 0x00D6, FOLD_SHIFT, 32},
	{0x00D8, 0x00DE, FOLD_SHIFT, 32},
	{0x0100, 0x012F, FOLD_EVEN, 0},
	{0x0132, 0x0137, FOLD_EVEN, 0},
	{0x0139, 0x0148, FOLD_ODD, 0},
	{0x014A, 0x0177, FOLD_EVEN, 0},
	{0x0178, 0x0178, FOLD_SHIFT, -121},
	{0x0179, 0x017E, FOLD_ODD, 0},
	{0x017F, 0x017F, FOLD_SHIFT, 's' - 0x017F},
	{0x0386, 0x0386, FOLD_SHIFT, 38},
	{0x0388, 0x038A, FOLD_SHIFT, 37},
	{0x038C, 0x038C, FOLD_SHIFT, 64},
	{0x038E, 0x038F, FOLD_SHIFT, 63},
	{0x0391, 0x03A1, FOLD_SHIFT, 32},
	{0x03A3, 0x03AB, FOLD_SHIFT, 32},
	{0x03C2, 0x03C2, FOLD_SHIFT, 1},
	{0x0400, 0x040F, FOLD_SHIFT, 80},
	{0x0410, 0x042F, FOLD_SHIFT, 32},
	{0x0460, 0x0481, FOLD_EVEN, 0},
	{0x048A, 0x04BF, FOLD_EVEN, 0},
	{0x04C0, 0x04C0, FOLD_SHIFT, 15},
	{0x04C1, 0x04CE, FOLD_ODD, 0},
	{0x04D0, 0x052F, FOLD_EVEN, 0},
	{0x0531, 0x0556, FOLD_SHIFT, 48},
	{0x1E00, 0x1E95, FOLD_EVEN, 0},
	{0x1EA0, 0x1EFF, FOLD_EVEN, 0},
	{0x212A, 0x212A, FOLD_SHIFT, 'k' - 0x212A},
	{0x212B, 0x212B, FOLD_SHIFT, 0x00E5 - 0x212B},
	{0xFF21, 0xFF3A, FOLD_SHIFT, 32}
};

/* The letter that a code point folds to. */
static pg_wchar
fold(pg_wchar c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c + 32 : c;
	for (int i = 0; i < lengthof(ranges) && c >= ranges[i].first; i++)
	{
		if (c > ranges[i].last)
			continue;
		switch (ranges[i].kind)
		{
			case FOLD_SHIFT:
				return c + ranges[i].shift;
			case FOLD_EVEN:
				return c % 2 == 0 ? c + 1 : c;
			case FOLD_ODD:
				return c % 2 == 1 ? c + 1 : c;
		}
	}
	return c;
}

/* A text as all of its spellings in upper and lower case fold to. */
char *
evaudit_casefold(const char *str)
{
	bool		utf8 = GetDatabaseEncoding() == PG_UTF8;
	StringInfoData folded;

	initStringInfo(&folded);
	while (*str != '\0')
	{
		unsigned char letter[MAX_MULTIBYTE_CHAR_LEN + 1] = {0};
		int			len = pg_mblen(str);
		pg_wchar	c;

		if (!utf8 || len > 3)
			c = len == 1 ? (unsigned char) *str : 0;
		else
			c = utf8_to_unicode((const unsigned char *) str);
		if (c == 0x00DF || c == 0x1E9E)
			appendStringInfoString(&folded, "ss");
		else if (c == 0 || (c >= 0x80 && !utf8))
			appendBinaryStringInfo(&folded, str, len);
		else if (fold(c) < 0x80)
			appendStringInfoChar(&folded, (char) fold(c));
		else
		{
			unicode_to_utf8(fold(c), letter);
			appendStringInfoString(&folded, (char *) letter);
		}
		str += len;
	}
	return folded.data;
}
