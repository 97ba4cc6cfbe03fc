/*-------------------------------------------------------------------------
 *
 * hmac_keys.c
 *	  Keys that values are authenticated by instead of being shown.
 *
 * A column with the rule "hmac" is audited as
 *
 *	{"key": id of a key, "hmac": HMAC-SHA256 of the value's text}
 *
 * so that equal values look equal and nobody without the key finds out which
 * they are.  The keys are in a file that evaudit.hmac_key_file names, a line
 * each: an id and 16 to 64 bytes in hexadecimal digits.  The first one is
 * used; those below are for what was audited before it was put there.
 *
 * The file is read by each session that needs it, and again after the server
 * was told to reload its configuration.  No message repeats anything of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "audit/datum_jsonb.h"
#include "audit/hmac_keys.h"
#include "audit/jsonb_write.h"
#include "crypto/digest.h"
#include "server/compat.h"

#define MAX_FILE_BYTES	65536
#define MAX_KEYS		100
#define MAX_ID			32
#define MIN_SECRET		16		/* bytes */
#define MAX_SECRET		64

PG_FUNCTION_INFO_V1(evaudit_hmac_values);

typedef struct HmacKey
{
	char	   *id;
	EvauditHmacKey *prepared;
} HmacKey;

static char *key_file = NULL;	/* the setting */

/* The keys as they were read, in a memory context of their own. */
static MemoryContext keys_context = NULL;
static HmacKey *keys = NULL;
static int	nkeys = 0;
static TimestampTz read_at = 0; /* configuration that was loaded then */

/* Define the setting. */
void
evaudit_hmac_init(void)
{
	DefineCustomStringVariable("evaudit.hmac_key_file",
							   "File of the keys for columns with the rule \"hmac\", the newest first.",
							   "A line has an id and a secret in hexadecimal digits.",
							   &key_file, "", PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

/* Refuse the key file; the reason repeats nothing of what is in it. */
pg_noreturn static void
refuse_file(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("could not use the key file of evaudit.hmac_key_file"),
			 errdetail_internal("%s", reason),
			 errhint("A line has an id and 16 to 64 bytes in hexadecimal digits, as by \"openssl rand -hex 32\".")));
}

/* Refuse a file that others than the server may read, or that is none. */
static void
check_file(FILE *file)
{
	struct stat st;

	if (fstat(fileno(file), &st) != 0)
		refuse_file("It could not be examined.");
	if (!S_ISREG(st.st_mode))
		refuse_file("It is not a regular file.");
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO))) ||
		(st.st_uid != geteuid() &&
		 (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)))))
		refuse_file("It must belong to the server's user and have no access for others (0600), or to root (0640).");
}

/* Read the bytes of the file into a buffer that is zeroed by the caller. */
static int
read_file(char *bytes)
{
	FILE	   *file;
	size_t		len;

	if (key_file == NULL || key_file[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no key for columns with the rule \"hmac\""),
				 errhint("Have evaudit.hmac_key_file name a file of keys.")));
	file = AllocateFile(key_file, PG_BINARY_R);
	if (file == NULL)
		refuse_file("It could not be opened.");
	check_file(file);
	len = fread(bytes, 1, MAX_FILE_BYTES, file);
	if (ferror(file) || len == MAX_FILE_BYTES)
		refuse_file("It could not be read, or is too large.");
	FreeFile(file);
	return (int) len;
}

/* The value of a hexadecimal digit, or -1. */
static int
digit_value(char c)
{
	const char *digits = "0123456789abcdef";
	const char *digit = c == '\0' ? NULL : strchr(digits, pg_tolower((unsigned char) c));

	return digit ? (int) (digit - digits) : -1;
}

/* Read the secret of a key; false if it is none. */
static bool
parse_secret(HmacKey *key, const char *hex)
{
	size_t		len = strlen(hex);
	uint8		secret[MAX_SECRET];
	bool		valid = true;

	if (len % 2 != 0 || len < MIN_SECRET * 2 || len > MAX_SECRET * 2)
		return false;
	for (size_t i = 0; i < len / 2; i++)
	{
		int			high = digit_value(hex[2 * i]);
		int			low = digit_value(hex[2 * i + 1]);

		valid &= high >= 0 && low >= 0;
		secret[i] = valid ? (uint8) (high << 4 | low) : 0;
	}
	if (valid)
		key->prepared = evaudit_hmac_prepare(secret, len / 2);
	explicit_bzero(secret, sizeof(secret));
	return valid;
}

/* Read one line, without its end; false if it is no key. */
static bool
parse_line(HmacKey *key, char *line)
{
	char	   *end;
	size_t		len = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
							 "abcdefghijklmnopqrstuvwxyz0123456789_.-");

	if (len == 0 || len > MAX_ID || (line[len] != ' ' && line[len] != '\t'))
		return false;
	key->id = pnstrdup(line, len);
	line += len;
	line += strspn(line, " \t");
	end = line + strcspn(line, " \t\r");
	if (end[strspn(end, " \t\r")] != '\0')
		return false;
	*end = '\0';
	return parse_secret(key, line);
}

/* Read the lines of the file into keys; *count is how many. */
static HmacKey *
parse_file(char *bytes, int *count)
{
	HmacKey    *parsed = palloc0(sizeof(HmacKey) * MAX_KEYS);
	char	   *save;
	int			number = 0;
	int			n = 0;

	for (char *line = bytes; line != NULL; line = save)
	{
		save = strchr(line, '\n');
		if (save)
			*save++ = '\0';
		number++;
		line += strspn(line, " \t\r");
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (n == MAX_KEYS || !parse_line(&parsed[n], line))
			refuse_file(psprintf("Line %d is no key.", number));
		for (int i = 0; i < n; i++)
		{
			if (strcmp(parsed[i].id, parsed[n].id) == 0)
				refuse_file(psprintf("Line %d has the id of an earlier one.",
									 number));
		}
		n++;
	}
	if (n == 0)
		refuse_file("There is no key in it.");
	*count = n;
	return parsed;
}

/* Forget the keys. */
static void
forget_keys(void)
{
	keys = NULL;
	nkeys = 0;
	if (keys_context)
		MemoryContextDelete(keys_context);
	keys_context = NULL;
}

/* Read the keys, unless they are as the present configuration has them. */
static void
load_keys(void)
{
	MemoryContext old;
	char	   *bytes;

	if (keys != NULL && read_at == PgReloadTime)
		return;
	forget_keys();
	keys_context = AllocSetContextCreate(TopMemoryContext, "evaudit hmac keys",
										 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(keys_context);
	bytes = palloc0(MAX_FILE_BYTES + 1);
	PG_TRY();
	{
		(void) read_file(bytes);
		keys = parse_file(bytes, &nkeys);
	}
	PG_FINALLY();
	{
		explicit_bzero(bytes, MAX_FILE_BYTES);
	}
	PG_END_TRY();
	pfree(bytes);
	read_at = PgReloadTime;
	MemoryContextSwitchTo(old);
}

/* Raise an ERROR unless there are keys. */
void
evaudit_hmac_check(void)
{
	load_keys();
}

/* The object that stands for a text, by a key. */
static Jsonb *
authenticate(const HmacKey *key, const char *bytes, int len)
{
	static const char *const names[] = {"key", "hmac"};
	static const char digits[] = "0123456789abcdef";
	static EvauditObjectKeys *object = NULL;
	uint8		digest[EVAUDIT_SHA256_BYTES];
	char		hex[EVAUDIT_SHA256_HEX];
	JsonbValue	members[lengthof(names)];

	if (object == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		object = evaudit_jsonb_keys(names, lengthof(names));
		MemoryContextSwitchTo(old);
	}
	evaudit_hmac_prepared(key->prepared, bytes, len, digest);
	for (int i = 0; i < EVAUDIT_SHA256_BYTES; i++)
	{
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	members[0].type = members[1].type = jbvString;
	members[0].val.string.val = key->id;
	members[0].val.string.len = (int) strlen(key->id);
	members[1].val.string.val = hex;
	members[1].val.string.len = 2 * EVAUDIT_SHA256_BYTES;
	return evaudit_jsonb_object(object, members);
}

/* Put what stands for a value into its place; NULL stays NULL. */
void
evaudit_hmac_apply(JsonbValue *value)
{
	StringInfoData buf;

	if (value->type == jbvNull)
		return;
	load_keys();
	if (value->type == jbvString)
	{
		evaudit_jsonb_read(authenticate(&keys[0], value->val.string.val,
										value->val.string.len), value);
		return;
	}
	initStringInfo(&buf);
	evaudit_datum_append_text(&buf, value, false);
	evaudit_jsonb_read(authenticate(&keys[0], buf.data, buf.len), value);
}

/*
 * SQL: evaudit.hmac_values(value text) RETURNS SETOF jsonb
 *
 * What the audit has of a value in columns with the rule "hmac", by each key.
 */
Datum
evaudit_hmac_values(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	load_keys();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < nkeys; i++)
	{
		Datum		row = JsonbPGetDatum(authenticate(&keys[i],
													  VARDATA_ANY(value),
													  VARSIZE_ANY_EXHDR(value)));
		bool		isnull = false;

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &row, &isnull);
	}
	return (Datum) 0;
}
