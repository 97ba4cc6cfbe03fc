/*-------------------------------------------------------------------------
 *
 * filter.c
 *	  Which events a sink sends: by a JSON Schema or a jsonpath on the payload.
 *
 * A jsonpath that gives a boolean first, as a predicate does, decides by it;
 * one that gives anything else sends what it finds something in.  As in the
 * operators @? and @@, what cannot be evaluated is not found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonpath.h"

#include "schema/schema.h"
#include "sinks/shape.h"
#include "text/options.h"

/* One of the two is set. */
struct EvauditFilter
{
	EvauditSchema *schema;
	Jsonb	   *source;			/* of the schema, to compile it anew */
	JsonPath   *path;
	Jsonb	   *no_variables;
	MemoryContext context;		/* of the above */
};

/*
 * The filter that options name, in the current memory context; NULL if they
 * name none.  An ERROR if it cannot be.  Within a transaction.
 */
EvauditFilter *
evaudit_filter_read(Jsonb *options)
{
	JsonbValue *v = evaudit_option_value(options, "filter");
	EvauditFilter *filter;

	if (v == NULL)
		return NULL;
	filter = palloc0(sizeof(EvauditFilter));
	filter->context = CurrentMemoryContext;
	if (v->type == jbvString)
	{
		char	   *path = pnstrdup(v->val.string.val, v->val.string.len);

		filter->path = DatumGetJsonPathP(DirectFunctionCall1(jsonpath_in,
															 CStringGetDatum(path)));
		filter->no_variables = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
																  CStringGetDatum("{}")));
		return filter;
	}
	if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a jsonpath or a JSON Schema",
						"filter")));
	filter->source = JsonbValueToJsonb(v);
	evaudit_schema_check_size(filter->source);
	filter->schema = evaudit_schema_compile(filter->source,
											CurrentMemoryContext);
	return filter;
}

/* Whether a jsonpath accepts a payload. */
static bool
path_accepts(const EvauditFilter *filter, Jsonb *payload)
{
	Datum		found;
	JsonbValue	value;

	LOCAL_FCINFO(fcinfo, 4);

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(payload);
	fcinfo->args[1].value = PointerGetDatum(filter->path);
	fcinfo->args[2].value = JsonbPGetDatum(filter->no_variables);
	fcinfo->args[3].value = BoolGetDatum(true); /* silent */
	for (int i = 0; i < 4; i++)
		fcinfo->args[i].isnull = false;
	found = jsonb_path_query_first(fcinfo);
	if (fcinfo->isnull)
		return false;
	if (!JB_ROOT_IS_SCALAR(DatumGetJsonbP(found)) ||
		!JsonbExtractScalar(&DatumGetJsonbP(found)->root, &value))
		return true;
	if (value.type == jbvBool)
		return value.val.boolean;
	return value.type != jbvNull;
}

/*
 * Whether a filter accepts a payload; NULL stands for none, which only a sink
 * without a filter sends.  Within a transaction.
 */
bool
evaudit_filter_accepts(EvauditFilter *filter, Jsonb *payload)
{
	if (payload == NULL)
		return false;
	if (filter->path != NULL)
		return path_accepts(filter, payload);
	if (!evaudit_schema_is_current(filter->schema))
	{
		EvauditSchema *schema = evaudit_schema_compile(filter->source,
													   filter->context);

		evaudit_schema_free(filter->schema);
		filter->schema = schema;
	}
	return evaudit_schema_accepts(filter->schema, payload, true);
}
