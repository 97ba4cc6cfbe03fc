/*-------------------------------------------------------------------------
 *
 * access_api.c
 *	  Granting and revoking the rights to publish and to read:
 *	  evaudit.grant_publish(), grant_read() and their kin, and
 *	  import_access_map().
 *
 * Whoever may execute these functions may grant: the tables of grants are
 * written as their owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "auth/access_rule.h"
#include "events/topic.h"
#include "server/arguments.h"
#include "server/spi.h"
#include "server/trigger.h"
#include "text/casefold.h"

PG_FUNCTION_INFO_V1(evaudit_grant_publish);
PG_FUNCTION_INFO_V1(evaudit_revoke_publish);
PG_FUNCTION_INFO_V1(evaudit_grant_read);
PG_FUNCTION_INFO_V1(evaudit_revoke_read);
PG_FUNCTION_INFO_V1(evaudit_import_access_map);
PG_FUNCTION_INFO_V1(evaudit_import_access_map_text);
PG_FUNCTION_INFO_V1(evaudit_forget_grants);

/* Refuse what cannot be the subject of a token. */
void
evaudit_access_check_subject(const char *subject)
{
	if (*subject == '\0' || strlen(subject) > EVAUDIT_MAX_SUBJECT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("subject must have from 1 to %d bytes",
						EVAUDIT_MAX_SUBJECT_BYTES)));
}

/* Refuse what cannot be the name of a topic or the subject of a token. */
static void
check_names(const char *topic, const char *subject)
{
	if (*topic == '\0' || strlen(topic) > EVAUDIT_MAX_ID_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of a topic must have from 1 to %d bytes",
						EVAUDIT_MAX_ID_BYTES)));
	evaudit_access_check_subject(subject);
}

/* Refuse constraints that cannot be compiled. */
static void
check_constraints(const char *topic, const char *subject, Jsonb *constraints)
{
	MemoryContext context;

	if (constraints == NULL)
		return;
	if (VARSIZE(constraints) > EVAUDIT_MAX_CONSTRAINT_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("constraints must have at most %d bytes",
						EVAUDIT_MAX_CONSTRAINT_BYTES)));
	context = AllocSetContextCreate(CurrentMemoryContext,
									"evaudit access rule",
									ALLOCSET_SMALL_SIZES);
	(void) evaudit_access_compile(topic, subject, constraints, NULL, context);
	MemoryContextDelete(context);
}

/* Grants may come before their topic, but more often its name is wrong. */
static void
notice_missing_topic(const char *topic)
{
	if (!evaudit_access_is_reserved(topic) &&
		evaudit_topic_load(topic, true) == NULL)
		ereport(NOTICE,
				(errmsg("topic \"%s\" does not exist yet", topic)));
}

/*
 * Write a grant that was checked, within evaudit_spi_begin().  Constraints
 * may be NULL.
 */
static uint64
write_grant(EvauditStatement *statement, const char *topic,
			const char *subject, Jsonb *constraints)
{
	Datum		values[4];

	if (constraints != NULL && JB_ROOT_COUNT(constraints) == 0)
		constraints = NULL;
	values[0] = CStringGetTextDatum(topic);
	values[1] = CStringGetTextDatum(subject);
	values[2] = CStringGetTextDatum(evaudit_casefold(subject));
	values[3] = JsonbPGetDatum(constraints);
	return evaudit_spi_execute(statement, values,
							   constraints == NULL ? "   n" : NULL);
}

/* grant_publish(topic text, subject text, constraints jsonb) */
Datum
evaudit_grant_publish(PG_FUNCTION_ARGS)
{
	static EvauditStatement grant = {
		"INSERT INTO evaudit.publish_grants"
		" (topic, subject, folded, constraints) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (topic, folded) DO UPDATE"
		" SET subject = EXCLUDED.subject, constraints = EXCLUDED.constraints,"
		" fields = NULL",
		4, {TEXTOID, TEXTOID, TEXTOID, JSONBOID}
	};
	Jsonb	   *constraints = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	char	   *topic;
	char	   *subject;
	EvauditSpi	spi;

	topic = evaudit_text_argument(fcinfo, 0, "topic");
	subject = evaudit_text_argument(fcinfo, 1, "subject");
	check_names(topic, subject);
	check_constraints(topic, subject, constraints);
	notice_missing_topic(topic);

	evaudit_spi_begin(&spi);
	write_grant(&grant, topic, subject, constraints);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* grant_read(topic text, subject text) */
Datum
evaudit_grant_read(PG_FUNCTION_ARGS)
{
	static EvauditStatement grant = {
		"INSERT INTO evaudit.read_grants (topic, subject, folded)"
		" VALUES ($1, $2, $3) ON CONFLICT (topic, folded) DO UPDATE"
		" SET subject = EXCLUDED.subject",
		4, {TEXTOID, TEXTOID, TEXTOID, JSONBOID}
	};
	char	   *topic = evaudit_text_argument(fcinfo, 0, "topic");
	char	   *subject = evaudit_text_argument(fcinfo, 1, "subject");
	EvauditSpi	spi;

	check_names(topic, subject);
	notice_missing_topic(topic);
	evaudit_spi_begin(&spi);
	write_grant(&grant, topic, subject, NULL);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* Take a subject's grant for a topic back. */
static void
revoke_grant(EvauditStatement *revoke, const char *topic, const char *subject)
{
	Datum		values[] = {CStringGetTextDatum(topic),
	CStringGetTextDatum(evaudit_casefold(subject))};
	uint64		revoked;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	revoked = evaudit_spi_execute(revoke, values, NULL);
	evaudit_spi_end(&spi);
	if (revoked == 0)
		ereport(NOTICE,
				(errmsg("subject \"%s\" has no grant for topic \"%s\"",
						subject, topic)));
}

/* revoke_publish(topic text, subject text) */
Datum
evaudit_revoke_publish(PG_FUNCTION_ARGS)
{
	static EvauditStatement revoke = {
		"DELETE FROM evaudit.publish_grants WHERE topic = $1 AND folded = $2",
		2, {TEXTOID, TEXTOID}
	};

	revoke_grant(&revoke, text_to_cstring(PG_GETARG_TEXT_PP(0)),
				 text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* revoke_read(topic text, subject text) */
Datum
evaudit_revoke_read(PG_FUNCTION_ARGS)
{
	static EvauditStatement revoke = {
		"DELETE FROM evaudit.read_grants WHERE topic = $1 AND folded = $2",
		2, {TEXTOID, TEXTOID}
	};

	revoke_grant(&revoke, text_to_cstring(PG_GETARG_TEXT_PP(0)),
				 text_to_cstring(PG_GETARG_TEXT_PP(1)));
	PG_RETURN_VOID();
}

/* A key or string of the map. */
static char *
string_of(const JsonbValue *value)
{
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* Refuse a map that is of neither form. */
static void
bad_map(const char *topic)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 topic == NULL ? errmsg("access map must be a JSON object") :
			 errmsg("invalid access map at topic \"%s\"", topic),
			 errdetail("A topic has either a list of subjects or an object of subjects and their constraints.")));
}

/* Write one grant of a map, whose topic has none from before. */
static void
import_grant(const char *topic, const char *subject, Jsonb *constraints)
{
	/* a subject may be repeated, in another case, with equal constraints */
	static EvauditStatement insert = {
		"INSERT INTO evaudit.publish_grants AS g"
		" (topic, subject, folded, constraints) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (topic, folded) DO UPDATE SET subject = EXCLUDED.subject"
		" WHERE g.constraints IS NOT DISTINCT FROM EXCLUDED.constraints",
		4, {TEXTOID, TEXTOID, TEXTOID, JSONBOID}
	};

	check_names(topic, subject);
	check_constraints(topic, subject, constraints);
	if (write_grant(&insert, topic, subject, constraints) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("access map names subject \"%s\" of topic \"%s\" twice, with other constraints",
						subject, topic),
				 errdetail("Subjects are compared without regard to case.")));
}

/* The grants of one topic: a list of subjects, or an object of them. */
static void
import_subjects(const char *topic, JsonbValue *value)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *subject = NULL;

	if (value->type != jbvBinary)
		bad_map(topic);
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
		{
			if (v.type != jbvString)
				bad_map(topic);
			import_grant(topic, string_of(&v), NULL);
		}
		else if (token == WJB_KEY)
			subject = string_of(&v);
		else if (token == WJB_VALUE)
			import_grant(topic, subject, JsonbValueToJsonb(&v));
	}
}

/* Revoke the grants of all topics; names that no map has are none. */
static void
revoke_all(void)
{
	static EvauditStatement clear = {
		"DELETE FROM evaudit.publish_grants"
		" WHERE topic NOT IN ('" EVAUDIT_GRANT_SERVICES "',"
		" '" EVAUDIT_GRANT_TERMINATE "')", 0, {0}
	};

	(void) evaudit_spi_execute(&clear, NULL, NULL);
}

/* Import a map within evaudit_spi_begin(). */
static void
import_map(Jsonb *map, bool replace)
{
	static EvauditStatement clear = {
		"DELETE FROM evaudit.publish_grants WHERE topic = $1", 1, {TEXTOID}
	};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	char	   *topic = NULL;

	if (!JB_ROOT_IS_OBJECT(map))
		bad_map(NULL);
	if (replace)
		revoke_all();
	it = JsonbIteratorInit(&map->root);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			Datum		value;

			topic = string_of(&v);
			value = CStringGetTextDatum(topic);
			notice_missing_topic(topic);
			evaudit_spi_execute(&clear, &value, NULL);
		}
		else if (token == WJB_VALUE)
			import_subjects(topic, &v);
	}
}

/* import_access_map(map jsonb, replace boolean) */
Datum
evaudit_import_access_map(PG_FUNCTION_ARGS)
{
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	import_map(PG_GETARG_JSONB_P(0), PG_GETARG_BOOL(1));
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* import_access_map(map text, replace boolean) */
Datum
evaudit_import_access_map_text(PG_FUNCTION_ARGS)
{
	/* of a subject or a field that is there twice, the last one counts */
	static EvauditStatement order = {
		"UPDATE evaudit.publish_grants g SET fields = o.fields FROM ("
		" SELECT t.key AS topic, s.key AS subject, ARRAY("
		"  SELECT f.key FROM json_object_keys(s.value) WITH ORDINALITY f(key, n)"
		"  GROUP BY f.key ORDER BY max(f.n)) AS fields"
		" FROM json_each($1::json) t, json_each(CASE json_typeof(t.value)"
		"  WHEN 'object' THEN t.value ELSE '{}' END) s"
		" WHERE json_typeof(s.value) = 'object') o"
		" WHERE g.topic = o.topic AND g.subject = o.subject"
		"  AND g.constraints IS NOT NULL", 1, {TEXTOID}
	};
	Datum		map = PG_GETARG_DATUM(0);
	char	   *str = text_to_cstring(PG_GETARG_TEXT_PP(0));
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	import_map(DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
												  CStringGetDatum(str))),
			   PG_GETARG_BOOL(1));
	(void) evaudit_spi_execute(&order, &map, NULL);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* Trigger after DELETE on evaudit.topics: its grants go with a topic. */
Datum
evaudit_forget_grants(PG_FUNCTION_ARGS)
{
	static EvauditStatement forget = {
		"WITH read AS (DELETE FROM evaudit.read_grants WHERE topic = $1)"
		" DELETE FROM evaudit.publish_grants WHERE topic = $1", 1, {TEXTOID}
	};
	TriggerData *trigger = evaudit_own_trigger(fcinfo, "topics",
											   "forget_grants",
											   EVAUDIT_AFTER_DELETE);
	Datum		value;
	char		null;
	EvauditSpi	spi;

	evaudit_trigger_values(trigger, 1, forget.types, &value, &null);
	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&forget, &value, &null);
	evaudit_spi_end(&spi);
	return PointerGetDatum(NULL);
}
