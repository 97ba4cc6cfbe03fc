/*-------------------------------------------------------------------------
 *
 * compare.h
 *	  The order of texts by their bytes, as the collation C has it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_COMPARE_H
#define EVAUDIT_COMPARE_H

/* Compare two texts that are not toasted, as memcmp() does. */
static inline int
evaudit_text_compare(const text *a, const text *b)
{
	int			alen = VARSIZE_ANY_EXHDR(a);
	int			blen = VARSIZE_ANY_EXHDR(b);
	int			result = memcmp(VARDATA_ANY(a), VARDATA_ANY(b),
								Min(alen, blen));

	return result != 0 ? result : alen - blen;
}

#endif							/* EVAUDIT_COMPARE_H */
