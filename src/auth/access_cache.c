/*-------------------------------------------------------------------------
 *
 * access_cache.c
 *	  Grants to publish that a backend has compiled.
 *
 * They live in a memory context of their own until evaudit.publish_grants
 * changes, or until there are too many; then all go at once.  A rule that was
 * found is valid until the next look-up.  What has no grant is not kept, so
 * that strangers fill no memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "auth/access.h"
#include "auth/access_rule.h"
#include "server/spi.h"
#include "server/table_watch.h"
#include "text/casefold.h"

/* Most rules that are kept compiled. */
#define MAX_RULES		1000

typedef struct RuleEntry
{
	const char *key;			/* topic and folded subject */
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

static EvauditWatch watch = {"publish_grants"};
static MemoryContext context = NULL;
static rules_hash * rules = NULL;
static int	any_grants = -1;	/* -1: not known */

/* Begin anew if the table changed or the cache is full. */
static void
refresh(void)
{
	if (!evaudit_watch_changed(&watch) && rules->members < MAX_RULES)
		return;
	if (context == NULL)
		context = AllocSetContextCreate(CacheMemoryContext,
										"evaudit access rules",
										ALLOCSET_DEFAULT_SIZES);
	rules = NULL;
	any_grants = -1;
	MemoryContextReset(context);
	rules = rules_create(context, 64, NULL);
}

/* Read and compile a grant into the cache; NULL if there is none. */
static const EvauditAccessRule *
load(const char *topic, const char *folded)
{
	static EvauditStatement load_grant = {
		"SELECT subject, constraints FROM evaudit.publish_grants"
		" WHERE topic = $1 AND folded = $2", 2, {TEXTOID, TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(topic),
	CStringGetTextDatum(folded)};
	EvauditAccessRule *rule = NULL;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&load_grant, values, NULL) > 0)
	{
		bool		isnull;
		Datum		constraints = evaudit_spi_datum(0, 1, &isnull);
		MemoryContext compiled = AllocSetContextCreate(CurrentMemoryContext,
													   "evaudit access rule",
													   ALLOCSET_SMALL_SIZES);

		rule = evaudit_access_compile(topic, evaudit_spi_text(0, 0),
									  isnull ? NULL : DatumGetJsonbP(constraints),
									  compiled);
		MemoryContextSetParent(compiled, context);
	}
	evaudit_spi_end(&spi);
	return rule;
}

/*
 * The grant of a subject, without regard to its case, for a topic; NULL if
 * there is none.
 */
const EvauditAccessRule *
evaudit_access_find(const char *topic, const char *subject)
{
	char	   *folded;
	char	   *key;
	const EvauditAccessRule *rule;
	RuleEntry  *entry;
	bool		found;

	if (strlen(subject) > EVAUDIT_MAX_SUBJECT_BYTES)
		return NULL;
	refresh();
	folded = evaudit_casefold(subject);
	key = psprintf("%zu %s %s", strlen(topic), topic, folded);
	entry = rules_lookup(rules, key);
	if (entry != NULL)
		return entry->rule;
	rule = load(topic, folded);
	if (rule != NULL)
	{
		entry = rules_insert(rules, MemoryContextStrdup(context, key), &found);
		entry->rule = rule;
	}
	return rule;
}

/* Whether there is any grant at all. */
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
