/*-------------------------------------------------------------------------
 *
 * user_services.c
 *	  The document that services_for_user() answers with.
 *
 * The rows come by SPI, so that row security, grants, partitions and any
 * index stay the executor's business; what makes the inline query slow is
 * not there but in sorting and building jsonb by SQL functions, which is
 * done here on the few rows of a user.
 *
 * Planning anew for each user would cost more than the query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "server/spi.h"
#include "text/compare.h"
#include "text/rfc3339.h"

PG_FUNCTION_INFO_V1(evaudit_user_services_document);

/* One service of the user; the texts are detoasted. */
typedef struct Service
{
	text	   *id;
	text	   *name;
	TimestampTz last_accessed;
} Service;

/* Compare for qsort(): newest first, then by the bytes of the id. */
static int
compare_services(const void *left, const void *right)
{
	const Service *a = left;
	const Service *b = right;

	if (a->last_accessed != b->last_accessed)
		return a->last_accessed > b->last_accessed ? -1 : 1;
	return evaudit_text_compare(a->id, b->id);
}

/* The rows of the last query, sorted, in the current memory context. */
static Service *
read_services(int *count)
{
	SPITupleTable *rows = SPI_tuptable;
	int			n = (int) SPI_processed;
	Service    *services = palloc_extended(sizeof(Service) * (Size) n,
										   MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
	{
		Datum		values[3];
		bool		nulls[3];

		heap_deform_tuple(rows->vals[i], rows->tupdesc, values, nulls);
		if (nulls[0] || nulls[1] || nulls[2])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("null value in table \"user_services\"")));
		services[i].id = DatumGetTextPP(values[0]);
		services[i].name = DatumGetTextPP(values[1]);
		services[i].last_accessed = DatumGetTimestampTz(values[2]);
	}
	qsort(services, n, sizeof(Service), compare_services);
	*count = n;
	return services;
}

/* A jsonb string, not copied. */
static void
set_string(JsonbValue *value, const char *string, int len)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = len;
}

/* A member of an object whose value is a string; order is its place. */
static void
set_member(JsonbPair *pair, const char *key, const char *string, int len)
{
	set_string(&pair->key, key, (int) strlen(key));
	set_string(&pair->value, string, len);
}

/* One element of "services"; the keys stand in jsonb's order of keys. */
static void
set_service(JsonbValue *value, JsonbPair *pairs, char *time,
			const Service *service)
{
	int			time_len = evaudit_rfc3339_format(service->last_accessed,
												  time);

	set_member(&pairs[0], "service_id", VARDATA_ANY(service->id),
			   VARSIZE_ANY_EXHDR(service->id));
	set_member(&pairs[1], "service_name", VARDATA_ANY(service->name),
			   VARSIZE_ANY_EXHDR(service->name));
	set_member(&pairs[2], "last_accessed", time, time_len);
	value->type = jbvObject;
	value->val.object.nPairs = 3;
	value->val.object.pairs = pairs;
}

/* The document, in the context "result"; its parts in the current one. */
static Jsonb *
build_document(text *user_id, const Service *services, int count,
			   MemoryContext result)
{
	JsonbValue	document;
	JsonbPair	members[2];
	JsonbValue *elements;
	JsonbPair  *pairs;
	char	   *times;
	MemoryContext old;
	Jsonb	   *jsonb;

	elements = palloc_extended(sizeof(JsonbValue) * (Size) count,
							   MCXT_ALLOC_HUGE);
	pairs = palloc_extended(sizeof(JsonbPair) * (Size) count * 3,
							MCXT_ALLOC_HUGE);
	times = palloc_extended(EVAUDIT_RFC3339_LEN * (Size) count,
							MCXT_ALLOC_HUGE);
	for (int i = 0; i < count; i++)
		set_service(&elements[i], &pairs[i * 3],
					&times[i * EVAUDIT_RFC3339_LEN], &services[i]);

	set_member(&members[0], "user_id", VARDATA_ANY(user_id),
			   VARSIZE_ANY_EXHDR(user_id));
	set_string(&members[1].key, "services", strlen("services"));
	members[1].value.type = jbvArray;
	members[1].value.val.array.nElems = count;
	members[1].value.val.array.rawScalar = false;
	members[1].value.val.array.elems = elements;
	document.type = jbvObject;
	document.val.object.nPairs = 2;
	document.val.object.pairs = members;

	old = MemoryContextSwitchTo(result);
	jsonb = JsonbValueToJsonb(&document);
	MemoryContextSwitchTo(old);
	return jsonb;
}

/*
 * The services of a user, newest first, as jsonb: the body of the SQL
 * function services_for_user().
 */
Datum
evaudit_user_services_document(PG_FUNCTION_ARGS)
{
	static EvauditStatement read = {
		"SELECT service_id::pg_catalog.text, service_name::pg_catalog.text,"
		" last_accessed::pg_catalog.timestamptz"
		" FROM $S.user_services WHERE user_id OPERATOR(pg_catalog.=) $1",
		1, {TEXTOID},.plan_options = CURSOR_OPT_GENERIC_PLAN
	};
	text	   *user_id = PG_GETARG_TEXT_PP(0);
	Datum		args[] = {PointerGetDatum(user_id)};
	MemoryContext caller = CurrentMemoryContext;
	Service    *services;
	int			count;
	Jsonb	   *document;

	SPI_connect();
	/* the snapshot of the calling query is the one that counts */
	(void) evaudit_spi_read(&read, args, NULL);
	services = read_services(&count);
	document = build_document(user_id, services, count, caller);
	SPI_finish();
	PG_RETURN_JSONB_P(document);
}
