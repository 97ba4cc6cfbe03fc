/*-------------------------------------------------------------------------
 *
 * restored.c
 *	  Whether this server was started from a backup, rather than as itself or
 *	  as a standby.
 *
 * A base backup has the system identifier of its origin, and may be started
 * while that one runs.  What tells is how it is started: with a backup_label or
 * a recovery.signal, and without the standby.signal of a standby.  Recovery
 * removes these files, so the postmaster looks for them before, and writes a
 * number that it draws into a file of its own, which stays.
 *
 * The file tells of the latest such start, of this server or of the one that a
 * standby was made from.  Whoever acts on it keeps in the database which
 * numbers were acted on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "server/restored.h"
#include "server/shmem.h"

/* In the data directory. */
#define RESTORED_FILE	"evaudit_restored"

/* Whether a file is in the data directory. */
static bool
exists(const char *name)
{
	struct stat found;

	if (stat(name, &found) == 0)
		return true;
	if (errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", name)));
	return false;
}

/* Write the file with a new number, durably. */
static void
write_number(void)
{
	uint64		number;
	FILE	   *file;

	if (!pg_strong_random(&number, sizeof(number)))
		ereport(FATAL, (errmsg("could not generate a random number")));
	number = Max(number & PG_INT64_MAX, 1);
	file = AllocateFile(RESTORED_FILE ".tmp", PG_BINARY_W);
	if (file == NULL || fprintf(file, UINT64_FORMAT "\n", number) < 0 ||
		FreeFile(file) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m",
						RESTORED_FILE ".tmp")));
	(void) durable_rename(RESTORED_FILE ".tmp", RESTORED_FILE, FATAL);
}

/* In the postmaster, before recovery: note what it starts from. */
static void
attach(LWLock *lock)
{
	if (IsUnderPostmaster || exists(STANDBY_SIGNAL_FILE))
		return;
	if (exists(BACKUP_LABEL_FILE) || exists(RECOVERY_SIGNAL_FILE))
		write_number();
}

/* It takes no shared memory: all that matters is when it is called. */
static Size
size(void)
{
	return 0;
}

/* Register; only while the server preloads libraries. */
void
evaudit_restored_init(void)
{
	static EvauditShmemArea area = {
		.name = "evaudit_restored",
		.size = size,
		.attach = attach
	};

	evaudit_shmem_register(&area);
}

/* The number of the latest start from a backup; 0: there was none. */
int64
evaudit_restored_id(void)
{
	FILE	   *file = AllocateFile(RESTORED_FILE, PG_BINARY_R);
	uint64		number;

	if (file == NULL && errno == ENOENT)
		return 0;
	if (file == NULL || fscanf(file, UINT64_FORMAT, &number) != 1)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", RESTORED_FILE)));
	(void) FreeFile(file);
	return (int64) number;
}
