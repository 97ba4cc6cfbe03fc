/*-------------------------------------------------------------------------
 *
 * event_function.c
 *	  Calling a function of a user with events.
 *
 * A function is named schema.name.  It is looked up by name each time, as a
 * dump knows nothing of oids; what it returns is of no interest.
 *
 * Three roles meet here: the one that named the function, the function's
 * owner, whose code it is, and the current user, for whom it is called.  None
 * of them gets rights of another by it:
 *
 * - Who names a function must be able to SET ROLE to its owner.
 * - Where the owner can SET ROLE to the current user, it runs as the current
 *	 user, as any function does that somebody calls: its code gets nothing
 *	 that its owner did not have.  The current user needs EXECUTE.
 * - Elsewhere it runs as its owner, in a security-restricted operation with a
 *	 search_path of pg_catalog alone, as an index's function does in VACUUM.
 *	 That lends the owner's rights to those it is called for, so that they need
 *	 EXECUTE by a grant to themselves or to a role of theirs, not by PUBLIC's
 *	 default, or a grant for their token.
 *
 * Settings that the function changes, the role among them, go back when it
 * returns, so that it cannot act on what the session does after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "events/event_function.h"
#include "events/projection_batch.h"
#include "server/compat.h"

/* A call of a function. */
typedef struct Call
{
	const EvauditFunctionUse *use;
	Oid			function;
	Oid			owner;
	bool		as_owner;		/* rather than as the current user */
} Call;

/*
 * The function of a name that takes evaudit.event[], or InvalidOid.  Nothing
 * but an exact match counts.  No right is asked for: who may call it is not
 * known before its owner is.
 */
static Oid
look_up(const char *option, const char *name)
{
	List	   *names = evaudit_compat_qualified_name(name);
	Oid			type = get_array_type(evaudit_event_type());
	oidvector  *types = buildoidvector(&type, 1);
	Oid			schema;

	if (list_length(names) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s a function's name with its schema, not \"%s\"",
						option, name)));
	schema = get_namespace_oid(strVal(linitial(names)), true);
	/* each session has a function of its own in a schema of that kind */
	if (OidIsValid(schema) && isAnyTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function %s(evaudit.event[]) is in a temporary schema",
						name)));
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(strVal(lsecond(names))),
						   PointerGetDatum(types),
						   ObjectIdGetDatum(schema));
}

/*
 * Find the function of a name; an ERROR if there is none, or one that cannot
 * be called with events.  "option" begins the message about a name that is
 * none.
 */
Oid
evaudit_event_function_find(const char *option, const char *name)
{
	Oid			function = look_up(option, name);
	HeapTuple	tuple;
	Form_pg_proc form;

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s(evaudit.event[]) does not exist", name)));
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prokind != PROKIND_FUNCTION || form->proretset ||
		(get_typtype(form->prorettype) == TYPTYPE_PSEUDO &&
		 form->prorettype != VOIDOID))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s(evaudit.event[]) is not a function that returns one value",
						name)));
	ReleaseSysCache(tuple);
	return function;
}

/* The owner of a function. */
Oid
evaudit_event_function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Whether a role has EXECUTE other than by a grant to PUBLIC. */
static bool
has_own_grant(const Call *call, Oid role)
{
	HeapTuple	tuple;
	Datum		value;
	bool		found = has_privs_of_role(role, call->owner);
	bool		isnull;

	if (found)
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", call->function);
	value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclP(value);
		AclItem    *items = ACL_DAT(acl);

		for (int i = 0; i < ACL_NUM(acl) && !found; i++)
			found = items[i].ai_grantee != ACL_ID_PUBLIC &&
				(ACLITEM_GET_PRIVS(items[i]) & ACL_EXECUTE) != 0 &&
				has_privs_of_role(role, items[i].ai_grantee);
	}
	ReleaseSysCache(tuple);
	return found;
}

/* Raise an error unless the current user may have a function run so. */
static void
check_caller(const Call *call)
{
	const char *name = call->use->function;
	Oid			runner = call->as_owner ? call->owner : GetUserId();
	Oid			schema = get_func_namespace(call->function);
	AclResult	result;

	result = evaudit_compat_schema_aclcheck(schema, runner, ACL_USAGE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, get_namespace_name(schema));
	result = evaudit_compat_function_aclcheck(call->function, runner,
											  ACL_EXECUTE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, name);
	if (call->as_owner && !call->use->granted &&
		!has_own_grant(call, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", name),
				 errdetail("It runs as its owner, \"%s\", for role \"%s\", which takes a grant that is not PUBLIC's.",
						   GetUserNameFromId(call->owner, false),
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant EXECUTE on the function to the role.")));
}

/* Say whose rights and which search_path an error was raised with. */
static void
describe_call(void *arg)
{
	const Call *call = arg;

	if (call->as_owner)
		errcontext("function %s of %s \"%s\", run as its owner with search_path \"pg_catalog, pg_temp\"",
				   call->use->function, call->use->noun, call->use->name);
	else
		errcontext("function %s of %s \"%s\"", call->use->function,
				   call->use->noun, call->use->name);
}

/*
 * Call the function with the current user's rights, in a memory context of
 * its own.  It sees what was written before, and what follows sees what it
 * writes.
 */
static void
invoke(const Call *call, const EvauditEventValue *events, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit function",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	FmgrInfo	flinfo;

	LOCAL_FCINFO(fcinfo, 1);

	fmgr_info(call->function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = evaudit_event_array(events, n);
	fcinfo->args[0].isnull = false;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) FunctionCallInvoke(fcinfo);
	PopActiveSnapshot();
	CommandCounterIncrement();
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/*
 * Call it as the right role.  An error needs no clean-up of its own: the
 * abort of the (sub)transaction restores the user and the settings.
 */
static void
invoke_as(const Call *call, const EvauditEventValue *events, int n)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = describe_call,
		.arg = (void *) call,
	};
	int			level = NewGUCNestLevel();
	Oid			user;
	int			security;

	error_context_stack = &context;
	GetUserIdAndSecContext(&user, &security);
	if (call->as_owner)
	{
		SetUserIdAndSecContext(call->owner, security |
							   SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
		(void) set_config_option("search_path", "pg_catalog, pg_temp",
								 PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	invoke(call, events, n);
	/* not committed: settings go back to what they were */
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
	error_context_stack = context.previous;
}

/*
 * Call a function, of that owner, with events, within a transaction.  Whatever
 * it raises is the caller's to handle.
 */
void
evaudit_event_function_call(const EvauditFunctionUse *use, Oid function,
							Oid owner, const EvauditEventValue *events, int n)
{
	Call		call = {.use = use,.function = function,.owner = owner};

	call.as_owner = !evaudit_compat_can_set_role(owner, GetUserId());
	check_caller(&call);
	InvokeFunctionExecuteHook(function);
	invoke_as(&call, events, n);
}
