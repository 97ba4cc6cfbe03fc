/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *	  libFuzzer in a backend.
 *
 * evaudit_fuzz() never returns: libFuzzer ends the process.  It must be a
 * server in single-user mode, which has no timers and signals of its own to
 * get in the way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "fuzz.h"

PG_FUNCTION_INFO_V1(evaudit_fuzz);

/* Milliseconds that an input may take. */
#define TOO_SLOW	10000

extern int	LLVMFuzzerRunDriver(int *argc, char ***argv,
								int (*callback) (const uint8_t *data,
												 size_t size));

static const EvauditFuzzTarget targets[] = {
	{"schema", evaudit_fuzz_schema},
	{"validate", evaudit_fuzz_validate},
	{"token", evaudit_fuzz_token},
	{"claims", evaudit_fuzz_claims},
	{"keys", evaudit_fuzz_keys},
	{"http", evaudit_fuzz_http},
	{"avro", evaudit_fuzz_avro},
	{"protobuf", evaudit_fuzz_protobuf},
	{"descriptors", evaudit_fuzz_descriptors},
	{"proto_text", evaudit_fuzz_proto_text},
};

static const EvauditFuzzTarget *target;

/* See fuzz.h.  A text of the server has no zero bytes. */
char *
evaudit_fuzz_rest(const char *data, size_t size)
{
	char	   *str = palloc(size + 1);

	for (size_t i = 0; i < size; i++)
		str[i] = data[i] == '\0' ? ' ' : data[i];
	str[size] = '\0';
	pg_verify_mbstr(PG_UTF8, str, (int) size, false);
	return str;
}

/* See fuzz.h. */
char *
evaudit_fuzz_line(const char **data, size_t *size)
{
	const char *newline = memchr(*data, '\n', *size);
	size_t		len = newline != NULL ? newline - *data : *size;
	char	   *line = evaudit_fuzz_rest(*data, len);
	size_t		used = Min(len + 1, *size);

	*data += used;
	*size -= used;
	return line;
}

/* See fuzz.h. */
Jsonb *
evaudit_fuzz_jsonb(char *str)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(str)));
}

/* Run the target; an ERROR is an answer, unless it cannot happen. */
static void
run_protected(const char *data, size_t size)
{
	MemoryContext outer = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(CurTransactionContext);
		target->run(data, size);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(outer);
		error = CopyErrorData();
		if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
		{
			write_stderr("an error that cannot happen: %s\n", error->message);
			abort();
		}
		FreeErrorData(error);
		FlushErrorState();
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(outer);
	CurrentResourceOwner = owner;
}

/* One input. */
static int
run_input(const uint8_t *data, size_t size)
{
	instr_time	begin;
	instr_time	end;

	INSTR_TIME_SET_CURRENT(begin);
	run_protected((const char *) data, size);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, begin);
	if (INSTR_TIME_GET_MILLISEC(end) > TOO_SLOW)
	{
		write_stderr("an input that takes %.0f ms\n",
					 INSTR_TIME_GET_MILLISEC(end));
		abort();
	}
	return 0;
}

/* evaudit_fuzz(target, arguments of libFuzzer, with spaces in between) */
Datum
evaudit_fuzz(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *arguments = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	  **argv = palloc0(sizeof(char *) * 64);
	int			argc = 0;

	if (IsUnderPostmaster)
		elog(ERROR, "a server in single-user mode is needed");
	for (int i = 0; i < lengthof(targets); i++)
	{
		if (strcmp(targets[i].name, name) == 0)
			target = &targets[i];
	}
	if (target == NULL)
		elog(ERROR, "no target \"%s\"", name);
	argv[argc++] = "fuzz";
	for (char *word = strtok(arguments, " "); word != NULL && argc < 62;
		 word = strtok(NULL, " "))
		argv[argc++] = word;
	PG_RETURN_INT32(LLVMFuzzerRunDriver(&argc, &argv, run_input));
}
