/*-------------------------------------------------------------------------
 *
 * mask.c
 *	  Values of which the audit keeps a part.
 *
 *	fixed			***
 *	keep_domain		***@example.org		of a string with an @
 *	keep_first:N	Ad***				of at least 2 * N characters
 *	keep_last:N		***6789				likewise
 *
 * What a mask does not fit is kept as ***, so that it shows no more than it
 * says: a domain that is longer than any, a value of which N characters were
 * more than half, and what is neither a string nor a number.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "audit/mask.h"

#define HIDDEN			"***"
#define HIDDEN_LEN		((int) sizeof(HIDDEN) - 1)

/* The longest name of a host, with its @, and most characters kept. */
#define MAX_DOMAIN		256
#define MAX_COUNT		16

static const char *const names[] = {
	[EVAUDIT_MASK_FIXED] = "fixed",
	[EVAUDIT_MASK_DOMAIN] = "keep_domain",
	[EVAUDIT_MASK_FIRST] = "keep_first:",
	[EVAUDIT_MASK_LAST] = "keep_last:",
};

/* Read the name of a mask; false if it is none. */
bool
evaudit_mask_parse(const char *name, EvauditMask *mask)
{
	mask->count = 0;
	for (int form = 0; form < lengthof(names); form++)
	{
		size_t		len = strlen(names[form]);
		const char *digit = name + len;

		if (strncmp(name, names[form], len) != 0)
			continue;
		mask->form = form;
		if (form < EVAUDIT_MASK_FIRST)
			return *digit == '\0';
		while (*digit >= '0' && *digit <= '9' && mask->count <= MAX_COUNT)
			mask->count = mask->count * 10 + (*digit++ - '0');
		return *digit == '\0' && mask->count >= 1 && mask->count <= MAX_COUNT;
	}
	return false;
}

/* The name of a mask. */
char *
evaudit_mask_format(const EvauditMask *mask)
{
	if (mask->form < EVAUDIT_MASK_FIRST)
		return pstrdup(names[mask->form]);
	return psprintf("%s%d", names[mask->form], mask->count);
}

/* Where the part of a string that is kept begins, and its length in bytes. */
static const char *
part_to_keep(const EvauditMask *mask, const char *string, int len, int *nkept)
{
	const char *end = string + len;
	const char *at = end;
	int			chars;

	*nkept = 0;
	if (mask->form == EVAUDIT_MASK_DOMAIN)
	{
		while (at > string && *--at != '@');
		if (at < end && *at == '@' && end - at <= MAX_DOMAIN)
			*nkept = (int) (end - at);
		return at;
	}
	chars = pg_mbstrlen_with_len(string, len);
	if (mask->form == EVAUDIT_MASK_FIXED || chars < 2 * mask->count)
		return string;
	if (mask->form == EVAUDIT_MASK_FIRST)
	{
		*nkept = pg_mbcharcliplen(string, len, mask->count);
		return string;
	}
	at = string + pg_mbcharcliplen(string, len, chars - mask->count);
	*nkept = (int) (end - at);
	return at;
}

/* Put the masked form of a value in its place; NULL stays NULL. */
void
evaudit_mask_apply(const EvauditMask *mask, JsonbValue *value)
{
	const char *part = "";
	int			nkept = 0;
	char	   *masked;

	if (value->type == jbvNull)
		return;
	if (value->type == jbvString)
		part = part_to_keep(mask, value->val.string.val, value->val.string.len,
							&nkept);
	else if (value->type == jbvNumeric)
	{
		part = DatumGetCString(DirectFunctionCall1(numeric_out,
												   NumericGetDatum(value->val.numeric)));
		part = part_to_keep(mask, part, (int) strlen(part), &nkept);
	}

	masked = palloc(HIDDEN_LEN + nkept);
	if (mask->form == EVAUDIT_MASK_FIRST)
	{
		memcpy(masked, part, nkept);
		memcpy(masked + nkept, HIDDEN, HIDDEN_LEN);
	}
	else
	{
		memcpy(masked, HIDDEN, HIDDEN_LEN);
		memcpy(masked + HIDDEN_LEN, part, nkept);
	}
	value->type = jbvString;
	value->val.string.val = masked;
	value->val.string.len = HIDDEN_LEN + nkept;
}
