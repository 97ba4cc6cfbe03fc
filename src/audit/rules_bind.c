/*-------------------------------------------------------------------------
 *
 * rules_bind.c
 *	  Rules and the columns that they hold for.
 *
 * Rules name columns, and are bound to their attnums and types: a column that
 * is renamed keeps its rule, one that is made anew under an old name is another
 * column.  Commands that alter a table have its rules follow (rules_events.c):
 * a name is changed with its column's, and where the column is gone, or has
 * another type, its rule becomes "exclude" until somebody gives it another.
 * A name without a column waits for one, to exclude it.
 *
 * Where the rules could not follow, with event triggers off for instance,
 * they are the stricter when they are used: a column is excluded if its name
 * is that of a rule which is bound to another one.
 *
 * A trigger that a dump or a person makes is bound by the names in it: it
 * comes from where these columns had other numbers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"

#include "audit/hmac_keys.h"
#include "audit/rules.h"
#include "server/compat.h"

/* The column of a name, or NULL. */
static Form_pg_attribute
find_column(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0)
			return att;
	}
	return NULL;
}

/* Does the rule keep something of a column's values back? */
static bool
protects(const EvauditRule *rule)
{
	return rule->kind != EVAUDIT_RULE_INCLUDE;
}

/* Is there a name without a column among rules? */
static bool
waits_for(const EvauditRules *rules, const char *name)
{
	for (int i = 0; rules && i < rules->ncolumns; i++)
	{
		if (rules->columns[i].attnum == 0 && rules->columns[i].ruled &&
			strcmp(rules->columns[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Can changed paths be kept of a column? */
static bool
has_paths(Form_pg_attribute att)
{
	return getBaseType(att->atttypid) == JSONBOID;
}

/*
 * Refuse rules that do not fit a table.  What waited for a column before may
 * go on to do so.
 */
static void
check_rules(const EvauditRules *rules, Relation rel,
			const EvauditRules *before)
{
	bool		hmac = rules->rest.kind == EVAUDIT_RULE_HMAC;

	for (int i = 0; i < rules->ncolumns; i++)
	{
		const EvauditNamedRule *column = &rules->columns[i];
		Form_pg_attribute att = find_column(rel, column->name);

		hmac |= column->rule.kind == EVAUDIT_RULE_HMAC;
		if (att == NULL && waits_for(before, column->name) &&
			column->rule.kind == EVAUDIT_RULE_EXCLUDE &&
			!column->ignored && !column->paths)
			continue;
		if (att == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist",
							column->name, RelationGetRelationName(rel))));
		if (column->paths && (!has_paths(att) || protects(&column->rule)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("changed paths of column \"%s\" cannot be kept",
							column->name),
					 errdetail("The column must be of type jsonb and have no other rule.")));
	}
	if (hmac)
		evaudit_hmac_check();
}

/* Bind rules to the columns of the names that they have. */
void
evaudit_rules_bind(EvauditRules *rules, Relation rel)
{
	for (int i = 0; i < rules->ncolumns; i++)
	{
		EvauditNamedRule *column = &rules->columns[i];
		Form_pg_attribute att = find_column(rel, column->name);

		column->attnum = att ? att->attnum : 0;
		column->type = att ? att->atttypid : InvalidOid;
		if (att == NULL && protects(&column->rule))
			column->rule.kind = EVAUDIT_RULE_EXCLUDE;
	}
}

/* Say which columns of the key are not in the audit. */
static void
report_key(const EvauditRules *rules, Relation rel)
{
	EvauditColumnRule *resolved = evaudit_rules_resolve(rules, rel);
	Bitmapset  *key = RelationGetIndexAttrBitmap(rel,
												 INDEX_ATTR_BITMAP_PRIMARY_KEY);
	int			member = -1;

	while ((member = bms_next_member(key, member)) >= 0)
	{
		int			i = member + FirstLowInvalidHeapAttributeNumber - 1;

		if (i >= 0 && resolved[i].rule.kind == EVAUDIT_RULE_EXCLUDE)
			ereport(NOTICE,
					(errmsg("column \"%s\" of the key of \"%s\" is excluded from the audit",
							NameStr(TupleDescAttr(RelationGetDescr(rel), i)->attname),
							RelationGetRelationName(rel)),
					 errdetail("The audit does not tell apart rows that differ only there.")));
	}
}

/*
 * Bind rules that a user gives to a table, whose rules before may be NULL.
 * Returns the argument of its trigger; NULL if there are no rules.
 */
char *
evaudit_rules_argument(EvauditRules *rules, Relation rel,
					   const EvauditRules *before)
{
	check_rules(rules, rel, before);
	evaudit_rules_bind(rules, rel);
	report_key(rules, rel);
	return evaudit_rules_empty(rules) ? NULL :
		evaudit_rules_format(rules, true);
}

/* Say that a column has lost its rule, and is excluded. */
static void
warn_excluded(const char *name, Relation rel)
{
	ereport(WARNING,
			(errmsg("column \"%s\" of \"%s\" is excluded from the audit",
					name, RelationGetRelationName(rel)),
			 errdetail("The column that its rule was for is gone, or had another type."),
			 errhint("Call evaudit.alter_tracking() to give it a rule.")));
}

/* Let a rule follow the column that it is bound to; false if it goes. */
static bool
follow_column(EvauditRules *rules, EvauditNamedRule *column, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Form_pg_attribute att = column->attnum <= desc->natts ?
		TupleDescAttr(desc, column->attnum - 1) : NULL;

	if (att == NULL || att->attisdropped)
	{
		column->attnum = 0;
		column->type = InvalidOid;
		column->ignored = column->paths = false;
		column->rule.kind = EVAUDIT_RULE_EXCLUDE;
		return column->ruled;
	}
	if (strcmp(column->name, NameStr(att->attname)) != 0)
		column->name = pstrdup(NameStr(att->attname));
	if (column->type == att->atttypid)
		return true;
	if (protects(&column->rule) && column->rule.kind != EVAUDIT_RULE_EXCLUDE)
	{
		column->rule.kind = EVAUDIT_RULE_EXCLUDE;
		warn_excluded(column->name, rel);
	}
	column->type = att->atttypid;
	column->paths &= has_paths(att);
	return true;
}

/* Is a column's name that of a rule which is bound to a column? */
static bool
is_bound(const EvauditRules *rules, const char *name)
{
	for (int i = 0; i < rules->ncolumns; i++)
	{
		if (rules->columns[i].attnum != 0 &&
			strcmp(rules->columns[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Let rules follow the columns that they are bound to. */
void
evaudit_rules_follow(EvauditRules *rules, Relation rel)
{
	int			n = 0;

	for (int i = 0; i < rules->ncolumns; i++)
	{
		EvauditNamedRule *column = &rules->columns[i];
		bool		include = !protects(&column->rule);

		if (column->attnum != 0 && !follow_column(rules, column, rel))
			continue;
		/* nothing was kept back of a column that is gone */
		if (column->attnum == 0 && include)
			continue;
		rules->columns[n++] = *column;
	}
	rules->ncolumns = n;
	for (int i = n = 0; i < rules->ncolumns; i++)
	{
		EvauditNamedRule *column = &rules->columns[i];
		Form_pg_attribute att = find_column(rel, column->name);

		if (column->attnum == 0 && is_bound(rules, column->name))
			continue;
		if (column->attnum == 0 && att != NULL)
		{
			column->attnum = att->attnum;
			column->type = att->atttypid;
			warn_excluded(column->name, rel);
		}
		rules->columns[n++] = *column;
	}
	rules->ncolumns = n;
}

/* What holds for one column, and whether it is named as it is. */
static bool
resolve_column(const EvauditRules *rules, Form_pg_attribute att,
			   EvauditColumnRule *result)
{
	bool		named = false;
	bool		exclude = false;

	result->rule = rules->rest;
	for (int i = 0; i < rules->ncolumns; i++)
	{
		const EvauditNamedRule *column = &rules->columns[i];
		bool		same = strcmp(column->name, NameStr(att->attname)) == 0;

		if (column->attnum != att->attnum || column->type != att->atttypid)
		{
			exclude |= (same || column->attnum == att->attnum) &&
				protects(&column->rule);
			continue;
		}
		if (column->ruled)
			result->rule = column->rule;
		named |= column->ruled;
		result->ignored = column->ignored;
		result->paths = column->paths && has_paths(att);
	}
	if (exclude)
		result->rule.kind = EVAUDIT_RULE_EXCLUDE;
	result->paths &= !protects(&result->rule);
	return named || exclude;
}

/* Is a generated column made of one that a rule keeps something back of? */
static bool
shows_protected(Relation rel, AttrNumber attnum,
				const EvauditColumnRule *rules)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;
	Bitmapset  *used = NULL;
	int			member = -1;

	for (int i = 0; constr && i < constr->num_defval; i++)
	{
		if (constr->defval[i].adnum == attnum)
			pull_varattnos(stringToNode(constr->defval[i].adbin), 1, &used);
	}
	while ((member = bms_next_member(used, member)) >= 0)
	{
		int			number = member + FirstLowInvalidHeapAttributeNumber;

		/* a whole row is none of its columns, but shows them all */
		if (number == 0 ||
			(number > 0 && protects(&rules[number - 1].rule)))
			return true;
	}
	return false;
}

/*
 * What holds for each column of a table.  A generated column that shows what
 * a rule keeps back is excluded, unless it is named itself.
 */
EvauditColumnRule *
evaudit_rules_resolve(const EvauditRules *rules, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	EvauditColumnRule *result = palloc0(sizeof(EvauditColumnRule) *
										Max(desc->natts, 1));
	bool	   *named = palloc0(sizeof(bool) * Max(desc->natts, 1));

	for (int i = 0; rules && i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			named[i] = resolve_column(rules, TupleDescAttr(desc, i),
									  &result[i]);
	}
	for (int i = 0; rules && i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated != '\0' && !named[i] &&
			!protects(&result[i].rule) &&
			shows_protected(rel, att->attnum, result))
			result[i].rule.kind = EVAUDIT_RULE_EXCLUDE;
	}
	return result;
}
