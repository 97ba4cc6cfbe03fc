/*-------------------------------------------------------------------------
 *
 * column.c
 *	  Values of a column, as its rule has them in the audit.
 *
 * This is the one place where values of tracked tables become JSON, so that
 * none gets past its rule: neither in rows nor in changes or keys.  Columns
 * that are excluded do not get here (tracked.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit/audit_log.h"
#include "audit/column.h"
#include "audit/hmac_keys.h"
#include "audit/json_diff.h"

/* A column's value in a slot, which may be NULL, as its rule has it. */
void
evaudit_column_to_json(EvauditColumn *column, TupleTableSlot *slot,
					   EvauditPin *pin, JsonbValue *value)
{
	const EvauditRule *rule = &column->rule.rule;

	if (slot->tts_isnull[column->index])
	{
		value->type = jbvNull;
		return;
	}
	/* what a fixed mask hides need not be looked at */
	if (rule->kind == EVAUDIT_RULE_MASK &&
		rule->mask.form == EVAUDIT_MASK_FIXED)
		value->type = jbvBool;
	else
		evaudit_datum_to_json(&column->type, slot->tts_values[column->index],
							  pin, value);
	if (rule->kind == EVAUDIT_RULE_MASK)
		evaudit_mask_apply(&rule->mask, value);
	else if (rule->kind == EVAUDIT_RULE_HMAC)
		evaudit_hmac_apply(value);
}

/* Is a column stored the same in two slots? */
static bool
is_unchanged(EvauditColumn *column, TupleTableSlot *old, TupleTableSlot *new)
{
	int			i = column->index;

	if (old->tts_isnull[i] || new->tts_isnull[i])
		return old->tts_isnull[i] == new->tts_isnull[i];
	return evaudit_datum_equal(&column->type, old->tts_values[i],
							   new->tts_values[i]);
}

/* Are two jsonb, written by jsonb_write.c, the same? */
static bool
same_jsonb(Jsonb *a, Jsonb *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/* Describe a change of a jsonb by its paths, if they are the shorter form. */
static bool
describe_paths(EvauditColumn *column, Datum old, Datum new,
			   EvauditAuditRow *row)
{
	Jsonb	   *paths = evaudit_json_diff(DatumGetJsonbP(old),
										  DatumGetJsonbP(new));

	if (paths == NULL)
		return false;
	row->old_value = NULL;
	row->new_value = paths;
	row->attribute = column->name;
	return true;
}

/*
 * Describe in an audit row how a column changed; false if it did not.  Where
 * its changed paths are kept, there is no old value and the new one has them.
 */
bool
evaudit_column_describe(EvauditColumn *column, TupleTableSlot *old,
						TupleTableSlot *new, EvauditPin *pin,
						EvauditAuditRow *row)
{
	int			i = column->index;
	JsonbValue	value;

	if (is_unchanged(column, old, new))
		return false;
	if (column->rule.paths && !old->tts_isnull[i] && !new->tts_isnull[i] &&
		describe_paths(column, old->tts_values[i], new->tts_values[i], row))
		return true;
	evaudit_column_to_json(column, old, pin, &value);
	row->old_value = evaudit_jsonb_value(&value);
	evaudit_column_to_json(column, new, pin, &value);
	row->new_value = evaudit_jsonb_value(&value);
	row->attribute = column->name;
	return old->tts_isnull[i] || new->tts_isnull[i] ||
		!same_jsonb(row->old_value, row->new_value) ||
		!evaudit_datum_shows_same(&column->type, old->tts_values[i],
								  new->tts_values[i], pin);
}
