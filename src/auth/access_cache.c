/*-------------------------------------------------------------------------
 *
 * access_cache.c
 *	  Grants that a backend has compiled.
 *
 * They live in a memory context of their own until one of the tables of
 * grants changes, or until there are too many; then all go at once.  A rule
 * is valid until the next look-up.  Subjects without a grant are not cached,
 * so that strangers fill no memory.
 *
 * A pointer to what was loaded is set last, and is NULL until then: after an
 * error on the way, the next look-up begins anew.
 *
 * A row that cannot be compiled, as a dump or an edit by hand may bring one,
 * is cached with the reason.  It grants nothing and is reported once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "auth/access_rule.h"
#include "events/attempt.h"
#include "server/spi.h"
#include "server/table_watch.h"
#include "text/casefold.h"

/* Most rules that are kept compiled. */
#define MAX_RULES		1000

typedef struct RuleEntry
{
	const char *key;			/* kind, topic and folded subject */
	const EvauditAccessRule *rule;
	char		status;
} RuleEntry;

#define SH_PREFIX		rules
#define SH_ELEMENT_TYPE RuleEntry
#define SH_KEY_TYPE		const char *
#define SH_KEY			key
#define SH_HASH_KEY(tb, key)	string_hash(key, strlen(key) + 1)
#define SH_EQUAL(tb, a, b)		(strcmp(a, b) == 0)
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "server/simplehash.h"

/* A grant that is read and compiled, for evaudit_attempt(). */
typedef struct Compilation
{
	const char *topic;
	const char *subject;
	const char *folded;
	Datum		constraints;
	bool		unconstrained;
	Datum		order;			/* of the constraints' fields */
	bool		unordered;
	MemoryContext context;		/* of the rule */
	EvauditAccessRule *rule;
} Compilation;

static MemoryContext context = NULL;
static rules_hash * rules = NULL;	/* NULL: not loaded */
static int	any_grants = -1;	/* -1: not known */

/* Begin anew if a table changed or the cache is full. */
static void
refresh(void)
{
	static EvauditWatch publish = {"publish_grants"};
	static EvauditWatch read = {"read_grants"};
	bool		publish_changed = evaudit_watch_changed(&publish);
	bool		read_changed = evaudit_watch_changed(&read);

	if (rules != NULL && !publish_changed && !read_changed &&
		rules->members < MAX_RULES)
		return;
	rules = NULL;
	any_grants = -1;
	if (context == NULL)
		context = AllocSetContextCreate(CacheMemoryContext,
										"evaudit access rules",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	rules = rules_create(context, 64, NULL);
}

/* Compile the grant of a row; an ERROR if that cannot be done. */
static bool
compile(void *arg)
{
	Compilation *c = arg;

	if (strcmp(evaudit_casefold(c->subject), c->folded) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns \"subject\" and \"folded\" do not agree")));
	if ((!c->unconstrained &&
		 toast_raw_datum_size(c->constraints) > EVAUDIT_MAX_CONSTRAINT_BYTES) ||
		(!c->unordered &&
		 toast_raw_datum_size(c->order) > EVAUDIT_MAX_CONSTRAINT_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("constraints have more than %d bytes",
						EVAUDIT_MAX_CONSTRAINT_BYTES)));
	c->rule = evaudit_access_compile(c->topic, c->subject,
									 c->unconstrained ? NULL :
									 DatumGetJsonbP(c->constraints),
									 c->unordered ? NULL :
									 DatumGetArrayTypeP(c->order),
									 c->context);
	return true;
}

/* The rule of a row that cannot be compiled. */
static EvauditAccessRule *
invalid_rule(const Compilation *c, const ErrorData *error)
{
	EvauditAccessRule *rule;

	MemoryContextReset(c->context);
	rule = MemoryContextAllocZero(c->context, sizeof(EvauditAccessRule));
	rule->subject = MemoryContextStrdup(c->context, c->subject);
	rule->invalid = MemoryContextStrdup(c->context, error->message);
	ereport(LOG,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("grant of subject \"%s\" for topic \"%s\" is not valid and is ignored: %s",
					c->subject, c->topic, error->message),
			 error->detail != NULL ?
			 errdetail_internal("%s", error->detail) : 0,
			 errhidestmt(true), errhidecontext(true)));
	return rule;
}

/* Read and compile a grant into the cache; NULL if there is none. */
static EvauditAccessRule *
load(EvauditGrantKind kind, const char *topic, const char *folded)
{
	static EvauditStatement selects[] = {
		[EVAUDIT_GRANT_PUBLISH] = {
			"SELECT subject, constraints, fields FROM evaudit.publish_grants"
			" WHERE topic = $1 AND folded = $2", 2, {TEXTOID, TEXTOID}
		},
		[EVAUDIT_GRANT_READ] = {
			"SELECT subject, NULL::jsonb, NULL::text[] FROM evaudit.read_grants"
			" WHERE topic = $1 AND folded = $2", 2, {TEXTOID, TEXTOID}
		}
	};
	Datum		values[] = {CStringGetTextDatum(topic),
	CStringGetTextDatum(folded)};
	enum
	{
		SUBJECT,
		CONSTRAINTS,
		FIELDS
	};
	Compilation c = {.topic = topic,.folded = folded};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&selects[kind], values, NULL) > 0)
	{
		ErrorData  *error;

		c.subject = evaudit_spi_text(0, SUBJECT);
		c.constraints = evaudit_spi_datum(0, CONSTRAINTS, &c.unconstrained);
		c.order = evaudit_spi_datum(0, FIELDS, &c.unordered);
		c.context = AllocSetContextCreate(CurrentMemoryContext,
										  "evaudit access rule",
										  ALLOCSET_SMALL_SIZES);
		error = evaudit_attempt(compile, &c);
		if (error != NULL)
			c.rule = invalid_rule(&c, error);
		MemoryContextSetParent(c.context, context);
	}
	evaudit_spi_end(&spi);
	return c.rule;
}

/*
 * The grant of a subject, without regard to its case, for a topic; NULL if
 * there is none.
 */
const EvauditAccessRule *
evaudit_access_find(EvauditGrantKind kind, const char *topic,
					const char *subject)
{
	char	   *folded;
	char	   *key;
	EvauditAccessRule *rule;
	RuleEntry  *entry;
	bool		found;

	if (strlen(subject) > EVAUDIT_MAX_SUBJECT_BYTES)
		return NULL;
	refresh();
	folded = evaudit_casefold(subject);
	key = psprintf("%d %zu %s %s", kind, strlen(topic), topic, folded);
	entry = rules_lookup(rules, key);
	if (entry != NULL)
		return entry->rule;
	rule = load(kind, topic, folded);
	if (rule != NULL)
	{
		entry = rules_insert(rules, MemoryContextStrdup(context, key), &found);
		entry->rule = rule;
	}
	return rule;
}

/* Whether there is any grant to publish at all. */
bool
evaudit_access_any_grants(void)
{
	static EvauditStatement any = {
		"SELECT FROM evaudit.publish_grants LIMIT 1", 0, {0}
	};

	refresh();
	if (any_grants < 0)
	{
		EvauditSpi	spi;

		evaudit_spi_begin(&spi);
		any_grants = evaudit_spi_read_latest(&any, NULL, NULL) > 0;
		evaudit_spi_end(&spi);
	}
	return any_grants > 0;
}
