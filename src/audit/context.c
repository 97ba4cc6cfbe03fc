/*-------------------------------------------------------------------------
 *
 * context.c
 *	  Who makes a change, and from where.
 *
 * The same few texts go into every audit row of a transaction, so they are
 * kept for the backend and made anew only when they change.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "audit/context.h"
#include "server/config.h"

static EvauditContext context;
static Oid	role = InvalidOid;	/* whose name is in context.session_role */

/* A role changed, perhaps its name. */
static void
forget_role(Datum arg, int cacheid, uint32 hashvalue)
{
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

/* Let *kept say what string says. */
static void
follow_text(text **kept, const char *string)
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
 * The context of a change made now.  The role is that of the session: inside
 * a SECURITY DEFINER function the current role would be that of its owner.
 */
const EvauditContext *
evaudit_context_get(void)
{
	static bool ready = false;

	if (!ready)
	{
		CacheRegisterSyscacheCallback(AUTHOID, forget_role, (Datum) 0);
		context.client_addr = client_addr();
		ready = true;
	}
	if (role != GetSessionUserId())
	{
		Oid			session = GetSessionUserId();

		follow_text(&context.session_role, GetUserNameFromId(session, false));
		role = session;
	}
	follow_text(&context.actor, evaudit_actor);
	follow_text(&context.request_id, evaudit_request_id);
	follow_text(&context.application_name, application_name);
	return &context;
}
