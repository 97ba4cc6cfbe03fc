/*-------------------------------------------------------------------------
 *
 * rules.c
 *	  What of a tracked table is audited: its options, read and written.
 *
 * The options are the argument of the capture trigger.  So whatever makes a
 * table with its trigger, be it a dump in any order, a partition or a copy of
 * the schema, makes it with its rules, and no change can be captured without
 * them.  Besides what the user gave they have "bound": for each column that
 * is named, {"name": [attnum, oid of its type]}, see rules_bind.c.
 *
 * Everything is allocated in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "audit/rules.h"
#include "server/compat.h"
#include "text/jsonb.h"
#include "text/options.h"

/* The name that stands for all columns that are not named. */
#define REST	"*"

static const char *const option_names[] = {
	"columns", "ignore_alone", "operations", "diff", NULL
};
static const char *const stored_names[] = {
	"columns", "ignore_alone", "operations", "diff", "bound", NULL
};

static const char *const operation_names[] = {
	"INSERT", "UPDATE", "DELETE", "TRUNCATE"
};

/* What options say of a column, made if they have not yet. */
static EvauditNamedRule *
named_rule(EvauditRules *rules, const char *name)
{
	EvauditNamedRule *column;

	for (int i = 0; i < rules->ncolumns; i++)
	{
		if (strcmp(rules->columns[i].name, name) == 0)
			return &rules->columns[i];
	}
	if (rules->ncolumns >= MaxHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options name more than %d columns",
						MaxHeapAttributeNumber)));
	column = &rules->columns[rules->ncolumns++];
	memset(column, 0, sizeof(EvauditNamedRule));
	column->name = pstrdup(name);
	return column;
}

/* Refuse the rule of a column. */
pg_noreturn static void
refuse_rule(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid rule for column \"%s\"", name),
			 errhint("A rule is \"include\", \"exclude\", \"hmac\" or {\"mask\": form}; forms are fixed, keep_domain, keep_first:N and keep_last:N, with N from 1 to 16.")));
}

/* Read the rule of a column. */
static EvauditRule
parse_rule(const char *name, const JsonbValue *value)
{
	static const char *const words[] = {"include", "exclude", "hmac"};
	EvauditRule rule = {0};
	JsonbValue *mask;

	if (value->type == jbvString)
	{
		for (int kind = 0; kind < lengthof(words); kind++)
		{
			rule.kind = kind;
			if (strlen(words[kind]) == value->val.string.len &&
				memcmp(words[kind], value->val.string.val,
					   value->val.string.len) == 0)
				return rule;
		}
		refuse_rule(name);
	}
	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data) ||
		JsonContainerSize(value->val.binary.data) != 1)
		refuse_rule(name);
	mask = evaudit_jsonb_member(value->val.binary.data, "mask");
	if (mask == NULL || mask->type != jbvString ||
		!evaudit_mask_parse(pnstrdup(mask->val.string.val,
									 mask->val.string.len), &rule.mask))
		refuse_rule(name);
	rule.kind = EVAUDIT_RULE_MASK;
	return rule;
}

/* Read two numbers of an array: what a column is bound to. */
static void
parse_bound(EvauditNamedRule *column, const JsonbValue *value)
{
	int32		numbers[2] = {0, 0};

	for (int i = 0; i < 2; i++)
	{
		JsonbValue *number = value->type == jbvBinary &&
			JsonContainerIsArray(value->val.binary.data) ?
			getIthJsonbValueFromContainer(value->val.binary.data, i) : NULL;

		if (number == NULL || number->type != jbvNumeric ||
			!evaudit_compat_numeric_int4(number->val.numeric, &numbers[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid binding of column \"%s\"",
							column->name)));
	}
	if (numbers[0] > 0 && numbers[0] <= MaxHeapAttributeNumber)
		column->attnum = (AttrNumber) numbers[0];
	column->type = (Oid) numbers[1];
}

/* Read a member of an option whose members are named by columns. */
static void
parse_member(EvauditRules *rules, const char *option, char *name,
			 const JsonbValue *value)
{
	if (strcmp(option, "columns") == 0)
	{
		if (strcmp(name, REST) == 0)
		{
			rules->has_rest = true;
			rules->rest = parse_rule(name, value);
			return;
		}
		named_rule(rules, name)->rule = parse_rule(name, value);
		named_rule(rules, name)->ruled = true;
	}
	else if (strcmp(option, "bound") == 0)
		parse_bound(named_rule(rules, name), value);
	else if (value->type == jbvString && value->val.string.len == 5 &&
			 memcmp(value->val.string.val, "paths", 5) == 0)
		named_rule(rules, name)->paths = true;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid option \"diff\" for column \"%s\"", name),
				 errhint("It must be \"paths\".")));
}

/* Read an option that is an object by columns. */
static void
parse_by_column(EvauditRules *rules, Jsonb *options, const char *option)
{
	JsonbValue *object = evaudit_option_value(options, option);
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *name = NULL;

	if (object == NULL)
		return;
	if (object->type != jbvBinary ||
		!JsonContainerIsObject(object->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a JSON object", option)));
	it = JsonbIteratorInit(object->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(v.val.string.val, v.val.string.len);
		else if (token == WJB_VALUE)
			parse_member(rules, option, name, &v);
	}
}

/* Read which operations are audited. */
static void
parse_operations(EvauditRules *rules, Jsonb *options)
{
	List	   *names = evaudit_option_texts(options, "operations");
	ListCell   *cell;

	for (int i = 0; i < lengthof(operation_names); i++)
		rules->operations[i] = names == NIL;
	foreach(cell, names)
	{
		int			i = 0;

		while (i < lengthof(operation_names) &&
			   strcmp(operation_names[i], lfirst(cell)) != 0)
			i++;
		if (i == lengthof(operation_names))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unrecognized operation \"%s\"",
							(char *) lfirst(cell)),
					 errhint("Operations are INSERT, UPDATE, DELETE and TRUNCATE.")));
		rules->operations[i] = true;
	}
}

/* Read options of the given names. */
static EvauditRules *
parse_options(Jsonb *options, const char *const *known)
{
	EvauditRules *rules = palloc0(sizeof(EvauditRules));
	ListCell   *cell;
	List	   *ignored;

	evaudit_options_check_object(options);
	evaudit_options_check_names(options, known);
	rules->columns = palloc(sizeof(EvauditNamedRule) * MaxHeapAttributeNumber);
	parse_by_column(rules, options, "columns");
	parse_by_column(rules, options, "diff");
	ignored = evaudit_option_texts(options, "ignore_alone");
	foreach(cell, ignored)
		named_rule(rules, lfirst(cell))->ignored = true;
	parse_operations(rules, options);
	if (known == stored_names)
		parse_by_column(rules, options, "bound");
	return rules;
}

/* Read options that a user gives. */
EvauditRules *
evaudit_rules_parse(Jsonb *options)
{
	return parse_options(options, option_names);
}

/* Read the argument of a capture trigger; NULL if it has none. */
EvauditRules *
evaudit_rules_read(const char *argument)
{
	Datum		options;

	if (argument == NULL)
		return NULL;
	options = DirectFunctionCall1(jsonb_in, CStringGetDatum(argument));
	return parse_options(DatumGetJsonbP(options), stored_names);
}

/* Begin a member of an object that is written. */
static void
append_name(StringInfo buf, const char *name)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	escape_json(buf, name);
	appendStringInfoChar(buf, ':');
}

/* Write the rule of a column. */
static void
append_rule(StringInfo buf, const char *name, const EvauditRule *rule)
{
	append_name(buf, name);
	switch (rule->kind)
	{
		case EVAUDIT_RULE_INCLUDE:
			appendStringInfoString(buf, "\"include\"");
			break;
		case EVAUDIT_RULE_EXCLUDE:
			appendStringInfoString(buf, "\"exclude\"");
			break;
		case EVAUDIT_RULE_HMAC:
			appendStringInfoString(buf, "\"hmac\"");
			break;
		case EVAUDIT_RULE_MASK:
			appendStringInfo(buf, "{\"mask\":\"%s\"}",
							 evaudit_mask_format(&rule->mask));
			break;
	}
}

/* Close an object, or take it back if nothing is in it. */
static void
close_object(StringInfo buf, int begin)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, '}');
	else
	{
		buf->len = begin;
		buf->data[begin] = '\0';
	}
}

/* Begin an object that is a member, and return where it does. */
static int
open_object(StringInfo buf, const char *name)
{
	int			begin = buf->len;

	append_name(buf, name);
	appendStringInfoChar(buf, '{');
	return begin;
}

/* Write an array of strings as a member, if there is one. */
static void
append_strings(StringInfo buf, const char *name, List *strings)
{
	ListCell   *cell;

	if (strings == NIL)
		return;
	append_name(buf, name);
	foreach(cell, strings)
	{
		appendStringInfoChar(buf, cell == list_head(strings) ? '[' : ',');
		escape_json(buf, lfirst(cell));
	}
	appendStringInfoChar(buf, ']');
}

/* Options as JSON, with what columns are bound to if the server is to know. */
char *
evaudit_rules_format(const EvauditRules *rules, bool bound)
{
	StringInfoData buf;
	List	   *ignored = NIL;
	List	   *operations = NIL;
	int			begin;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	begin = open_object(&buf, "columns");
	for (int i = 0; i < rules->ncolumns; i++)
	{
		if (rules->columns[i].ruled)
			append_rule(&buf, rules->columns[i].name, &rules->columns[i].rule);
		if (rules->columns[i].ignored)
			ignored = lappend(ignored, rules->columns[i].name);
	}
	if (rules->has_rest)
		append_rule(&buf, REST, &rules->rest);
	close_object(&buf, begin);
	append_strings(&buf, "ignore_alone", ignored);
	for (int i = 0; i < lengthof(operation_names); i++)
	{
		if (rules->operations[i])
			operations = lappend(operations, unconstify(char *, operation_names[i]));
	}
	if (list_length(operations) < lengthof(operation_names))
		append_strings(&buf, "operations", operations);
	begin = open_object(&buf, "diff");
	for (int i = 0; i < rules->ncolumns; i++)
	{
		if (!rules->columns[i].paths)
			continue;
		append_name(&buf, rules->columns[i].name);
		appendStringInfoString(&buf, "\"paths\"");
	}
	close_object(&buf, begin);
	begin = open_object(&buf, "bound");
	for (int i = 0; bound && i < rules->ncolumns; i++)
	{
		if (rules->columns[i].attnum == 0)
			continue;
		append_name(&buf, rules->columns[i].name);
		appendStringInfo(&buf, "[%d,%d]", rules->columns[i].attnum,
						 (int32) rules->columns[i].type);
	}
	close_object(&buf, begin);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/* Options as users see them; NULL if there are none. */
Jsonb *
evaudit_rules_to_jsonb(const EvauditRules *rules)
{
	char	   *json;

	if (rules == NULL || evaudit_rules_empty(rules))
		return NULL;
	json = evaudit_rules_format(rules, false);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

/* Do options say nothing but what holds without any? */
bool
evaudit_rules_empty(const EvauditRules *rules)
{
	return strcmp(evaudit_rules_format(rules, false), "{}") == 0;
}

/* Options as they are when others are set; a null takes one back. */
EvauditRules *
evaudit_rules_merge(const EvauditRules *before, Jsonb *options)
{
	Jsonb	   *present = evaudit_rules_to_jsonb(before);

	evaudit_options_check_object(options);
	if (present != NULL)
		options = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
													 JsonbPGetDatum(present),
													 JsonbPGetDatum(options)));
	return evaudit_rules_parse(options);
}
