/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  Events of topics that have a sink, written with the transaction.
 *
 * Rows go into one partition of evaudit.outbox and its indexes, without a
 * plan.  They are read by differences of snapshots (sinks/stream.c), for which
 * two things hold here: a row has the id of the whole transaction, also if a
 * subtransaction writes it; and that id is drawn before the row's seq is.
 *
 * Which partition is written to does not matter to who reads them.  So a
 * backend that has not noticed yet that another one is written to now does no
 * harm but to keep the old one from being truncated for a while.
 *
 * Whoever may publish to a topic writes here without any right on the table:
 * its owner does, in a security-restricted operation, so that what he may have
 * attached to it is run with no rights but his.
 *
 * Lock: RowExclusiveLock on the partition, to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "common/pg_lzcompress.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "events/event_json.h"
#include "events/outbox.h"
#include "events/outbox_space.h"
#include "events/projection_batch.h"
#include "runtime/wakeup.h"
#include "server/spi.h"
#include "server/table_watch.h"

/* Columns of evaudit.outbox, by their numbers less one. */
enum OutboxColumn
{
	PART_COLUMN,
	SEQ_COLUMN,
	XID_COLUMN,
	TOPIC_COLUMN,
	EVENT_ID_COLUMN,
	KEY_COLUMN,
	PAYLOAD_COLUMN,
	HEADERS_COLUMN,
	EVENT_TIME_COLUMN,
	SUBJECT_COLUMN,
	SOURCE_COLUMN,
	SOURCE_POSITION_COLUMN,
	RECEIVED_AT_COLUMN,
	OUTBOX_COLUMNS
};

/* Bytes that a row has besides its topic, id and payload, about. */
#define ROW_OVERHEAD		100

/* Bytes of a document that tell whether the rest of it can be compressed. */
#define SAMPLE_BYTES	1000

/* A partition, open for some rows. */
typedef struct Outbox
{
	int			part;
	Oid			sequence;
	Relation	rel;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *slot;
	const char *request_id;		/* in UTF-8; NULL: none */
	Oid			user;			/* to go back to */
	int			security;
} Outbox;

/* The header that says in which request an event was published. */
#define REQUEST_ID	"request_id"

/* The oid of a relation of the extension; an ERROR if there is none. */
static Oid
relation_of(const char *name)
{
	Oid			relid = get_relname_relid(name,
										  get_namespace_oid("evaudit", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"evaudit.%s\" does not exist", name)));
	return relid;
}

/* The partition that is written to, as far as this backend knows. */
static int
current_part(void)
{
	static EvauditWatch watch = {.table = "outbox_state"};
	static EvauditStatement read = {
		"SELECT part::integer FROM evaudit.outbox_state"
	};
	static int	part;
	EvauditSpi	spi;

	if (!evaudit_watch_changed(&watch))
		return part;
	evaudit_spi_begin(&spi);
	part = evaudit_spi_read_latest(&read, NULL, NULL) == 0 ? 0 :
		evaudit_spi_int32(0, 0) % EVAUDIT_OUTBOX_PARTS;
	evaudit_spi_end(&spi);
	return part;
}

/*
 * Refuse a table that somebody changed.  Triggers would need more than rows
 * get here.
 */
static void
check_table(Relation rel)
{
	if (rel->trigdesc != NULL || RelationGetDescr(rel)->natts != OUTBOX_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has triggers or columns that are not of extension \"evaudit\"",
						RelationGetRelationName(rel)),
				 errhint("Drop them.")));
}

/* The request that the session says it acts in; NULL: none. */
static const char *
request_id(void)
{
	const char *id = GetConfigOption("evaudit.request_id", true, false);

	return id == NULL || *id == '\0' ? NULL :
		pg_server_to_any(id, (int) strlen(id), PG_UTF8);
}

/* Open the partition that is written to, as its owner. */
static void
open_outbox(Outbox *outbox)
{
	outbox->request_id = request_id();
	outbox->part = current_part();
	outbox->sequence = relation_of("outbox_seq");
	outbox->rel = table_open(evaudit_outbox_part(outbox->part),
							 RowExclusiveLock);
	check_table(outbox->rel);
	GetUserIdAndSecContext(&outbox->user, &outbox->security);
	SetUserIdAndSecContext(outbox->rel->rd_rel->relowner,
						   outbox->security | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	outbox->estate = CreateExecutorState();
	outbox->result = makeNode(ResultRelInfo);
	InitResultRelInfo(outbox->result, outbox->rel, 1, NULL, 0);
	ExecOpenIndices(outbox->result, false);
	outbox->slot = MakeSingleTupleTableSlot(RelationGetDescr(outbox->rel),
											table_slot_callbacks(outbox->rel));
}

/* Close it; the lock stays. */
static void
close_outbox(Outbox *outbox)
{
	ExecDropSingleTupleTableSlot(outbox->slot);
	ExecCloseIndices(outbox->result);
	FreeExecutorState(outbox->estate);
	table_close(outbox->rel, NoLock);
	SetUserIdAndSecContext(outbox->user, outbox->security);
}

/* Put a varlena into its column, NULL if there is none. */
static void
set_pointer(TupleTableSlot *slot, int column, const void *value)
{
	slot->tts_values[column] = PointerGetDatum(value);
	slot->tts_isnull[column] = value == NULL;
}

/* Likewise a string. */
static void
set_text(TupleTableSlot *slot, int column, const char *value)
{
	set_pointer(slot, column, value == NULL ? NULL : cstring_to_text(value));
}

/* The headers of an event, with the id of the request if it has none. */
static Jsonb *
headers_of(const Outbox *outbox, const EvauditEvent *event, Jsonb *headers)
{
	EvauditEvent with = *event;

	if (outbox->request_id == NULL)
		return headers;
	for (int i = 0; i < event->nheaders; i++)
	{
		if (strcmp(event->headers[i].name, REQUEST_ID) == 0)
			return headers;
	}
	with.headers = palloc((event->nheaders + 1) * sizeof(EvauditHeader));
	if (event->nheaders > 0)
		memcpy(with.headers, event->headers,
			   event->nheaders * sizeof(EvauditHeader));
	with.headers[with.nheaders++] = (EvauditHeader)
	{
		.name = REQUEST_ID,.value = outbox->request_id,
			.value_len = strlen(outbox->request_id)
	};
	return evaudit_event_headers(&with);
}

/*
 * Whether pglz, which takes long to find out, is likely to make a document
 * smaller: as it does some of it, from the middle.
 */
static bool
is_compressible(const Jsonb *document)
{
	static const PGLZ_Strategy some_saving = {
		.min_input_size = 0,
		.max_input_size = INT_MAX,
		.min_comp_rate = 5,
		.first_success_by = SAMPLE_BYTES,
		.match_size_good = 128,
		.match_size_drop = 10,
	};
	size_t		bytes = VARSIZE(document) - VARHDRSZ;
	char		compressed[PGLZ_MAX_OUTPUT(SAMPLE_BYTES)];

	return bytes < 2 * SAMPLE_BYTES ||
		pglz_compress(VARDATA(document) + (bytes - SAMPLE_BYTES) / 2,
					  SAMPLE_BYTES, compressed, &some_saving) >= 0;
}

/* An event's document, compressed if its row is so large that TOAST would. */
static struct varlena *
compress_document(const EvauditTopic *topic, const EvauditEvent *event,
				  char method)
{
	Datum		document = JsonbPGetDatum(event->document);
	Datum		compressed = (Datum) 0;
	size_t		bytes = VARSIZE(event->document) + strlen(topic->name) +
		VARSIZE(event->event_id) + ROW_OVERHEAD;

	if (!CompressionMethodIsValid(method))
		method = default_toast_compression;
	if (bytes > TOAST_TUPLE_THRESHOLD &&
		(method != TOAST_PGLZ_COMPRESSION || is_compressible(event->document)))
		compressed = toast_compress_datum(document, method);
	return (struct varlena *)
		DatumGetPointer(DatumGetPointer(compressed) != NULL ? compressed :
						document);
}

/*
 * Before an event is kept that goes into the outbox, too: compress its
 * document as evaudit.events would, for both; that takes most of the time of a
 * large one.  The outbox's own column compresses nothing.  Where evaudit.events
 * is not to compress it, the outbox does it for itself.
 */
void
evaudit_outbox_compress(const EvauditTopic *topic, EvauditEvent *event)
{
	HeapTuple	tuple = SearchSysCacheAttName(relation_of("events"), "payload");
	Form_pg_attribute column;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						"payload", "evaudit.events")));
	column = (Form_pg_attribute) GETSTRUCT(tuple);
	if (column->attstorage == TYPSTORAGE_EXTENDED)
		event->stored = compress_document(topic, event,
										  column->attcompression);
	ReleaseSysCache(tuple);
}

/* Write the row of an event. */
static void
write_row(Outbox *outbox, const EvauditTopic *topic,
		  EvauditEvent *event, TimestampTz now)
{
	TupleTableSlot *slot = outbox->slot;
	FullTransactionId xid = GetTopFullTransactionId();
	EvauditEventValue value;

	evaudit_event_value(topic->name, event, &value);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, OUTBOX_COLUMNS * sizeof(bool));
	slot->tts_values[PART_COLUMN] = Int16GetDatum(outbox->part);
	/* after the xid: see above */
	event->outbox_seq = nextval_internal(outbox->sequence, false);
	slot->tts_values[SEQ_COLUMN] = Int64GetDatum(event->outbox_seq);
	slot->tts_values[XID_COLUMN] = FullTransactionIdGetDatum(xid);
	set_text(slot, TOPIC_COLUMN, value.topic);
	set_pointer(slot, EVENT_ID_COLUMN, value.event_id);
	/* the topic says what the key is, else the transport does */
	set_pointer(slot, KEY_COLUMN, event->payload_key != NULL ?
				(const void *) event->payload_key : value.key);
	set_pointer(slot, PAYLOAD_COLUMN, event->stored != NULL ? event->stored :
				compress_document(topic, event, InvalidCompressionMethod));
	set_pointer(slot, HEADERS_COLUMN,
				headers_of(outbox, event, value.headers));
	slot->tts_values[EVENT_TIME_COLUMN] =
		TimestampTzGetDatum(value.event_time);
	set_text(slot, SUBJECT_COLUMN, value.subject);
	set_text(slot, SOURCE_COLUMN, value.source);
	set_pointer(slot, SOURCE_POSITION_COLUMN, value.source_position);
	slot->tts_values[RECEIVED_AT_COLUMN] = TimestampTzGetDatum(now);
	ExecStoreVirtualTuple(slot);
	ExecSimpleRelationInsert(outbox->result, outbox->estate, slot);
	ResetPerTupleExprContext(outbox->estate);
}

/*
 * Where neither the rights on evaudit.events nor those on a projection decide
 * who may publish, the first do all the same: what leaves is not less than
 * what is kept.
 */
static void
check_rights(const EvauditTopic *topic, const EvauditEvent *event)
{
	AclResult	result;

	if (topic->keep || topic->projection != EVAUDIT_PROJECT_NONE ||
		event->granted)
		return;
	result = pg_class_aclcheck(relation_of("events"), GetUserId(), ACL_INSERT);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, "events");
}

/*
 * Write the accepted events of a topic that has a sink; not those that were
 * kept before, and so sent before.
 */
void
evaudit_outbox_add(const EvauditTopic *topic, EvauditEvent **events, int n,
				   TimestampTz now)
{
	MemoryContext context = NULL;
	MemoryContext previous;
	Outbox		outbox = {0};

	for (int i = 0; i < n; i++)
	{
		if (events[i]->reason != EVAUDIT_ACCEPTED || events[i]->repeated)
			continue;
		check_rights(topic, events[i]);
		if (outbox.rel == NULL)
		{
			open_outbox(&outbox);
			context = AllocSetContextCreate(CurrentMemoryContext,
											"evaudit outbox",
											ALLOCSET_DEFAULT_SIZES);
		}
		previous = MemoryContextSwitchTo(context);
		evaudit_outbox_check_space(outbox.part, now);
		write_row(&outbox, topic, events[i], now);
		MemoryContextSwitchTo(previous);
		MemoryContextReset(context);
	}
	if (outbox.rel == NULL)
		return;
	close_outbox(&outbox);
	MemoryContextDelete(context);
	evaudit_wake_processes_at_commit();
}
