/*-------------------------------------------------------------------------
 *
 * row_seq.c
 *	  The next number of the audit's sequence.
 *
 * nextval() would do, but for one thing: it changes what lastval() says to
 * the application, which asks for the number that its own INSERT was given.
 * So this is nextval_internal() without the session's memory.  There is no
 * cache either, and there must be none: a number is drawn while the changed
 * row is locked, so that the numbers of one row's changes follow each other
 * whichever sessions made them.
 *
 * The numbers are the order of capture, so that INCREMENT, MINVALUE and MAXVALUE
 * of an altered sequence are followed, but a sequence that goes down or begins
 * anew is refused.  After the last number changes fail.
 *
 * The sequence's page is changed under its buffer lock, and in the critical
 * section nothing is allocated.  WAL runs ahead of the page, so that few
 * numbers cost a record; a crash skips what was run ahead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xloginsert.h"
#include "catalog/pg_sequence.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "audit/row_seq.h"
#include "server/compat.h"

/* How many numbers one WAL record covers. */
#define LOG_AHEAD	256

/* The options of the sequence drawn from last; no sequence: look them up. */
static Oid	known = InvalidOid;
static int64 increment;
static int64 min_value;
static int64 max_value;

/* Invalidation callback: the options of some sequence changed. */
static void
invalidate_options(Datum arg, int cacheid, uint32 hashvalue)
{
	known = InvalidOid;
}

/* Learn the options of a sequence, which its lock keeps as they are. */
static void
read_options(Relation sequence)
{
	static bool registered = false;
	HeapTuple	tuple;
	Form_pg_sequence options;

	if (!registered)
		CacheRegisterSyscacheCallback(SEQRELID, invalidate_options, (Datum) 0);
	registered = true;

	tuple = SearchSysCache1(SEQRELID,
							ObjectIdGetDatum(RelationGetRelid(sequence)));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for sequence %u",
			 RelationGetRelid(sequence));
	options = (Form_pg_sequence) GETSTRUCT(tuple);
	if (options->seqincrement < 0 || options->seqcycle)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sequence \"%s\" must neither go down nor cycle",
						RelationGetRelationName(sequence)),
				 errdetail("Its numbers are the order in which changes were captured."),
				 errhint("Use ALTER SEQUENCE with NO CYCLE and a positive INCREMENT.")));
	increment = options->seqincrement;
	min_value = options->seqmin;
	max_value = options->seqmax;
	ReleaseSysCache(tuple);
	known = RelationGetRelid(sequence);
}

/* How many numbers come after one; their distance may exceed an int64. */
static uint64
numbers_left(int64 last)
{
	return last > max_value ? 0 :
		((uint64) max_value - (uint64) last) / (uint64) increment;
}

/* The number after the last one of a sequence. */
static int64
number_after(Relation sequence, Form_pg_sequence_data data)
{
	if (!data->is_called)
		return data->last_value;
	if (data->last_value < min_value)
		return min_value;
	if (numbers_left(data->last_value) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
				 errmsg("sequence \"%s\" has reached its maximum value (%lld)",
						RelationGetRelationName(sequence),
						(long long) max_value),
				 errhint("Use ALTER SEQUENCE to raise MAXVALUE.")));
	return data->last_value + increment;
}

/* Log that the numbers up to last may be in use.  The page is locked. */
static void
log_sequence(Relation sequence, Buffer buffer, HeapTuple tuple, int64 last)
{
	Form_pg_sequence_data data = (Form_pg_sequence_data) GETSTRUCT(tuple);
	xl_seq_rec	record;
	XLogRecPtr	lsn;

	data->last_value = last;
	data->is_called = true;
	data->log_cnt = 0;
	record.EVAUDIT_SEQ_LOCATOR = sequence->EVAUDIT_RD_LOCATOR;

	XLogBeginInsert();
	XLogRegisterBuffer(0, buffer, REGBUF_WILL_INIT);
	XLogRegisterData((char *) &record, sizeof(record));
	XLogRegisterData((char *) tuple->t_data, tuple->t_len);
	lsn = XLogInsert(RM_SEQ_ID, XLOG_SEQ_LOG);
	PageSetLSN(BufferGetPage(buffer), lsn);
}

/* Pin the only page of a sequence, most likely where it was last time. */
static Buffer
pin_sequence(Relation sequence)
{
	static Buffer recent = InvalidBuffer;

	if (!BufferIsValid(recent) ||
		!ReadRecentBuffer(sequence->EVAUDIT_RD_LOCATOR, MAIN_FORKNUM, 0,
						  recent))
		recent = ReadBuffer(sequence, 0);
	return recent;
}

/* Lock the only page of a sequence, and point at what is in it. */
static Buffer
lock_sequence(Relation sequence, int mode, HeapTuple tuple)
{
	Buffer		buffer = pin_sequence(sequence);
	Page		page;
	ItemId		item;

	LockBuffer(buffer, mode);
	page = BufferGetPage(buffer);
	item = PageGetItemId(page, FirstOffsetNumber);
	tuple->t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple->t_len = ItemIdGetLength(item);
	return buffer;
}

/* The last number drawn of a sequence; *unused if there is none yet. */
int64
evaudit_row_seq_last(Relation sequence, bool *unused)
{
	HeapTupleData tuple = {0};
	Buffer		buffer = lock_sequence(sequence, BUFFER_LOCK_SHARE, &tuple);
	Form_pg_sequence_data data = (Form_pg_sequence_data) GETSTRUCT(&tuple);
	int64		last;

	*unused = !data->is_called;
	last = *unused ? data->last_value - 1 : data->last_value;
	UnlockReleaseBuffer(buffer);
	return last;
}

/*
 * Have a sequence go on after a number that a row has which was not captured
 * here.  As above, WAL runs ahead, for such rows come in the order of their
 * numbers.  The sequence moves by whole steps of its INCREMENT, so that two
 * nodes that have numbers of their own keep them.
 */
void
evaudit_row_seq_raise(Relation sequence, int64 seq)
{
	Buffer		buffer;
	HeapTupleData tuple = {0};
	Form_pg_sequence_data data;
	uint64		steps;
	int64		last;
	int64		ahead;
	bool		log;

	if (known != RelationGetRelid(sequence))
		read_options(sequence);
	(void) GetTopTransactionId();

	buffer = lock_sequence(sequence, BUFFER_LOCK_EXCLUSIVE, &tuple);
	data = (Form_pg_sequence_data) GETSTRUCT(&tuple);
	if (seq < data->last_value || (seq == data->last_value && data->is_called))
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	steps = ((uint64) seq - (uint64) data->last_value + increment - 1) /
		(uint64) increment;
	log = !data->is_called || steps > data->log_cnt ||
		PageGetLSN(BufferGetPage(buffer)) <= GetRedoRecPtr();
	last = data->last_value +
		(int64) Min(steps, numbers_left(data->last_value)) * increment;
	ahead = log ? (int64) Min(LOG_AHEAD, numbers_left(last)) :
		data->log_cnt - (int64) steps;

	START_CRIT_SECTION();
	MarkBufferDirty(buffer);
	if (log && RelationNeedsWAL(sequence))
		log_sequence(sequence, buffer, &tuple, last + ahead * increment);
	data->last_value = last;
	data->is_called = true;
	data->log_cnt = ahead;
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
}

/*
 * Draw the next number of a sequence that is open for row exclusive use.  Sets
 * *previous to the one before it.
 */
int64
evaudit_row_seq(Relation sequence, int64 *previous)
{
	Buffer		buffer;
	HeapTupleData tuple = {0};
	Form_pg_sequence_data data;
	int64		next;
	int64		ahead;
	bool		log = false;

	if (known != RelationGetRelid(sequence))
		read_options(sequence);

	/* whoever has an xid has it flushed at commit, and the sequence with it */
	(void) GetTopTransactionId();

	buffer = lock_sequence(sequence, BUFFER_LOCK_EXCLUSIVE, &tuple);
	data = (Form_pg_sequence_data) GETSTRUCT(&tuple);
	next = number_after(sequence, data);
	*previous = data->is_called ? data->last_value : next;
	ahead = data->log_cnt - 1;
	if (ahead < 0 || !data->is_called ||
		PageGetLSN(BufferGetPage(buffer)) <= GetRedoRecPtr())
	{
		ahead = Min(LOG_AHEAD, numbers_left(next));
		log = RelationNeedsWAL(sequence);
	}

	START_CRIT_SECTION();
	MarkBufferDirty(buffer);
	if (log)
		log_sequence(sequence, buffer, &tuple, next + ahead * increment);
	data->last_value = next;
	data->is_called = true;
	data->log_cnt = ahead;
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
	return next;
}
