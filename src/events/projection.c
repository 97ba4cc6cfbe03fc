/*-------------------------------------------------------------------------
 *
 * projection.c
 *	  Handing events to a function of the user's.
 *
 * A topic names its function, schema.name, and the function takes an array
 * of evaudit.event: one call for a batch.  It runs as the current user, who
 * is a source's owner or the caller of publish(), and needs EXECUTE.  It is
 * looked up by name each time, as a dump knows nothing of oids; what it
 * returns is of no interest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "events/event_json.h"
#include "events/projection.h"
#include "server/compat.h"

/* The columns of evaudit.event. */
#define NCOLUMNS	9

/* The type evaudit.event. */
static Oid
event_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
						   CStringGetDatum("event"),
						   ObjectIdGetDatum(get_namespace_oid("evaudit",
															  false)));
}

/* Complain about the name of a function. */
static void
bad_name(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("topic option \"project\" must be \"user_services\" or a function's name with its schema, not \"%s\"",
					name)));
}

/*
 * Find the function of a name; an ERROR if there is none, or one that cannot
 * be called with events.
 */
Oid
evaudit_projection_find(const char *name)
{
	Oid			type = get_array_type(event_type());
	List	   *names = evaudit_compat_qualified_name(name);
	Oid			function;
	HeapTuple	tuple;
	Form_pg_proc form;

	if (list_length(names) != 2)
		bad_name(name);
	function = LookupFuncName(names, 1, &type, true);
	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s(evaudit.event[]) does not exist", name)));
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind != PROKIND_FUNCTION || form->proretset ||
		(get_typtype(form->prorettype) == TYPTYPE_PSEUDO &&
		 form->prorettype != VOIDOID))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s(evaudit.event[]) is not a function that returns one value",
						name)));
	ReleaseSysCache(tuple);
	return function;
}

/* Set a column that is a text, or NULL. */
static void
set_text(Datum *values, bool *nulls, int i, const char *string)
{
	nulls[i] = string == NULL;
	if (string != NULL)
		values[i] = CStringGetTextDatum(string);
}

/* Set a column that is a document, or NULL. */
static void
set_jsonb(Datum *values, bool *nulls, int i, Jsonb *document)
{
	nulls[i] = document == NULL;
	values[i] = PointerGetDatum(document);
}

/* The key of an event: its transport's, or what its payload has as one. */
static void
set_key(Datum *values, bool *nulls, int i, const EvauditEvent *event)
{
	bytea	   *key;

	nulls[i] = event->key == NULL && event->payload_key == NULL;
	if (event->key != NULL)
	{
		key = palloc(VARHDRSZ + event->key_len);
		SET_VARSIZE(key, VARHDRSZ + event->key_len);
		memcpy(VARDATA(key), event->key, event->key_len);
		values[i] = PointerGetDatum(key);
	}
	else if (event->payload_key != NULL)
		values[i] = PointerGetDatum(event->payload_key);
}

/* One event as a value of evaudit.event. */
static Datum
event_datum(const EvauditTopic *topic, const EvauditEvent *event,
			TupleDesc desc)
{
	Datum		values[NCOLUMNS];
	bool		nulls[NCOLUMNS] = {false};

	set_text(values, nulls, 0, topic->name);
	values[1] = PointerGetDatum(event->event_id);
	set_key(values, nulls, 2, event);
	set_jsonb(values, nulls, 3, event->document);
	set_jsonb(values, nulls, 4, evaudit_event_headers(event));
	values[5] = TimestampTzGetDatum(event->event_time);
	set_text(values, nulls, 6, event->subject);
	set_text(values, nulls, 7, event->source);
	set_jsonb(values, nulls, 8, evaudit_event_position(event));
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Events as an array of evaudit.event. */
static Datum
event_array(const EvauditTopic *topic, EvauditEvent **events, int n)
{
	Oid			type = event_type();
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);
	Datum	   *values = palloc(n * sizeof(Datum));

	if (desc->natts != NCOLUMNS)
		elog(ERROR, "type evaudit.event has %d columns", desc->natts);
	BlessTupleDesc(desc);
	for (int i = 0; i < n; i++)
		values[i] = event_datum(topic, events[i], desc);
	return PointerGetDatum(construct_array(values, n, type, -1, false,
										   TYPALIGN_DOUBLE));
}

/*
 * Call a topic's function with events, within a transaction.  Whatever it
 * raises is the caller's.
 */
void
evaudit_project(const EvauditTopic *topic, EvauditEvent **events, int n)
{
	Oid			function;
	AclResult	result;
	MemoryContext context;
	MemoryContext previous;
	FmgrInfo	call;

	LOCAL_FCINFO(fcinfo, 1);

	if (n == 0)
		return;
	function = evaudit_projection_find(topic->function);
	result = evaudit_compat_function_aclcheck(function, GetUserId(),
											  ACL_EXECUTE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, topic->function);
	InvokeFunctionExecuteHook(function);

	context = AllocSetContextCreate(CurrentMemoryContext,
									"evaudit projection",
									ALLOCSET_DEFAULT_SIZES);
	previous = MemoryContextSwitchTo(context);
	fmgr_info(function, &call);
	InitFunctionCallInfoData(*fcinfo, &call, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = event_array(topic, events, n);
	fcinfo->args[0].isnull = false;

	/* it sees what was written before it, and others what it writes */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) FunctionCallInvoke(fcinfo);
	PopActiveSnapshot();
	CommandCounterIncrement();
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}
