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
#include "commands/sequence.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"

#include "audit/row_seq.h"
#include "server/compat.h"

/* How many numbers one WAL record covers. */
#define LOG_AHEAD	256

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

/* Draw the next number of a sequence that is open for row exclusive use. */
int64
evaudit_row_seq(Relation sequence)
{
	Buffer		buffer = pin_sequence(sequence);
	Page		page;
	ItemId		item;
	HeapTupleData tuple = {0};
	Form_pg_sequence_data data;
	int64		next;
	int64		ahead;
	bool		log = false;

	/* whoever has an xid has it flushed at commit, and the sequence with it */
	(void) GetTopTransactionId();

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	page = BufferGetPage(buffer);
	item = PageGetItemId(page, FirstOffsetNumber);
	tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	tuple.t_len = ItemIdGetLength(item);
	data = (Form_pg_sequence_data) GETSTRUCT(&tuple);

	next = data->is_called ? data->last_value + 1 : data->last_value;
	ahead = data->log_cnt - 1;
	if (ahead < 0 || !data->is_called || PageGetLSN(page) <= GetRedoRecPtr())
	{
		ahead = LOG_AHEAD;
		log = RelationNeedsWAL(sequence);
	}

	START_CRIT_SECTION();
	MarkBufferDirty(buffer);
	if (log)
		log_sequence(sequence, buffer, &tuple, next + ahead);
	data->last_value = next;
	data->is_called = true;
	data->log_cnt = ahead;
	END_CRIT_SECTION();

	UnlockReleaseBuffer(buffer);
	return next;
}
