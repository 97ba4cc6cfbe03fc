# Whatever others have made in the schema of CREATE EXTENSION, and in the
# search_path of who uses the extension: nothing of it is ever run by the
# extension, and no object of the extension depends on it.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

# Traps for all operators and functions of pg_catalog on common types, also on
# pairs of types for which pg_catalog has no operator and casts an operand.
# Each says in the log that it was run.
my $traps = q{
	CREATE FUNCTION app.run_by() RETURNS int4 LANGUAGE plpgsql AS
		$$BEGIN RAISE LOG 'trap was run by %', current_user; RETURN NULL; END$$;
	DO $do$
	DECLARE
		types regtype[] := '{text,name,oid,int2,int4,int8,bool,jsonb,json,"char",
			timestamptz,interval,numeric,float8,bytea,uuid,regclass,regprocedure,
			text[],oid[],int8[],jsonb[],xid8,inet}';
		l regtype;
		r regtype;
		f record;
	BEGIN
		FOREACH l IN ARRAY types LOOP
			FOREACH r IN ARRAY types LOOP
				EXECUTE format('CREATE FUNCTION app.trap(%s, %s) RETURNS bool
					LANGUAGE plpgsql AS ''BEGIN PERFORM app.run_by(); RETURN true; END''',
					l, r);
			END LOOP;
		END LOOP;
		FOR f IN SELECT o, lt, rt FROM unnest(types) lt, unnest(types) rt,
				(SELECT DISTINCT oprname AS o FROM pg_operator
				 WHERE oprkind = 'b' AND oprleft = ANY (types)) o
		LOOP
			EXECUTE format('CREATE OPERATOR app.%s (LEFTARG = %s, RIGHTARG = %s,
				FUNCTION = app.trap)', f.o, f.lt, f.rt);
		END LOOP;
		FOR f IN SELECT proname, pg_get_function_identity_arguments(oid) AS args,
				proargtypes::regtype[] AS a, prorettype::regtype AS ret, proretset
			FROM pg_proc
			WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
				AND prorettype = ANY (types) AND provariadic = 0
				AND proargtypes::oid[] <@ types::oid[]
		LOOP
			EXECUTE format('CREATE FUNCTION app.%I(%s) RETURNS %s LANGUAGE plpgsql
				AS ''BEGIN PERFORM app.run_by(); RETURN NULL; END''', f.proname,
				array_to_string(f.a, ', '), f.ret);
		END LOOP;
		-- types to which, and from which, there are implicit casts
		CREATE TYPE app.box_of AS (a text);
		FOREACH l IN ARRAY types LOOP
			EXECUTE format('CREATE FUNCTION app.to_box(%s) RETURNS app.box_of
				LANGUAGE plpgsql AS ''BEGIN PERFORM app.run_by(); RETURN NULL; END''', l);
			EXECUTE format('CREATE CAST (%s AS app.box_of) WITH FUNCTION
				app.to_box(%s) AS IMPLICIT', l, l);
		END LOOP;
		CREATE FUNCTION app.from_box(app.box_of) RETURNS text
			LANGUAGE plpgsql AS 'BEGIN PERFORM app.run_by(); RETURN NULL; END';
		CREATE CAST (app.box_of AS text) WITH FUNCTION app.from_box(app.box_of)
			AS IMPLICIT;
	END
	$do$;
	-- what shadows the catalog's names
	CREATE DOMAIN app.text AS pg_catalog.text CHECK (app.run_by() IS NULL);
	CREATE DOMAIN app.jsonb AS pg_catalog.jsonb;
	CREATE DOMAIN app.regclass AS pg_catalog.oid;
	CREATE COLLATION app."C" FROM pg_catalog."POSIX";
	CREATE VIEW app.pg_roles AS SELECT app.run_by();
	CREATE VIEW app.pg_database AS SELECT app.run_by();
	CREATE VIEW app.pg_foreign_server AS SELECT app.run_by();
	CREATE VIEW app.pg_user_mapping AS SELECT app.run_by();
	-- overloads of the extension's own functions
	CREATE FUNCTION app.services_for_user(name) RETURNS pg_catalog.jsonb
		LANGUAGE plpgsql AS 'BEGIN PERFORM app.run_by(); RETURN NULL; END';
	CREATE FUNCTION app.services_for_user(VARIADIC pg_catalog.text[])
		RETURNS pg_catalog.jsonb
		LANGUAGE plpgsql AS 'BEGIN PERFORM app.run_by(); RETURN NULL; END'};

# What members of the extension, and what is theirs alone, depend on besides
# themselves, the schema they are in and what is in pg_catalog.
my $foreign = q{
	WITH RECURSIVE member (classid, objid) AS (
		SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
			WHERE d.deptype = 'e' AND e.extname = 'evaudit'
				AND d.refclassid = 'pg_catalog.pg_extension'::regclass
		UNION
		SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
			JOIN member m ON m.classid = d.refclassid AND m.objid = d.refobjid
			WHERE d.deptype IN ('i', 'a'))
	SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) || ': '
		|| pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
	FROM pg_catalog.pg_depend d JOIN member m USING (classid, objid)
	WHERE (d.refclassid, d.refobjid) NOT IN (SELECT classid, objid FROM member)
		AND d.refclassid <> 'pg_catalog.pg_extension'::regclass
		AND (d.refclassid, d.refobjid) NOT IN
			(SELECT 'pg_catalog.pg_namespace'::regclass, oid
			 FROM pg_catalog.pg_namespace WHERE nspname = 'app')
		AND (pg_identify_object(d.refclassid, d.refobjid, 0)).schema
			IS DISTINCT FROM 'pg_catalog'};

my $node = Evaudit::Cluster->new('main', extension => 0,
	conf => "log_min_messages = log\nevaudit.max_backoff = '300ms'\n"
	  . "log_error_verbosity = terse\n");
my $offset = 0;

# Run SQL in a schema's owner's trap: a superuser whose search_path it is.
sub trapped
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql,
		connstr => $node->connstr('postgres') . ' user=dba');
}

# No trap was run since the last time.
sub none_was_run
{
	my ($what) = @_;
	my $log = slurp_file($node->logfile, $offset);

	$offset += length $log;
	my @runs = $log =~ /(LOG:  trap was run by .*\n.*)/g;
	is(scalar @runs, 0, "no trap was run: $what") or diag("@runs[0 .. 2]");
	return;
}

$node->safe_psql('postgres', q{
	CREATE ROLE mallory; CREATE SCHEMA app AUTHORIZATION mallory;
	CREATE ROLE dba LOGIN SUPERUSER;
	ALTER ROLE dba SET search_path = app, pg_catalog});
$node->safe_psql('postgres', "SET ROLE mallory; $traps");

# the traps work
trapped(q{SELECT 'a'::pg_catalog.text = 'b'::pg_catalog.text});
trapped(q{SELECT pg_catalog.oid '1' = pg_catalog.int4 '1'});
like(slurp_file($node->logfile), qr/(?:LOG:  trap was run by dba.*){2}/s,
	'traps are run by those who step into them');
$offset = -s $node->logfile;

trapped('CREATE EXTENSION evaudit SCHEMA app');
is($node->safe_psql('postgres', $foreign), '',
	'the extension depends on nothing but itself');
none_was_run('CREATE EXTENSION');

# all that runs SQL of the extension's
trapped(q{
	CREATE TABLE app.t (i int4 PRIMARY KEY, j pg_catalog.jsonb, v pg_catalog.text)
		PARTITION BY RANGE (i);
	CREATE TABLE app.t1 PARTITION OF app.t FOR VALUES FROM (0) TO (10);
	SELECT evaudit.track('app.t');
	CREATE TABLE app.t2 PARTITION OF app.t DEFAULT;
	INSERT INTO app.t VALUES (1, '{"a": 1}', 'x'), (11, NULL, NULL);
	UPDATE app.t SET j = '[1.0]', v = 'y';
	UPDATE app.t SET v = 'z';
	DELETE FROM app.t1;
	TRUNCATE app.t;
	INSERT INTO app.configuration VALUES ('a', '1');
	UPDATE app.configuration SET value = '2';
	DELETE FROM app.configuration;
	SELECT a.document FROM app.audit a;
	SELECT evaudit.untrack('app.t')});
none_was_run('audit');

trapped(q{
	SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
		"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}', 'e');
	SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
		"service_name": "m", "timestamp": "2023-08-04T08:50:39Z"}', 'e');
	SELECT app.services_for_user('u'::pg_catalog.text);
	SELECT evaudit.create_topic('kept', '{"type": "object"}', '{"event_id": "/id"}');
	SELECT evaudit.publish('kept', '{"id": "1"}');
	SELECT evaudit.publish('kept', '{"id": "1"}');
	SELECT * FROM evaudit.validate('kept', '7');
	SELECT evaudit.alter_topic('kept', '{"type": ["object"]}', '{"max_future": "1h"}');
	SELECT evaudit.import_topics('{"imported": {"type": "object",
		"properties": {"jobs": {"type": "array"}, "event_id": {}}}}', '{"imported": "k"}');
	SELECT evaudit.register_schema('http://x/y', 'true');
	SELECT evaudit.json_schema_is_valid('{"$ref": "http://x/y"}', '1');
	SELECT * FROM evaudit.json_schema_errors('{"type": "array"}', '1');
	SELECT evaudit.unregister_schema('http://x/y');
	SELECT evaudit.grant_publish('kept', 'alice', '{"id": ["1"]}');
	SELECT evaudit.explain_access('kept', 'alice', '{"id": "1"}');
	SELECT evaudit.import_access_map('{"kept": ["bob"]}');
	SELECT evaudit.revoke_publish('kept', 'bob');
	SELECT evaudit.create_issuer('i', '{"jwks_url": "https://127.0.0.1:1/"}');
	SELECT evaudit.alter_issuer('i', '{"audience": "a"}');
	SELECT evaudit.drop_issuer('i');
	SELECT evaudit.owns(10::pg_catalog.oid);
	SELECT evaudit.drop_topic('imported')});
none_was_run('events and access');

my $views = $node->safe_psql('postgres', q{
	SELECT string_agg(format('TABLE evaudit.%I;', relname), ' ')
	FROM pg_class WHERE relnamespace = 'evaudit'::regnamespace AND relkind = 'v'});
trapped($views);
trapped(qq{SELECT status FROM evaudit.http('$_')}) foreach map { s/ /', '/r }
  'GET /health', 'GET /topics', 'GET /topics/kept', 'GET /users/u/services',
  'GET /events/1', 'GET /openapi.yaml', 'POST /stats/kept', 'POST /topics/kept',
  'POST /events', 'POST /terminate';
none_was_run('views and HTTP');

SKIP:
{
	skip Evaudit::Mock::unavailable(), 2 if Evaudit::Mock::unavailable();

	my $broker = Evaudit::Mock->new('logins');
	my $servers = $broker->servers;
	trapped(qq{
		CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '$servers');
		SELECT * FROM evaudit.check_server('kafka');
		SELECT evaudit.create_source('s', 'kafka',
			options => '{"topics": "logins", "start": "earliest"}')});
	$broker->login('u2', 's', 1);
	$broker->produce('not json');
	$node->wait_for(q{SELECT (SELECT count(*) FROM app.user_services
		WHERE user_id = 'u2') + (SELECT count(*) FROM evaudit.dead_letter_store)}, '2');
	trapped($views);
	my $pids = $node->safe_psql('postgres', 'SELECT pids FROM evaudit.stat_sources');
	trapped(q{SELECT evaudit.redrive('s'); SELECT evaudit.redrive('{1}'::pg_catalog.int8[]);
		SELECT evaudit.pause_source('s'); SELECT evaudit.resume_source('s');
		SELECT evaudit.seek_source('s', 'earliest');
		SELECT evaudit.alter_source('s', '{"batch_size": 7}')});
	$node->wait_for("SELECT state = 'running' AND pids <> '{}' AND pids <> '$pids'
		FROM evaudit.stat_sources");
	trapped(q{DELETE FROM evaudit.dead_letters; SELECT evaudit.drop_source('s')});
	none_was_run('sources');
	$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'evaudit worker'}, '0');
	$broker->stop;
	pass('and its worker has ended');
}

is($node->safe_psql('postgres', q{
		SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f',
	'mallory is no superuser');

# what is dropped and made anew around it takes nothing of it along
$node->safe_psql('postgres', q{
	SET ROLE mallory;
	DROP OPERATOR app.= (oid, int4) CASCADE;
	DROP OPERATOR app.#>> (jsonb, jsonb) CASCADE});
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_extension WHERE extname = 'evaudit'}),
	'1', 'an operator that is dropped does not take the extension along');

# a dump of it all restores, and is captured by nothing either
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-Fc', '-f',
		$node->basedir . '/dump', 'postgres' ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '-h', $node->host, '-p', $node->port, '-d', 'copy',
		'--exit-on-error', $node->basedir . '/dump' ], 'restored');
is($node->safe_psql('copy', $foreign), '', 'the copy depends on itself alone');
none_was_run('restore');

$node->stop;
done_testing();
