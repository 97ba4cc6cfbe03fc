/*-------------------------------------------------------------------------
 *
 * audit_document.c
 *	  An audit row as the document that consumers of changes know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/jsonb_write.h"
#include "text/rfc3339.h"

PG_FUNCTION_INFO_V1(evaudit_document);

/* Members of a document, gathered with their names. */
typedef struct Document
{
	int			nmembers;
	const char *names[EVAUDIT_AUDIT_NCOLUMNS];
	JsonbValue	values[EVAUDIT_AUDIT_NCOLUMNS];
} Document;

/* Add a member of the given name, and return its value to be set. */
static JsonbValue *
add_member(Document *document, const char *name)
{
	document->names[document->nmembers] = name;
	document->values[document->nmembers].type = jbvNull;
	return &document->values[document->nmembers++];
}

/* Add a string; NULL becomes null. */
static void
add_string(Document *document, const char *name, char *string)
{
	JsonbValue *value = add_member(document, name);

	if (string == NULL)
		return;
	value->type = jbvString;
	value->val.string.val = string;
	value->val.string.len = (int) strlen(string);
}

/* Add a jsonb; NULL becomes null. */
static void
add_jsonb(Document *document, const char *name, Datum datum, bool isnull)
{
	JsonbValue *value = add_member(document, name);

	if (!isnull)
		evaudit_jsonb_read(DatumGetJsonbP(datum), value);
}

/* A text column as a C string, or NULL. */
static char *
text_or_null(const Datum *values, const bool *isnull,
			 EvauditAuditColumn column)
{
	return isnull[column] ? NULL : TextDatumGetCString(values[column]);
}

/* Is this the name of an operation that changed a row? */
static bool
changes_row(const char *operation)
{
	return strcmp(operation, "INSERT") == 0 ||
		strcmp(operation, "UPDATE") == 0 ||
		strcmp(operation, "DELETE") == 0 ||
		strcmp(operation, "TRUNCATE") == 0;
}

/* Fill in the values that belong to an operation that changed a row. */
static void
add_values(Document *document, const char *operation, const Datum *values,
		   const bool *isnull)
{
	bool		update = strcmp(operation, "UPDATE") == 0;
	bool		insert = strcmp(operation, "INSERT") == 0;

	if (update)
		add_string(document, "updatedAttribute",
				   text_or_null(values, isnull,
								EVAUDIT_AUDIT_UPDATED_ATTRIBUTE));
	/* an UPDATE without an old value, not even null, has changed paths */
	if (update && isnull[EVAUDIT_AUDIT_OLD_VALUE] &&
		!isnull[EVAUDIT_AUDIT_NEW_VALUE])
	{
		add_jsonb(document, "changedPaths", values[EVAUDIT_AUDIT_NEW_VALUE],
				  false);
		return;
	}
	if (!insert)
		add_jsonb(document, "oldValue", values[EVAUDIT_AUDIT_OLD_VALUE],
				  isnull[EVAUDIT_AUDIT_OLD_VALUE]);
	if (insert || update)
		add_jsonb(document, "newValue", values[EVAUDIT_AUDIT_NEW_VALUE],
				  isnull[EVAUDIT_AUDIT_NEW_VALUE]);
}

/* Make the document of an audit row, independent of any setting. */
static Jsonb *
make_document(const Datum *values, const bool *isnull)
{
	Document	document = {0};
	char		time[EVAUDIT_RFC3339_LEN];
	Datum		id = values[EVAUDIT_AUDIT_ID];
	bool		timed = !isnull[EVAUDIT_AUDIT_MODIFICATION_TIME];
	char	   *operation = text_or_null(values, isnull,
										 EVAUDIT_AUDIT_OPERATION);
	bool		row = operation && changes_row(operation);

	if (timed)
		evaudit_rfc3339_format_millis(DatumGetTimestampTz(values[EVAUDIT_AUDIT_MODIFICATION_TIME]),
									  time);
	add_string(&document, "id", isnull[EVAUDIT_AUDIT_ID] ? NULL :
			   DatumGetCString(DirectFunctionCall1(uuid_out, id)));
	if (row || (operation && strcmp(operation, "BASELINE") == 0))
		add_string(&document, "itemKey",
				   text_or_null(values, isnull, EVAUDIT_AUDIT_ITEM_KEY));
	add_string(&document, "modificationTime", timed ? time : NULL);
	if (row)
		add_values(&document, operation, values, isnull);
	else
	{
		add_string(&document, "operation", operation);
		add_string(&document, "relation",
				   text_or_null(values, isnull, EVAUDIT_AUDIT_RELATION));
		if (!isnull[EVAUDIT_AUDIT_NEW_VALUE])
			add_jsonb(&document, operation && strcmp(operation, "TRACK") == 0 ?
					  "options" : "newValue",
					  values[EVAUDIT_AUDIT_NEW_VALUE], false);
	}
	return evaudit_jsonb_object(evaudit_jsonb_keys(document.names,
												   document.nmembers),
								document.values);
}

/* SQL: document(audit) RETURNS jsonb */
Datum
evaudit_document(PG_FUNCTION_ARGS)
{
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *isnull = palloc(sizeof(bool) * desc->natts);
	HeapTupleData tuple;

	evaudit_audit_check_columns(desc);

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, isnull);
	ReleaseTupleDesc(desc);
	PG_RETURN_JSONB_P(make_document(values, isnull));
}
