# The threat model: each item of the lists in docs/security.md, tried by the
# role that it is about.  An item without a test here is a failure.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Token;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

# The items of the page, which are tested by their first words.
my %items = map { (s/\s+/ /gr => 0) } map { s/\n\n.*//sr }
  slurp_file("$FindBin::RealBin/../../docs/security.md") =~ /^- ((?:.|\n(?!- ))*)/mg;
my $item;

# The tests that follow are about this item.
sub item
{
	my ($begins) = @_;
	my @found = grep { index($_, $begins) == 0 } keys %items;

	is(scalar @found, 1, "\"$begins\" is one item of the page");
	$items{ $found[0] // '' }++;
	$item = $begins;
	return;
}

my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\n"
	  . "max_worker_processes = 20\n");
my $broker = Evaudit::Mock->new('logins');
my $servers = $broker->servers;
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());

# SQL in a session of a role's own: what it returns.
sub as
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role");
}

# What a role can do: each statement without an error.
sub can_do
{
	my ($role, @sql) = @_;
	foreach my $sql (@sql)
	{
		my ($status, undef, $err) = $node->psql('postgres', $sql,
			connstr => $node->connstr('postgres') . " user=$role");
		is($status, 0, "$item: $role: " . ($sql =~ s/\s+/ /gr)) or diag($err);
	}
	return;
}

# What a role cannot do: each statement with an error that says so.
sub cannot_do
{
	my ($role, @sql) = @_;
	my $error = ref $sql[0] ? shift @sql : qr/permission denied|must be (?:owner|superuser)/;

	foreach my $sql (@sql)
	{
		my (undef, undef, $err) = $node->psql('postgres', $sql,
			connstr => $node->connstr('postgres') . " user=$role");
		like($err, $error, "$item: $role cannot: " . ($sql =~ s/\s+/ /gr));
	}
	return;
}

# What a query says to a role.
sub says
{
	my ($role, $sql, $expected) = @_;
	return is(as($role, $sql), $expected, "$item: $role: " . ($sql =~ s/\s+/ /gr));
}

# The status of a request that a front passes on.
sub status
{
	my ($request, $token, $body) = @_;
	my ($method, $path) = split / /, $request;
	my $headers = $token ? qq{{"Authorization": "Bearer $token"}} : '{}';

	$body = defined $body ? qq{convert_to('$body', 'UTF8')} : 'NULL';
	return as('front', "SELECT status FROM evaudit.http('$method', '$path', '$headers', $body)");
}

$node->safe_psql('postgres', qq{
	CREATE ROLE anybody LOGIN; CREATE ROLE app LOGIN; CREATE ROLE auditor LOGIN;
	CREATE ROLE dbo LOGIN; CREATE ROLE ingest LOGIN; CREATE ROLE front LOGIN;
	CREATE ROLE publisher LOGIN; CREATE ROLE member LOGIN;
	ALTER DATABASE postgres OWNER TO dbo;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	CREATE USER MAPPING FOR app SERVER kafka
		OPTIONS ("sasl.username" 'u', "sasl.password" 'top-secret');
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws OPTIONS (region 'eu-west-1');
	GRANT USAGE ON FOREIGN SERVER kafka, aws TO ingest;
	GRANT SELECT, INSERT, UPDATE ON user_services TO ingest, publisher;
	GRANT INSERT ON evaudit.events TO publisher;
	GRANT SELECT ON audit TO auditor;
	SELECT evaudit.create_issuer('i', '@{[ $issuer->keys ]}');
	CREATE SCHEMA app AUTHORIZATION app; GRANT USAGE ON SCHEMA app TO anybody, member});
as('app', q{
	CREATE TABLE app.t (i int PRIMARY KEY, v text);
	SELECT evaudit.track('app.t');
	GRANT SELECT, INSERT, UPDATE, DELETE ON app.t TO anybody});
as('ingest', q{SELECT evaudit.create_source('s', 'kafka', options => '{"topics": "logins", "start": "earliest"}')});
$broker->produce('not json');
$broker->login('u', 's', 1);
$broker->await($node);

my $login = q{SELECT evaudit.publish('login', '{"user_id": "v", "service_id": "s",
	"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}')};

# ---- everybody who can connect ----

item('reads no table of the extension');
my @tables = split /\n/, $node->safe_psql('postgres', q{
	SELECT c.oid::regclass FROM pg_class c JOIN pg_depend d ON d.objid = c.oid
		AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
	WHERE relkind IN ('r', 'S') ORDER BY 1});
cmp_ok(scalar @tables, '>', 12, 'tables to read');
cannot_do('anybody', "SELECT FROM $_") foreach @tables;

item('sees no source, partition or dead letter');
says('anybody', "SELECT count(*) FROM evaudit.$_", '0') foreach 'stat_sources', 'stat_partitions', 'dead_letters';
says('anybody', q{SELECT evaudit.redrive('s')}, '0');
says('ingest', "SELECT count(*) FROM evaudit.$_", '1')
  foreach 'stat_sources', 'stat_partitions', 'dead_letters';

item('publishes nothing, unless it has a grant');
$node->safe_psql('postgres', q{SELECT evaudit.create_topic('kept', options => '{"event_id": "/id"}')});
cannot_do('anybody', $login, q{SELECT evaudit.publish('kept', '{"id": "1"}')});

item('creates no topic, issuer or grant');
cannot_do('anybody', q{SELECT evaudit.create_topic('x')}, q{SELECT evaudit.alter_topic('login')},
	q{SELECT evaudit.create_issuer('x', '{}')}, q{SELECT evaudit.grant_publish('login', 'x')},
	q{SELECT evaudit.grant_read('login', 'x')}, q{SELECT evaudit.create_source('x', 'kafka')});

item('writes to `audit` only by changing a tracked table');
cannot_do('anybody', 'INSERT INTO audit DEFAULT VALUES');
cannot_do('anybody', qr/ERROR:/, "CREATE TEMP TABLE x (i int);
	CREATE TRIGGER a BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION evaudit.$_();
	INSERT INTO x VALUES (1)") foreach 'capture', 'capture_truncate', 'announce_change',
  'restore_configuration', 'forget_database';

item('has no setting, search path or object of its own');
as('anybody', q{
	CREATE TEMP TABLE audit (LIKE app.t);
	SET search_path = pg_temp, public; SET evaudit.actor = ''; SET row_security = off;
	SET timezone = 'Asia/Tokyo'; SET datestyle = 'SQL'; SET bytea_output = 'escape';
	SET extra_float_digits = 0; SET enable_indexscan = off;
	INSERT INTO app.t VALUES (1, 'a')});
says('auditor', q{SELECT relation, operation, item_key, new_value FROM public.audit
	WHERE relation = 'app.t' AND operation <> 'TRACK'}, 'app.t|INSERT|1|{"i": 1, "v": "a"}');
cannot_do('anybody', 'SET session_replication_role = replica');

item('gets nothing by the name of another role');
$node->safe_psql('postgres', 'ALTER ROLE ingest RENAME TO other; CREATE ROLE ingest LOGIN');
says('ingest', "SELECT count(*) FROM evaudit.$_", '0') foreach 'stat_sources', 'dead_letters';
cannot_do('ingest', q{SELECT evaudit.resume_source('s')});
ok($node->wait_for(q{SELECT state FROM evaudit.stat_sources}, 'stopped'), "$item: the source waits");
$node->safe_psql('postgres', 'DROP ROLE ingest; ALTER ROLE other RENAME TO ingest');
ok($node->wait_for(q{SELECT state FROM evaudit.stat_sources}, 'running'), "$item: for its role");

item('can validate JSON by a JSON Schema of its own');
can_do('anybody', q{SELECT evaudit.json_schema_is_valid('{"type": "object"}', '{}')});
cannot_do('anybody', qr/ERROR:.*limit|ERROR:.*steps|54000|too/i,
	q{SELECT evaudit.json_schema_is_valid('{"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]},
		"b": {"items": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}, "$ref": "#/$defs/a"}',
		(repeat('[', 100) || '7' || repeat(']', 100))::jsonb);
		SELECT evaudit.json_schema_is_valid('{"pattern": "^(a*)(a*)(a*)(a*)(a*)\\\\1\\\\2\\\\3\\\\4\\\\5$"}',
		to_jsonb(repeat('a', 5000) || 'b'))});

# ---- who changes a tracked table ----

item('needs no privilege on `audit`');
cannot_do('anybody', 'SELECT FROM audit', 'DELETE FROM audit', 'UPDATE audit SET actor = NULL', 'TRUNCATE audit');
can_do('anybody', q{UPDATE app.t SET v = 'b'});

item('says who `evaudit.actor` and `evaudit.request_id` are');
can_do('anybody', q{SET evaudit.actor = 'the boss'; SET evaudit.request_id = 'r';
	SET application_name = 'claimed'; UPDATE app.t SET v = 'c'});
says('auditor', q{SELECT actor, request_id, application_name FROM audit ORDER BY seq DESC LIMIT 1},
	'the boss|r|claimed');
cannot_do('anybody', qr/16|invalid value/, q{SELECT set_config('evaudit.actor', repeat('x', 20000), false)});

item('cannot set `session_role`');
says('auditor', q{SELECT session_role, client_addr IS NULL, xid::text::bigint > 0,
	modification_time BETWEEN now() - interval '1h' AND now() FROM audit ORDER BY seq DESC LIMIT 1},
	'anybody|t|t|t');
cannot_do('anybody', 'SET ROLE app', q{SET SESSION AUTHORIZATION app});

item('can call `track()` and `untrack()`');
cannot_do('anybody', q{SELECT evaudit.track('app.t')}, q{SELECT evaudit.untrack('app.t')});
$node->safe_psql('postgres', 'GRANT app TO member');
can_do('member', q{SELECT evaudit.untrack('app.t')}, q{SELECT evaudit.track('app.t')});

item('decides which columns are audited');
cannot_do('anybody', q{SELECT evaudit.alter_tracking('app.t', '{"columns": {"v": "exclude"}}')},
	q{SET evaudit.audit = off});
can_do('app', q{SELECT evaudit.alter_tracking('app.t', '{"columns": {"v": "exclude"}}')},
	q{SELECT evaudit.alter_tracking('app.t', '{"columns": null}')});
says('auditor', q{SELECT old_value, new_value FROM audit WHERE operation = 'TRACK' ORDER BY seq DESC LIMIT 1},
	'{"columns": {"v": "exclude"}}|');

item('leaves a row `UNTRACK`');
says('auditor', q{SELECT operation, session_role FROM audit WHERE operation = 'UNTRACK'}, 'UNTRACK|member');
can_do('app', 'ALTER TABLE app.t DISABLE TRIGGER ALL');
says('auditor', q{SELECT operation, session_role FROM audit ORDER BY seq DESC LIMIT 1}, 'UNTRACK|app');
is($node->safe_psql('postgres', q{SELECT enabled FROM evaudit.stat_audit
	WHERE relation = 'app.t'::regclass}), 'f', "$item: stat_audit shows it");
as('app', q{SELECT evaudit.track('app.t')});

# ---- audit ----

item('SELECT reads every tracked table');
says('auditor', q{SELECT new_value->>'v' FROM audit WHERE relation = 'app.t' AND operation = 'INSERT'}, 'a');
cannot_do('auditor', 'SELECT FROM app.t');

item('DELETE, UPDATE and INSERT erase, change and forge');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class c, aclexplode(relacl) a
	WHERE c.oid = 'audit'::regclass AND a.grantee NOT IN (relowner, 'auditor'::regrole)}), '0',
	"$item: nobody has them");
cannot_do('auditor', 'DELETE FROM audit', 'UPDATE audit SET actor = NULL', 'INSERT INTO audit DEFAULT VALUES');

# ---- the owner of the database ----

item('creates, alters and drops topics');
can_do('dbo', q{SELECT evaudit.create_topic('x'); SELECT evaudit.alter_topic('x', 'true');
	SELECT evaudit.drop_topic('x')}, q{SELECT evaudit.grant_publish('kept', 'alice');
	SELECT evaudit.grant_publish('kept', 'bob', '{"app": ["web"]}');
	SELECT evaudit.grant_read('kept', 'carol')});

item('can grant EXECUTE on `evaudit.http()`');
cannot_do('front', q{SELECT evaudit.http('GET', '/health')});
can_do('dbo', 'GRANT EXECUTE ON FUNCTION evaudit.http TO front');

item('cannot read `audit`, `configuration`, kept events');
cannot_do('dbo', 'SELECT FROM audit', 'SELECT FROM configuration', 'SELECT FROM evaudit.events',
	'SELECT FROM evaudit.issuers', 'SELECT FROM evaudit.sources');
says('dbo', 'SELECT count(*) FROM evaudit.dead_letters', '0');

item('decides on no issuer');
cannot_do('dbo', q{SELECT evaudit.create_issuer('x', '{}')}, q{SELECT evaudit.alter_issuer('i', '{}')},
	q{SELECT evaudit.drop_issuer('i')});

item('has a topic call only functions of roles that it can be');
as('app', q{CREATE FUNCTION app.f(evaudit.event[]) RETURNS void LANGUAGE sql AS ''});
as('dbo', q{CREATE SCHEMA dbo; GRANT USAGE ON SCHEMA dbo TO PUBLIC;
	CREATE TABLE dbo.ran (role_was text); GRANT INSERT ON dbo.ran TO PUBLIC;
	CREATE FUNCTION dbo.f(evaudit.event[]) RETURNS void LANGUAGE sql AS
		'INSERT INTO dbo.ran VALUES (current_user)'});
cannot_do('dbo', qr/must be able to SET ROLE/,
	q{SELECT evaudit.create_topic('f', options => '{"project": "app.f"}')});
can_do('dbo', q{SELECT evaudit.create_topic('f', options => '{"project": "dbo.f"}')});

item('owns the dead letters of roles that do not exist');
$node->safe_psql('postgres', q{INSERT INTO evaudit.dead_letter_store (owner, source, topic, reason, error)
	VALUES ('gone', 'gone', 'login', 'database_error', '')});
says('dbo', 'SELECT source FROM evaudit.dead_letters', 'gone');

# ---- who publishes ----

item('needs INSERT on `evaudit.events`');
can_do('publisher', $login, q{SELECT evaudit.publish('kept', '{"id": "1"}')});
cannot_do('app', $login, q{SELECT evaudit.publish('kept', '{"id": "1"}')});

item('lends its own rights to no function');
can_do('postgres', q{SELECT evaudit.publish('f', '{}')});
says('dbo', 'SELECT role_was FROM dbo.ran', 'dbo');
cannot_do('publisher', q{SELECT evaudit.publish('f', '{}')});

item('can write any row into `evaudit.events`');
can_do('publisher', q{INSERT INTO evaudit.events (topic, event_id, payload, subject)
	VALUES ('kept', 'forged', '{}', 'alice')});

# ---- who has USAGE on a server ----

item('creates sources that read with its own rights');
is($node->safe_psql('postgres', q{SELECT DISTINCT usename FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker'}), 'ingest', "$item: the worker's role");
$node->safe_psql('postgres', 'REVOKE INSERT ON user_services FROM ingest');
$broker->login('w', 's', 2);
ok($node->wait_for(q{SELECT state, last_error FROM evaudit.stat_sources},
	'backoff|permission denied for table user_services'), "$item: a right that is taken back");
$node->safe_psql('postgres', 'GRANT INSERT ON user_services TO ingest');
$broker->await($node);

item('sees no password or key');
says('ingest', "SELECT count(*) FROM $_ x WHERE x::text ~ ('top-' || 'secret')", '0')
  foreach 'pg_user_mappings', 'pg_foreign_server', 'evaudit.stat_sources', 'pg_settings';
cannot_do('ingest', 'SELECT FROM pg_user_mapping');

item('uses no credentials of the server itself');
says('ingest', q{SELECT bool_or(ok) FROM evaudit.check_server('aws')}, 'f');
cannot_do('ingest', qr/cannot be changed/, q{SET evaudit.ambient_credentials_role = 'ingest'});

item('names no file of the server');
cannot_do('ingest', qr/pg_read_server_files/, q{CREATE USER MAPPING FOR ingest SERVER kafka
	OPTIONS ("ssl.key.location" '/etc/passwd')});

item('sets no option of librdkafka that is not on the list');
cannot_do('ingest', qr/invalid option|is not|cannot be set/, qq{CREATE USER MAPPING FOR ingest SERVER kafka
	OPTIONS ("$_->[0]" '$_->[1]')}) foreach [ 'internal.termination.signal', '10' ],
  [ 'plugin.library.paths', 'x' ], [ 'bootstrap.servers', '127.0.0.1:1' ], [ 'no.such', 'x' ];

item('has webhooks connect to no address that is not public');
$node->safe_psql('postgres', q{
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_webhook TO ingest;
	GRANT SELECT ON evaudit.events TO ingest});
cannot_do('ingest', qr/permission denied to set option "allow_private"/,
	q{CREATE SERVER inward FOREIGN DATA WRAPPER evaudit_webhook
		OPTIONS (url 'https://127.0.0.1:1/', allow_private 'true')});
as('ingest', q{
	CREATE SERVER inward FOREIGN DATA WRAPPER evaudit_webhook OPTIONS (url 'https://127.0.0.1:1/');
	CREATE USER MAPPING FOR ingest SERVER inward OPTIONS (secret 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
	SELECT evaudit.create_sink('inward', 'inward', '{login}')});
says('ingest', q{SELECT detail FROM evaudit.check_server('inward')}, 'its address is not public');
as('ingest', q{SELECT evaudit.drop_sink('inward')});
$node->safe_psql('postgres', 'REVOKE SELECT ON evaudit.events FROM ingest');

item('has schema registries connect to no address that is not public');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_registry TO ingest');
cannot_do('ingest', qr/permission denied to set option "allow_private"|invalid value for option "url"|is a secret/, map { qq{CREATE SERVER schemas FOREIGN DATA WRAPPER evaudit_registry OPTIONS (url '$_)} } q{https://127.0.0.1:1/', allow_private 'true'}, q{http://example.com/'}, q{https://me:secret@example.com/'}, q{https://example.com/?x='}, q{https://example.com/', token 'x'});
item('has USAGE on its server and SELECT on `evaudit.events`');
$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void
		LANGUAGE sql AS 'SELECT'});
my $sink = q{SELECT evaudit.create_sink('own', 'local', '{login}', '{"function": "ingest.take"}')};
cannot_do('ingest', qr/permission denied for foreign server local/, $sink);
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER local TO ingest;
	CREATE SCHEMA ingest AUTHORIZATION ingest});
as('ingest', q{CREATE FUNCTION ingest.take(events evaudit.event[]) RETURNS void
	LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END$$});
cannot_do('ingest', qr/permission denied for table events/, $sink);
cannot_do('ingest', qr/permission denied for table audit/,
	q{SELECT evaudit.create_sink('trail', 'local', '{audit}', '{"function": "ingest.take"}')});
$node->safe_psql('postgres', 'GRANT SELECT ON evaudit.events TO ingest');
as('ingest', $sink);
$node->safe_psql('postgres', q{SELECT evaudit.publish('login', '{"id": "s1", "user_id": "u", "service_id": "s",
	"service_name": "S", "timestamp": "2026-01-01T00:00:00Z"}')});
ok($node->wait_for(q{SELECT state FROM evaudit.deliveries WHERE sink = 'own'}, 'parked'), "$item: it sends");

item('sees the deliveries of its own sinks alone');
says('ingest', 'SELECT count(*) FROM evaudit.deliveries', '1');
says('app', 'SELECT count(*) FROM evaudit.deliveries', '0');
cannot_do('app', qr/does not exist|not own|permission denied|must/, q{SELECT evaudit.redeliver('own')},
	q{SELECT evaudit.drop_sink('own')}, q{SELECT evaudit.seek_sink('own', 'earliest')});
my $parked = $node->safe_psql('postgres', 'SELECT array_agg(id) FROM evaudit.deliveries');
$node->psql('postgres', "SELECT evaudit.skip_delivery('$parked')",
	connstr => $node->connstr('postgres') . ' user=app');
says('ingest', 'SELECT count(*) FROM evaudit.deliveries', '1');

item('has a function called with no rights but those');
as('ingest', q{SELECT evaudit.create_sink('theirs', 'local', '{login}', '{"function": "public.take"}')});
my $publish = q{SELECT evaudit.publish('login', '{"id": "s2", "user_id": "u", "service_id": "s",
	"service_name": "S", "timestamp": "2026-01-02T00:00:00Z"}')};
$node->safe_psql('postgres', $publish);
ok($node->wait_for(q{SELECT last_error LIKE 'must be able to SET ROLE "postgres" to%' FROM evaudit.stat_sinks
	WHERE name = 'theirs'}), "$item: a function of another role is not called");
as('ingest', q{SELECT evaudit.drop_sink('theirs')});
$node->safe_psql('postgres', 'REVOKE SELECT ON evaudit.events FROM ingest');
$node->safe_psql('postgres', $publish);
ok($node->wait_for(q{SELECT last_error FROM evaudit.stat_sinks WHERE name = 'own'},
	'permission denied for table events'), 'SELECT that is taken back stops the sink');
as('ingest', q{SELECT evaudit.drop_sink('own')});

item('keeps its sources no longer than the privilege');
$node->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER kafka FROM ingest');
ok($node->wait_for(q{SELECT state, last_error FROM evaudit.stat_sources},
	'stopped|permission denied for foreign server kafka'), "$item: REVOKE");
$node->safe_psql('postgres', qq{DROP SERVER kafka CASCADE;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '$servers');
	GRANT USAGE ON FOREIGN SERVER kafka TO ingest});
ok($node->wait_for(q{SELECT state, last_error ~ 'was dropped and created again'
	FROM evaudit.stat_sources}, 'stopped|t'), "$item: a server made anew");
as('ingest', q{SELECT evaudit.resume_source('s')});
ok($node->wait_for(q{SELECT state FROM evaudit.stat_sources}, 'running'), "$item: resumed");

item('takes no more worker slots');
$node->safe_psql('postgres', 'ALTER SYSTEM SET evaudit.max_workers_per_role = 1');
$node->reload;
as('ingest', q{SELECT evaudit.create_source('more', 'kafka', options => '{"topics": "logins"}')});
ok($node->wait_for(q{SELECT last_error ~ 'max_workers_per_role' FROM evaudit.stat_sources
	WHERE name = 'more'}), "$item: the limit is told");
as('ingest', q{SELECT evaudit.drop_source('more')});

# ---- a front, and tokens ----

item('sees the names and schemas of topics');
is(status("GET $_"), '200', "$item: $_") foreach '/topics', '/topics/kept', '/health', '/api';

item('publishes and reads nothing without a valid token');
is(status($_, undef, '{"id": "9", "type": "t", "payload": {}}'), '401', "$item: $_")
  foreach 'POST /topics/kept', 'POST /stats/kept', 'POST /events', 'GET /events/1', 'GET /users/u/services';
cannot_do('front', $login, 'SELECT FROM evaudit.events', 'SELECT FROM audit');

item('cannot open a route, or change a limit');
cannot_do('front', "SET $_") foreach 'evaudit.http_events = open', 'evaudit.http_stats = open',
  'evaudit.http_services = open', 'evaudit.http_terminate = token', 'evaudit.rate_limit = 0',
  q{evaudit.http_max_body = '64MB'}, 'evaudit.http_compat = eventgate';

my %token = map { ($_ => $issuer->token(sub => $_)) } 'alice', 'bob', 'carol';
item('publishes to the topics that `grant_publish()` names');
is(status('POST /topics/kept', $token{alice}, '{"id": "a1"}'), '202', "$item: granted");
is(status('POST /topics/login', $token{alice}, '{"id": "a1"}'), '403', "$item: another topic");
is(status('POST /topics/kept', $token{carol}, '{"id": "a2"}'), '403', "$item: no grant");
is(status('POST /topics/kept', $token{bob}, '{"id": "b1", "app": "web"}'), '202', "$item: constraints");
is(status('POST /topics/kept', $token{bob}, '{"id": "b2", "app": "db"}'), '403', "$item: not matched");
is($node->safe_psql('postgres', q{SELECT subject FROM evaudit.events WHERE event_id = 'a1'}),
	'alice', "$item: as the verified subject");

item('pauses, resumes and redrives only at the admin listener');
is(status('POST /sources/s/pause', $token{alice}), '404', "$item: not for clients");
cannot_do('front', q{SELECT evaudit.http_admin('POST', '/sources/s/pause')});

item('does not read by that');
$node->safe_psql('postgres', q{SELECT evaudit.create_topic('jobs', '{"properties": {"jobs": {"type": "array"}}}');
	SELECT evaudit.grant_publish('jobs', 'alice'); SELECT evaudit.grant_read('jobs', 'carol')});
is(status('POST /stats/jobs', $token{alice}, '{}'), '403', "$item: a publisher");
is(status('POST /stats/jobs', $token{carol}, '{}'), '200', "$item: a reader");
is(status('GET /users/alice/services', $token{alice}), '200', "$item: for itself");
is(status('GET /users/carol/services', $token{alice}), '403', "$item: for another");

item('sends at most `evaudit.rate_limit` messages');
$node->safe_psql('postgres', 'ALTER ROLE front SET evaudit.rate_limit = 1');
my @statuses = split /\n/, as('front', qq{SELECT (evaudit.http('POST', '/topics/kept',
	'{"Authorization": "Bearer $token{alice}"}', convert_to('{"id": "r' || n || '"}', 'UTF8'))).status
	FROM generate_series(1, 20) n});
ok((grep { $_ == 429 } @statuses) > 0, "$item: too many");
$node->safe_psql('postgres', 'ALTER ROLE front RESET evaudit.rate_limit');
is(status('POST /topics/kept', $token{alice}, '{"id": "' . 'x' x 1_100_000 . '"}'), '413', "$item: too large");

item('is refused when it has expired');
my ($head, $claims, $signature) = split /\./, $token{alice};
my $stranger = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my %refused = (expired => $issuer->token(sub => 'alice', exp => 1),
	unsigned => "$head.$claims.", altered => "$head.$claims." . reverse($signature),
	stranger => $stranger->token(sub => 'alice'));
is(status('POST /topics/kept', $refused{$_}, '{"id": "t"}'), '401', "$item: $_") foreach sort keys %refused;

# ---- the broker ----

item('A message that is malformed');
$broker->produce('{', '{}', '[' x 200, '{"user_id": 7}', "\xff");
$broker->login('x', 's', 3);
$broker->await($node);
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM evaudit.dead_letter_store WHERE source = 's'),
	(SELECT count(*) FROM user_services WHERE user_id = 'x')}), '6|1', "$item: and its neighbour");

item('No message names the topic');
$broker->produce('{"topic": "kept", "project": "dbo.f", "role": "postgres", "user_id": "y",
	"service_id": "s", "service_name": "s", "timestamp": "2022-08-04T08:50:39Z"}' =~ s/\s+/ /gr);
$broker->await($node);
is($node->safe_psql('postgres', q{SELECT (SELECT count(*) FROM user_services WHERE user_id = 'y'),
	(SELECT count(*) FROM dbo.ran)}), '1|1', "$item: it is a login");

item('A time further ahead than `max_future`');
$broker->login('z', 's', time() + 3600);
$broker->await($node);
is($node->safe_psql('postgres', q{SELECT reason FROM evaudit.dead_letter_store ORDER BY id DESC LIMIT 1}),
	'future_timestamp', $item);

# ---- a restore, and defaults ----

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->safe_psql('postgres', q{INSERT INTO evaudit.topics (name, options) VALUES ('bad', '7');
	UPDATE evaudit.topics SET function_owner_oid = 10 WHERE name = 'f'});
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'psql', '-Xq', '-o', '/dev/null', '-h', $node->host, '-p', $node->port,
		'-v', 'ON_ERROR_STOP=1', '-d', 'copy', '-f', $dump ], 'restored');
item('Every source is paused');
is($node->safe_psql('copy', 'SELECT state FROM evaudit.stat_sources'), 'paused', $item);
item('A function that a topic names is not called');
my (undef, undef, $err) = $node->psql('copy', q{SELECT evaudit.publish('f', '{}')});
like($err, qr/is not the one that topic "f" was made to call/, $item);
item('A row that does not validate');
(undef, undef, $err) = $node->psql('copy', q{SELECT evaudit.publish('bad', '{}')});
like($err, qr/ERROR/, "$item: its error");
is($node->safe_psql('copy', q{SELECT evaudit.publish('kept', '{"id": "new"}')}), 'new', "$item: a good one");

item('`evaudit.http_events`, `evaudit.http_stats`');
is($node->safe_psql('postgres', q{SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN
	('evaudit.http_events', 'evaudit.http_services', 'evaudit.http_stats', 'evaudit.http_terminate')}), 'token token token off', $item);
is($node->safe_psql('postgres', 'SHOW evaudit.rate_limit') > 0, 1, "$item: the limit");

is(join("\n", grep { !$items{$_} } sort keys %items), '', 'every item of the page is tested');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'and nothing crashed');
$_->stop foreach $node, $broker;
done_testing();
