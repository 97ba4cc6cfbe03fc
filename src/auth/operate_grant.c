/*-------------------------------------------------------------------------
 *
 * operate_grant.c
 *	  Whose token may pause, resume and redrive: evaudit.grant_operate() and
 *	  revoke_operate(), and the decision.
 *
 * A grant hands on what the role that makes it may do itself, and no more: a
 * request of the subject acts as that role.  It ends with the role, with the
 * role's right to grant, and with the database: a copy has another oid, and no
 * dump takes grants along.  Subjects are compared to the letter, unlike those
 * of grants to publish: two that differ in case may be two people's.
 *
 * Nothing is cached, since nobody operates often.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "auth/access.h"
#include "server/arguments.h"
#include "server/spi.h"

PG_FUNCTION_INFO_V1(evaudit_grant_operate);
PG_FUNCTION_INFO_V1(evaudit_revoke_operate);

/* grant_operate(subject text) */
Datum
evaudit_grant_operate(PG_FUNCTION_ARGS)
{
	static EvauditStatement grant = {
		"INSERT INTO evaudit.operate_grants"
			" (subject, grantor, grantor_oid, database)"
			" SELECT $1, r.rolname, r.oid, $3 FROM pg_roles r WHERE r.oid = $2"
			" ON CONFLICT (subject) DO UPDATE SET grantor = EXCLUDED.grantor,"
			" grantor_oid = EXCLUDED.grantor_oid, database = EXCLUDED.database",
			3, {TEXTOID, OIDOID, OIDOID}
	};
	char	   *subject = evaudit_text_argument(fcinfo, 0, "subject");
	Datum		values[] = {CStringGetTextDatum(subject),
	ObjectIdGetDatum(GetUserId()), ObjectIdGetDatum(MyDatabaseId)};
	EvauditSpi	spi;

	evaudit_access_check_subject(subject);
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&grant, values, NULL);
	evaudit_spi_end(&spi);
	PG_RETURN_VOID();
}

/* revoke_operate(subject text) */
Datum
evaudit_revoke_operate(PG_FUNCTION_ARGS)
{
	static EvauditStatement revoke = {
		"DELETE FROM evaudit.operate_grants WHERE subject = $1", 1, {TEXTOID}
	};
	Datum		subject = PG_GETARG_DATUM(0);
	uint64		revoked;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	revoked = evaudit_spi_execute(&revoke, &subject, NULL);
	evaudit_spi_end(&spi);
	if (revoked == 0)
		ereport(NOTICE,
				(errmsg("subject \"%s\" has no grant to operate",
						TextDatumGetCString(subject))));
	PG_RETURN_VOID();
}

/*
 * The role that lets a subject operate, with whose privileges it does so;
 * InvalidOid if there is none.  Within a transaction.
 */
Oid
evaudit_operate_grantor(const char *subject)
{
	static EvauditStatement find = {
		"SELECT r.oid FROM evaudit.operate_grants g"
			" JOIN pg_roles r ON r.oid = g.grantor_oid AND r.rolname = g.grantor"
			" WHERE g.subject = $1 AND g.database = $2 AND has_function_privilege("
			"r.oid, 'evaudit.grant_operate(text)', 'EXECUTE')",
			2, {TEXTOID, OIDOID}
	};
	Datum		values[] = {CStringGetTextDatum(subject),
	ObjectIdGetDatum(MyDatabaseId)};
	Oid			grantor = InvalidOid;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&find, values, NULL) > 0)
		grantor = evaudit_spi_oid(0, 0);
	evaudit_spi_end(&spi);
	return grantor;
}
