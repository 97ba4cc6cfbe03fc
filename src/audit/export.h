/*-------------------------------------------------------------------------
 *
 * export.h
 *	  Rows of audit as a file of JSON lines, with a manifest.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EXPORT_H
#define EVAUDIT_EXPORT_H

#include "common/sha2.h"
#include "datatype/timestamp.h"

/* What a query for an export returns of a row of audit named a. */
#define EVAUDIT_EXPORTED	"to_jsonb(a.*)::text, a.seq, a.modification_time"

/* Rows that are exported, and what was. */
typedef struct EvauditExport
{
	const char *directory;
	const char *segment;		/* that they are all of; or NULL */
	int64		total;			/* how many there ought to be */
	char	   *file;			/* its name; NULL: there were no rows */
	int64		rows;
	int64		bytes;
	int64		first_seq;
	int64		last_seq;
	TimestampTz first_time;
	TimestampTz last_time;
	char		sha256[PG_SHA256_DIGEST_STRING_LENGTH];
} EvauditExport;

extern void evaudit_export_check_directory(const char *directory);
extern void evaudit_export_check_right(Oid role);
extern void evaudit_export(EvauditExport *export, const char *sql, Oid type,
						   Datum value);

#endif							/* EVAUDIT_EXPORT_H */
