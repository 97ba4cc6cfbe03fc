/*-------------------------------------------------------------------------
 *
 * pin.c
 *	  Settings that the text of a value depends on, held still for a while.
 *
 * What audit keeps must be the same whoever makes the change, but output
 * functions follow the session: an interval follows IntervalStyle, a regclass
 * search_path.  Types that are met often have conversions of their own that
 * follow nothing (datum_jsonb.c); around all others the settings are set aside on
 * the server's own stack, so that an error restores them with the
 * (sub)transaction it aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "audit/pin.h"
#include "server/setting.h"

static const struct
{
	const char *name;
	const char *value;
}			pinned[] =

{
	{"DateStyle", "ISO, MDY"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"extra_float_digits", "1"},
	{"bytea_output", "hex"},
	{"lc_monetary", "C"},
	{"quote_all_identifiers", "off"},
	{"search_path", "pg_catalog, pg_temp"},
};

/*
 * Pin the settings until evaudit_unpin_settings().  This is asked before each
 * conversion: a function of a user's that ran for the one before may have
 * changed them.  Only those that differ are set, since setting one costs a
 * microsecond, at a level above whatever such a function did.
 */
void
evaudit_pin_settings(EvauditPin *pin)
{
	int			level = 0;

	for (int i = 0; i < lengthof(pinned); i++)
	{
		const char *value = GetConfigOption(pinned[i].name, false, false);

		if (strcmp(value, pinned[i].value) == 0)
			continue;
		if (level == 0)
			level = NewGUCNestLevel();
		evaudit_set_locally(pinned[i].name, pinned[i].value);
	}
	if (pin->level == 0)
		pin->level = level;
}

/* Give the session its settings back. */
void
evaudit_unpin_settings(EvauditPin *pin)
{
	if (pin->level != 0)
		AtEOXact_GUC(true, pin->level);
	pin->level = 0;
}
