/*-------------------------------------------------------------------------
 *
 * export.c
 *	  Rows of audit as a file of JSON lines, with a manifest.
 *
 * A row is a line, as to_jsonb() has it, in UTF-8.  The manifest is a JSON
 * object in a file beside it, which has the number of rows and bytes and the
 * SHA-256 of the file.
 *
 * Lines are written to a file whose name ends with ".part", which is synced
 * and read back.  Then it gets its name, and then the manifest is written, in
 * the same way.  So a file that has a manifest is whole, whatever ends the
 * server in between.  Who deletes the rows commits after that: a crash before
 * has them exported again, under the same name if they are the same.
 *
 * The query runs as the caller has set things up, which is as the owner of
 * audit: what he made of it is not to run as a superuser.  Files are those of
 * the server's account, and for it alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "common/cryptohash.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/context.h"
#include "audit/export.h"
#include "server/progress.h"
#include "server/spi.h"

/* Rows that are fetched at a time. */
#define FETCH_ROWS		100

/* Bytes that are written and read at a time. */
#define BUFFER_BYTES	65536

/* A file that is being written. */
typedef struct ExportFile
{
	char	   *path;
	int			fd;
	StringInfoData buffer;
	int64		bytes;			/* written, and in the buffer */
	pg_cryptohash_ctx *hash;
} ExportFile;

/* The columns of EVAUDIT_EXPORTED. */
enum ExportColumn
{
	LINE	   ,
				SEQ,
				TIME
};

/* Refuse what is no directory that a file can be made in. */
void
evaudit_export_check_directory(const char *directory)
{
	struct stat status;

	if (!is_absolute_path(directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"export\" must be an absolute path of a directory")));
	if (stat(directory, &status) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat directory \"%s\": %m", directory)));
	if (!S_ISDIR(status.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a directory", directory)));
}

/* Refuse a role that may not write files of the server. */
void
evaudit_export_check_right(Oid role)
{
	if (!has_privs_of_role(role, ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to export rows of table \"audit\""),
				 errdetail("Only roles with privileges of the \"%s\" role may write files of the server.",
						   "pg_write_server_files")));
}

/* Continue a hash with some bytes. */
static void
hash_bytes_in(pg_cryptohash_ctx *hash, const char *bytes, size_t len)
{
	if (pg_cryptohash_update(hash, (const uint8 *) bytes, len) < 0)
		elog(ERROR, "could not compute a hash");
}

/* A hash that begins. */
static pg_cryptohash_ctx *
begin_hash(void)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL || pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not compute a hash");
	return hash;
}

/* End a hash, as hexadecimal digits. */
static void
end_hash(pg_cryptohash_ctx *hash, char *hex)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a hash");
	pg_cryptohash_free(hash);
	hex_encode((char *) digest, sizeof(digest), hex);
	hex[sizeof(digest) * 2] = '\0';
}

/*
 * Make a file for writing.  One of the name is what a crash left; whatever
 * else it is, such as a link, is not written to.
 */
static void
file_begin(ExportFile *file, const char *directory)
{
	memset(file, 0, sizeof(ExportFile));
	file->path = psprintf("%s/audit-" UINT64_FORMAT "-%u.part", directory,
						  GetSystemIdentifier(), MyDatabaseId);
	if (unlink(file->path) != 0 && errno != ENOENT)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", file->path)));
	file->fd = OpenTransientFilePerm(file->path,
									 O_WRONLY | O_CREAT | O_EXCL | PG_BINARY,
									 S_IRUSR | S_IWUSR);
	if (file->fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", file->path)));
	initStringInfo(&file->buffer);
	file->hash = begin_hash();
}

/* Write what is in a file's buffer. */
static void
file_flush(ExportFile *file)
{
	const char *bytes = file->buffer.data;
	size_t		len = file->buffer.len;

	hash_bytes_in(file->hash, bytes, len);
	while (len > 0)
	{
		ssize_t		n;

		errno = 0;
		n = write(file->fd, bytes, Min(len, BUFFER_BYTES));
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
		{
			/* a write that is short without a reason is for want of space */
			if (errno == 0)
				errno = ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", file->path)));
		}
		bytes += n;
		len -= n;
		CHECK_FOR_INTERRUPTS();
	}
	resetStringInfo(&file->buffer);
}

/* Write a line that is in the database's encoding. */
static void
file_put(ExportFile *file, const char *line)
{
	int			len = (int) strlen(line);
	char	   *utf8 = pg_server_to_any(line, len, PG_UTF8);

	if (utf8 != line)
		len = (int) strlen(utf8);
	file->bytes += len + 1;
	/* what is in the buffer and a line of the greatest length are too much */
	if (file->buffer.len + (int64) len >= BUFFER_BYTES)
		file_flush(file);
	appendBinaryStringInfo(&file->buffer, utf8, len);
	appendStringInfoChar(&file->buffer, '\n');
}

/* End a file: what was written is on disk then. */
static void
file_end(ExportFile *file, char *sha256)
{
	file_flush(file);
	if (pg_fsync(file->fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", file->path)));
	if (CloseTransientFile(file->fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", file->path)));
	end_hash(file->hash, sha256);
	pfree(file->buffer.data);
}

/* Read a file, to see that it has what was written. */
static void
verify(const ExportFile *file, const char *sha256)
{
	pg_cryptohash_ctx *hash = begin_hash();
	char	   *buffer = palloc(BUFFER_BYTES);
	char		hex[PG_SHA256_DIGEST_STRING_LENGTH];
	int64		bytes = 0;
	ssize_t		n;
	int			fd = OpenTransientFile(file->path, O_RDONLY | PG_BINARY);

	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", file->path)));
	while ((n = read(fd, buffer, BUFFER_BYTES)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		hash_bytes_in(hash, buffer, n);
		bytes += n;
	}
	if (n < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", file->path)));
	(void) CloseTransientFile(fd);
	pfree(buffer);
	end_hash(hash, hex);
	if (bytes != file->bytes || strcmp(hex, sha256) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("file \"%s\" does not have what was written to it",
						file->path)));
}

/* Note a row that is exported. */
static void
note_row(EvauditExport *export, int64 seq, TimestampTz time)
{
	bool		first = export->rows++ == 0;

	export->first_seq = first ? seq : Min(export->first_seq, seq);
	export->last_seq = first ? seq : Max(export->last_seq, seq);
	export->first_time = first ? time : Min(export->first_time, time);
	export->last_time = first ? time : Max(export->last_time, time);
}

/* Run the query, and write its rows. */
static void
write_rows(EvauditExport *export, ExportFile *file, const char *sql, Oid type,
		   Datum value)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit export",
												  ALLOCSET_DEFAULT_SIZES);
	EvauditProgress *progress =
		evaudit_progress_begin("export",
							   export->segment ? export->segment : "audit",
							   "rows", export->total);
	Portal		portal = SPI_cursor_open_with_args(NULL, sql,
												   OidIsValid(type) ? 1 : 0,
												   &type, &value, NULL,
												   false, 0);

	do
	{
		MemoryContext old;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		old = MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			CHECK_FOR_INTERRUPTS();
			file_put(file, evaudit_spi_text((int) i, LINE));
			note_row(export, evaudit_spi_int64((int) i, SEQ),
					 evaudit_spi_timestamptz((int) i, TIME));
			MemoryContextReset(context);
		}
		MemoryContextSwitchTo(old);
		evaudit_progress_add(progress, (int64) SPI_processed);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(portal);
	evaudit_progress_end(progress);
	MemoryContextDelete(context);
}

/* Append a name and a text to a JSON object. */
static void
put_text(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "%s\"%s\": ", json->len > 1 ? ", " : "", name);
	if (value)
		escape_json(json, value);
	else
		appendStringInfoString(json, "null");
}

/* Likewise a time. */
static void
put_time(StringInfo json, const char *name, TimestampTz time)
{
	char		buffer[MAXDATELEN + 1];

	put_text(json, name, JsonEncodeDateTime(buffer, TimestampTzGetDatum(time),
											TIMESTAMPTZOID, NULL));
}

/* Likewise a number. */
static void
put_number(StringInfo json, const char *name, int64 value)
{
	appendStringInfo(json, ", \"%s\": " INT64_FORMAT, name, value);
}

/* What is said of a file of rows. */
static char *
manifest_of(const EvauditExport *export)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	put_text(&json, "file", export->file);
	put_text(&json, "sha256", export->sha256);
	put_number(&json, "bytes", export->bytes);
	put_number(&json, "rows", export->rows);
	put_number(&json, "first_seq", export->first_seq);
	put_number(&json, "last_seq", export->last_seq);
	put_time(&json, "first_time", export->first_time);
	put_time(&json, "last_time", export->last_time);
	put_text(&json, "segment", export->segment);
	put_text(&json, "database", get_database_name(MyDatabaseId));
	put_text(&json, "system_identifier",
			 psprintf(UINT64_FORMAT, GetSystemIdentifier()));
	put_number(&json, "epoch", evaudit_context_epoch());
	put_time(&json, "exported_at", GetCurrentTimestamp());
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* Write the manifest; it gets its name last. */
static void
write_manifest(const EvauditExport *export, const char *path)
{
	ExportFile	file;
	char		sha256[PG_SHA256_DIGEST_STRING_LENGTH];

	file_begin(&file, export->directory);
	file_put(&file, manifest_of(export));
	file_end(&file, sha256);
	(void) durable_rename(file.path, path, ERROR);
}

/*
 * Write the rows that a query returns as EVAUDIT_EXPORTED to a file, within a
 * connection to SPI.  The query has one parameter, or none if its type is
 * InvalidOid.  What is written is on disk when this returns.
 */
void
evaudit_export(EvauditExport *export, const char *sql, Oid type, Datum value)
{
	ExportFile	file;
	char	   *path;
	char	   *manifest;

	file_begin(&file, export->directory);
	write_rows(export, &file, sql, type, value);
	export->bytes = file.bytes;
	file_end(&file, export->sha256);
	if (export->rows == 0)
	{
		(void) unlink(file.path);
		return;
	}
	verify(&file, export->sha256);

	export->file = psprintf("audit-" UINT64_FORMAT "-%u-%d-" INT64_FORMAT "-"
							INT64_FORMAT ".jsonl", GetSystemIdentifier(),
							MyDatabaseId, evaudit_context_epoch(),
							export->first_seq, export->last_seq);
	path = psprintf("%s/%s", export->directory, export->file);
	manifest = psprintf("%s.manifest", path);
	/* that of another file by this name is not about this one */
	if (access(manifest, F_OK) == 0)
		(void) durable_unlink(manifest, ERROR);
	(void) durable_rename(file.path, path, ERROR);
	write_manifest(export, manifest);
}
