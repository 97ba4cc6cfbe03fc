/*-------------------------------------------------------------------------
 *
 * datum_fallback.c
 *	  Values that jsonb cannot hold, or that do not become JSON.
 *
 * A change must not fail because it is audited.  A json may hold escapes and
 * numbers that jsonb refuses, the cast to json or the output function of a
 * user's type may raise an error, and a value or a row may be larger than
 * jsonb's 256 MB.  Then a value is kept as a string, its text; if there is no
 * such text or it is too large, an object tells what it was:
 *
 *	{"evaudit": "unavailable", "type": ..., "bytes": ..., "sha256": ...}
 *
 * of the bytes of a text or bytea, and otherwise of those that are stored.
 *
 * An error is caught in a subtransaction.  What cannot fail does without: all
 * types of the server's own but json, arrays and ranges of them, enums, and
 * json and other values that are small and plain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/detoast.h"
#include "access/transam.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "audit/datum_fallback.h"
#include "audit/jsonb_write.h"
#include "server/guard.h"

/* Values up to this size become no jsonb that is too large. */
#define SMALL_BYTES			(1024 * 1024)

/* What a json may have without being parsed with care. */
#define PLAIN_JSON_BYTES	8192
#define PLAIN_JSON_DEPTH	500
#define PLAIN_JSON_EXPONENT	3	/* digits */

/* Bytes hashed between two looks for interrupts. */
#define HASH_CHUNK			(1024 * 1024)

/* Does a type of a user's show as a text does, and as no json? */
static bool
is_like_text(Oid typid)
{
	Oid			function;
	bool		is_varlena;
	FmgrInfo	output;

	if (get_typtype(typid) != TYPTYPE_BASE ||
		find_coercion_pathway(JSONOID, typid, COERCION_EXPLICIT, &function) ==
		COERCION_PATH_FUNC)
		return false;
	getTypeOutputInfo(typid, &function, &is_varlena);
	fmgr_info(function, &output);
	return output.fn_addr == textout;
}

/*
 * May the conversion of a type fail, whatever the value is?  Of a composite
 * type this may change with its attributes, so it may.
 */
bool
evaudit_fallback_needed(Oid typid)
{
	Oid			base = getBaseType(typid);
	Oid			element = get_element_type(base);

	if (OidIsValid(element))
		return element == JSONOID || evaudit_fallback_needed(element);
	if (type_is_multirange(base))
		base = get_multirange_range(base);
	if (type_is_range(base))
		return evaudit_fallback_needed(get_range_subtype(base));
	if (base < FirstNormalObjectId)
		return get_typtype(base) != TYPTYPE_BASE;
	return get_typtype(base) != TYPTYPE_ENUM && !is_like_text(base);
}

/*
 * Is this a json that becomes jsonb for sure: small, flat, without escapes of
 * code points and with no number of more than a few digits of exponent?
 */
static bool
is_plain_json(const char *json, int len)
{
	const char *end = json + len;
	int			depth = 0;

	if (len > PLAIN_JSON_BYTES)
		return false;
	for (const char *p = json; p < end; p++)
	{
		const char *digit;

		switch (*p)
		{
			case '{':
			case '[':
				if (++depth > PLAIN_JSON_DEPTH)
					return false;
				break;
			case '\\':
				if (p + 1 < end && p[1] == 'u')
					return false;
				break;
			case 'e':
			case 'E':
				digit = p + 1;
				if (digit < end && (*digit == '-' || *digit == '+'))
					digit++;
				while (digit < end && isdigit((unsigned char) *digit))
					digit++;
				if (digit - p > PLAIN_JSON_EXPONENT + 1)
					return false;
				break;
		}
	}
	return true;
}

/* May the conversion of this value fail? */
static bool
may_fail(EvauditDatumType *type, Datum datum)
{
	if (type->fails)
		return true;
	if (type->len != -1 ||
		(type->kind != EVAUDIT_DATUM_OUTPUT &&
		 type->kind != EVAUDIT_DATUM_GENERAL))
		return false;
	if (toast_raw_datum_size(datum) > SMALL_BYTES)
		return true;
	if (type->typid == JSONOID)
	{
		text	   *json = DatumGetTextPP(datum);

		return !is_plain_json(VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
	}
	return false;
}

/* One call that may fail. */
typedef struct GuardedCall
{
	EvauditDatumType *type;
	Datum		datum;
	Datum		other;			/* of two values, the second */
	JsonbValue *value;
	char	   *string;
	bool		same;
} GuardedCall;

/* Convert a value. */
static bool
call_convert(void *arg)
{
	GuardedCall *call = arg;

	evaudit_datum_convert(call->type, call->datum, call->value);
	return true;
}

/* The text of a value. */
static char *
output_text(EvauditDatumType *type, Datum datum)
{
	Oid			output;
	bool		is_varlena;

	getTypeOutputInfo(type->typid, &output, &is_varlena);
	return OidOutputFunctionCall(output, datum);
}

/* Set a string to the text of a value. */
static bool
call_output(void *arg)
{
	GuardedCall *call = arg;

	call->string = output_text(call->type, call->datum);
	return true;
}

/* Compare the texts of two values. */
static bool
call_compare(void *arg)
{
	GuardedCall *call = arg;

	call->same = strcmp(output_text(call->type, call->datum),
						output_text(call->type, call->other)) == 0;
	return true;
}

/*
 * Call a function that may fail; false if it did.  An error that is not the
 * value's is raised on: the transaction cannot go on, or somebody ends it.
 */
static bool
try_call(EvauditGuarded function, GuardedCall *call)
{
	ErrorData  *error = evaudit_guard(function, call);
	int			category;

	if (error == NULL)
		return true;
	category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
	if (category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/* Set a string, if jsonb can hold it. */
static bool
set_text(JsonbValue *value, char *string)
{
	size_t		len = strlen(string);

	if (len > EVAUDIT_JSONB_MAX)
		return false;
	value->type = jbvString;
	value->val.string.val = string;
	value->val.string.len = (int) len;
	return true;
}

/* The hash of bytes, in hex. */
static char *
hash_bytes_hex(const char *bytes, Size len)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(sizeof(digest) * 2 + 1);
	bool		good = pg_cryptohash_init(hash) >= 0;

	for (Size done = 0; good && done < len; done += HASH_CHUNK)
		good = pg_cryptohash_update(hash, (const uint8 *) bytes + done,
									Min(HASH_CHUNK, len - done)) >= 0;
	good = good && pg_cryptohash_final(hash, digest, sizeof(digest)) >= 0;
	pg_cryptohash_free(hash);
	if (!good)
		elog(ERROR, "could not compute a hash");
	hex_encode((char *) digest, sizeof(digest), hex);
	hex[sizeof(digest) * 2] = '\0';
	return hex;
}

/* The bytes of a value, as the table has them but for compression. */
static const char *
stored_bytes(EvauditDatumType *type, Datum *datum, Size *len)
{
	if (type->byval)
	{
		char	   *copy = palloc0(sizeof(Datum));

		store_att_byval(copy, *datum, type->len);
		*len = type->len;
		return copy;
	}
	if (type->len == -1)
	{
		struct varlena *bytes = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(*datum));

		*len = VARSIZE_ANY_EXHDR(bytes);
		return VARDATA_ANY(bytes);
	}
	*len = type->len == -2 ? strlen(DatumGetCString(*datum)) : type->len;
	return DatumGetPointer(*datum);
}

/* The name of a type, independent of search_path. */
static char *
type_name(Oid typid)
{
	return typid < FirstNormalObjectId ? format_type_be(typid) :
		format_type_be_qualified(typid);
}

/* Say what a value was that is not kept. */
void
evaudit_fallback_unavailable(EvauditDatumType *type, Datum datum,
							 EvauditPin *pin, JsonbValue *value)
{
	static const char *const names[] = {"evaudit", "type", "bytes", "sha256"};
	JsonbValue	members[lengthof(names)];
	Size		len;
	const char *bytes = stored_bytes(type, &datum, &len);

	evaudit_pin_settings(pin);
	(void) set_text(&members[0], "unavailable");
	(void) set_text(&members[1], type_name(type->typid));
	members[2].type = jbvNumeric;
	members[2].val.numeric = int64_to_numeric((int64) len);
	(void) set_text(&members[3], hash_bytes_hex(bytes, len));
	evaudit_jsonb_read(evaudit_jsonb_object(evaudit_jsonb_keys(names,
															   lengthof(names)),
											members), value);
}

/* Convert a value that may fail to be. */
static void
convert_guarded(EvauditDatumType *type, Datum datum, EvauditPin *pin,
				JsonbValue *value)
{
	GuardedCall call = {.type = type,.datum = datum,.value = value};

	if (try_call(call_convert, &call))
		return;
	if (type->pinned)
		evaudit_pin_settings(pin);
	if (!try_call(call_output, &call) || !set_text(value, call.string))
		evaudit_fallback_unavailable(type, datum, pin, value);
}

/*
 * A value that is not NULL as JSON, whatever it is.  The result may point into
 * the datum; everything else is allocated in the current memory context.
 */
void
evaudit_datum_to_json(EvauditDatumType *type, Datum datum, EvauditPin *pin,
					  JsonbValue *value)
{
	/* its hexadecimal form may be too large even to be made */
	if (type->kind == EVAUDIT_DATUM_BYTEA &&
		toast_raw_datum_size(datum) > EVAUDIT_JSONB_MAX / 2)
	{
		evaudit_fallback_unavailable(type, datum, pin, value);
		return;
	}
	if (type->pinned)
		evaudit_pin_settings(pin);
	if (may_fail(type, datum))
		convert_guarded(type, datum, pin, value);
	else
		evaudit_datum_convert(type, datum, value);
	if (evaudit_jsonb_room(value) > EVAUDIT_JSONB_MAX)
		evaudit_fallback_unavailable(type, datum, pin, value);
}

/*
 * Do two values, neither NULL, show the same?  The image of a composite or an
 * array depends on how it was put together, and 1.0 shows not what 1.00 does.
 * Those that cannot be shown do not.
 */
bool
evaudit_datum_shows_same(EvauditDatumType *type, Datum a, Datum b,
						 EvauditPin *pin)
{
	GuardedCall call = {.type = type,.datum = a,.other = b};

	evaudit_pin_settings(pin);
	if (may_fail(type, a) || may_fail(type, b))
		return try_call(call_compare, &call) && call.same;
	(void) call_compare(&call);
	return call.same;
}
