/*-------------------------------------------------------------------------
 *
 * context.c
 *	  Who makes a change, from where and when.
 *
 * The same few texts go into every audit row of a transaction, so they are
 * kept for the backend and made anew only when they change.  A change takes a
 * copy before anything of a user's runs on its behalf (output functions,
 * casts, functions of indexes): what such a function sets is not believed for
 * the change under way, and cannot free what it refers to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit/context.h"

/*
 * Most bytes of evaudit.actor and evaudit.request_id.  They are copied into
 * each audit row; the subject of any token fits, and an id of a request into
 * a page of its index.
 */
#define MAX_ACTOR_BYTES			16384
#define MAX_REQUEST_ID_BYTES	1000

/* The settings evaudit.actor and evaudit.request_id. */
static char *actor = NULL;
static char *request_id = NULL;

static EvauditContext current;	/* time is not set */

/* Whose names are in current.session_role and role_name. */
static Oid	session = InvalidOid;
static Oid	role = InvalidOid;

/* Is a setting short enough to be in each audit row?  It may be NULL. */
static bool
check_length(const char *value, int max)
{
	if (value == NULL || strlen(value) <= max)
		return true;
	GUC_check_errdetail("The value has more than %d bytes.", max);
	return false;
}

/* Check hook of evaudit.actor. */
static bool
check_actor(char **newval, void **extra, GucSource source)
{
	return check_length(*newval, MAX_ACTOR_BYTES);
}

/* Check hook of evaudit.request_id. */
static bool
check_request_id(char **newval, void **extra, GucSource source)
{
	return check_length(*newval, MAX_REQUEST_ID_BYTES);
}

/* Define the settings that say who acts. */
void
evaudit_context_init(void)
{
	DefineCustomStringVariable("evaudit.actor",
							   "Who acts: the value of audit.actor.",
							   "Meant for SET LOCAL by the application.",
							   &actor, "",
							   PGC_USERSET, 0, check_actor, NULL, NULL);
	DefineCustomStringVariable("evaudit.request_id",
							   "The request acted in: the value of audit.request_id.",
							   "Meant for SET LOCAL by the application.",
							   &request_id, "",
							   PGC_USERSET, 0, check_request_id, NULL, NULL);
}

/* A role changed, perhaps its name. */
static void
forget_role(Datum arg, int cacheid, uint32 hashvalue)
{
	session = InvalidOid;
	role = InvalidOid;
}

/*
 * Keep a copy of a text for the life of the backend; NULL if it is empty.
 * Settings that come with the connection or from a file, and names of roles,
 * may be in another encoding than the database's.  Rather than refuse the
 * change, or keep what no dump could restore, "?" stands for what is not ASCII.
 */
static text *
keep_text(const char *string)
{
	MemoryContext old;
	text	   *result;
	int			len;

	if (string == NULL || string[0] == '\0')
		return NULL;
	old = MemoryContextSwitchTo(TopMemoryContext);
	result = cstring_to_text(string);
	MemoryContextSwitchTo(old);

	len = VARSIZE(result) - VARHDRSZ;
	if (!pg_verifymbstr(string, len, true))
	{
		for (int i = 0; i < len; i++)
		{
			if (IS_HIGHBIT_SET(string[i]))
				VARDATA(result)[i] = '?';
		}
	}
	return result;
}

/* Make *kept the text of string. */
static void
update_text(text **kept, const char *string)
{
	size_t		len = string ? strlen(string) : 0;

	if (*kept == NULL ? len == 0 :
		len == VARSIZE(*kept) - VARHDRSZ &&
		memcmp(VARDATA(*kept), string, len) == 0)
		return;
	if (*kept)
		pfree(*kept);
	*kept = NULL;
	*kept = keep_text(string);
}

/* The client's address, which stays the same for the session. */
static Datum
client_addr(void)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum		addr;
	MemoryContext old;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	addr = inet_client_addr(fcinfo);
	if (fcinfo->isnull)
		return (Datum) 0;
	old = MemoryContextSwitchTo(TopMemoryContext);
	addr = datumCopy(addr, false, -1);
	MemoryContextSwitchTo(old);
	return addr;
}

/*
 * The epoch in which this database numbers its transactions, made of what
 * tells it from any other: a restored dump, a copy of the database and a
 * cluster that was upgraded have each one of their own.  It is computed, so
 * that no row has to be there before, and none to be written by the first
 * change after, a restore.
 */
int32
evaudit_context_epoch(void)
{
	static int32 epoch = 0;

	if (epoch == 0)
	{
		uint64		life[2] = {GetSystemIdentifier(), MyDatabaseId};
		uint64		hash = hash_any_extended((unsigned char *) life,
											 sizeof(life), 0);

		epoch = Max((int32) (hash & PG_INT32_MAX), 1);
	}
	return epoch;
}

/*
 * Keep the name of a role.  That of one which was dropped meanwhile is what
 * pg_get_userbyid() has for it.
 */
static void
update_role(text **kept, Oid roleid)
{
	char	   *name = GetUserNameFromId(roleid, true);

	if (name == NULL)
		name = psprintf("unknown (OID=%u)", roleid);
	update_text(kept, name);
}

/* Bring what is kept up to date with the session. */
static void
refresh(void)
{
	static bool ready = false;

	if (!ready)
	{
		CacheRegisterSyscacheCallback(AUTHOID, forget_role, (Datum) 0);
		current.client_addr = client_addr();
		current.epoch = evaudit_context_epoch();
		ready = true;
	}
	if (session != GetSessionUserId())
	{
		Oid			now = GetSessionUserId();

		update_role(&current.session_role, now);
		session = now;
	}
	if (role != GetUserId())
	{
		Oid			now = GetUserId();

		update_role(&current.role_name, now);
		role = now;
	}
	update_text(&current.actor, actor);
	update_text(&current.request_id, request_id);
	update_text(&current.application_name, application_name);
}

/* Bytes that a copy of a text takes. */
static Size
text_room(const text *kept)
{
	return kept ? INTALIGN(VARSIZE(kept)) : 0;
}

/* Copy a text to *p, which is moved past it. */
static text *
copy_text(char **p, const text *kept)
{
	text	   *copy = (text *) *p;

	if (kept == NULL)
		return NULL;
	memcpy(copy, kept, VARSIZE(kept));
	*p += text_room(kept);
	return copy;
}

/*
 * The context of a change made now, in one allocation of the current memory
 * context.  Of the two roles, that of the session is who connected; inside a
 * SECURITY DEFINER function the current one is its owner.
 */
EvauditContext *
evaudit_context_take(void)
{
	EvauditContext *copy;
	char	   *p;

	refresh();
	p = palloc(MAXALIGN(sizeof(EvauditContext)) +
			   text_room(current.actor) + text_room(current.request_id) +
			   text_room(current.session_role) +
			   text_room(current.role_name) +
			   text_room(current.application_name));
	copy = (EvauditContext *) p;
	p += MAXALIGN(sizeof(EvauditContext));
	copy->actor = copy_text(&p, current.actor);
	copy->request_id = copy_text(&p, current.request_id);
	copy->session_role = copy_text(&p, current.session_role);
	copy->role_name = copy_text(&p, current.role_name);
	copy->application_name = copy_text(&p, current.application_name);
	copy->client_addr = current.client_addr;
	copy->epoch = current.epoch;
	copy->time = GetCurrentTimestamp();
	return copy;
}
