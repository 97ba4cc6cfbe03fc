# A dump that somebody has prepared, restored by a superuser: nothing crashes,
# nothing runs with more rights than its owner's, and whatever does not
# validate shows an error of its own while everything beside it works.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Token;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', extension => 0,
	conf => "evaudit.max_backoff = '300ms'\nmax_worker_processes = 30\n");
my $files = PostgreSQL::Test::Utils::tempdir();
my $issuer = Evaudit::Token->new($files);
my $token = $issuer->token(sub => 'alice');
my $keys = $issuer->keys;
my $broker = Evaudit::Mock::unavailable() ? undef : Evaudit::Mock->new('logins');
my $servers = $broker ? $broker->servers : '127.0.0.1:1';

# The database: mallory owns it, and what is in the schema app.  All he makes
# tries to make him superuser.
$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN; CREATE ROLE reader LOGIN;
	CREATE DATABASE prod OWNER mallory});
my $mallory = $node->connstr('prod') . ' user=mallory';
$node->safe_psql('prod', q{
	CREATE SCHEMA app AUTHORIZATION mallory;
	CREATE TABLE app.ran (what text); GRANT ALL ON app.ran TO PUBLIC;
	ALTER TABLE app.ran OWNER TO mallory});
$node->safe_psql('prod', q{
	CREATE FUNCTION app.attack() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
			RAISE LOG 'attack was run by %', current_user;
			ALTER ROLE mallory SUPERUSER;
		END IF;
	END $$;
	CREATE FUNCTION app.attack_trigger() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM app.attack(); RETURN NEW; END';
	CREATE FUNCTION app.attack_operator(oid, int4) RETURNS bool LANGUAGE plpgsql AS
		'BEGIN PERFORM app.attack(); RETURN true; END';
	CREATE OPERATOR app.= (LEFTARG = oid, RIGHTARG = int4, FUNCTION = app.attack_operator);
	CREATE FUNCTION app.attack_json(jsonb, jsonb) RETURNS text LANGUAGE plpgsql AS
		'BEGIN PERFORM app.attack(); RETURN 1; END';
	CREATE OPERATOR app.#>> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = app.attack_json)},
	connstr => $mallory);
$node->safe_psql('prod', 'CREATE EXTENSION evaudit SCHEMA app');
$node->safe_psql('prod', q{
	CREATE FUNCTION app.take(evaudit.event[]) RETURNS void LANGUAGE plpgsql AS
		'BEGIN PERFORM app.attack(); INSERT INTO app.ran VALUES (current_user); END';
	CREATE TABLE app.t (i int PRIMARY KEY, v text);
	SELECT evaudit.track('app.t');
	CREATE TRIGGER a BEFORE INSERT OR UPDATE ON app.t FOR EACH ROW
		EXECUTE FUNCTION app.attack_trigger();
	ALTER TABLE app.t ENABLE ALWAYS TRIGGER a;
	CREATE RULE r AS ON DELETE TO app.t DO ALSO SELECT app.attack();
	CREATE TABLE app.checked (i int CHECK (app.attack() IS NULL));
	INSERT INTO app.t VALUES (1, 'a'); UPDATE app.t SET v = 'b';
	SELECT evaudit.create_topic('good', '{"type": "object"}', '{"event_id": "/id"}');
	SELECT evaudit.create_topic('taken', options => '{"project": "app.take"}')},
	connstr => $mallory);
$node->safe_psql('prod', qq{
	SELECT evaudit.create_issuer('good', '$keys');
	SELECT evaudit.grant_publish('good', 'alice');
	INSERT INTO app.configuration VALUES ('a', '1');
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	GRANT SELECT, INSERT, UPDATE ON app.user_services TO reader;
	GRANT USAGE ON SCHEMA app TO reader;
	SET ROLE reader;
	SELECT evaudit.create_source('good', 'kafka', options => '{"topics": "logins", "start": "earliest"}');
	RESET ROLE;
	SELECT evaudit.pause_source('good')});

# Rows that no function of the extension would have written, and below the
# errors that they show.
my %bad_sources = (
	scalar => q{'kafka', 'reader', 'kafka', 'login', '7'},
	list => q{'kafka', 'reader', 'kafka', 'login', '[]'},
	none => q{'kafka', 'reader', 'kafka', 'login', '{}'},
	wrong => q{'kafka', 'reader', 'kafka', 'login', '{"topics": {"a": 1}}'},
	pattern => q{'kafka', 'reader', 'kafka', 'login', '{"topics": "^(("}'},
	unknown => q{'kafka', 'reader', 'kafka', 'login', '{"topics": "t", "plugin.library.paths": "x"}'},
	huge => q{'kafka', 'reader', 'kafka', 'login', jsonb_build_object('topics', repeat('x', 10000000))},
	kind => q{'nonsense', 'reader', 'kafka', 'login', '{"topics": "t"}'},
	other => q{'sqs', 'reader', 'kafka', 'login', '{"queue": "t"}'},
	server => q{'kafka', 'reader', 'gone', 'login', '{"topics": "t"}'},
	topic => q{'kafka', 'reader', 'kafka', 'gone', '{"topics": "t"}'},
	owner => q{'kafka', 'gone', 'kafka', 'login', '{"topics": "t"}'},
	offsets => q{'kafka', 'reader', 'kafka', 'login', '{"topics": "logins"}'},
	usage => q{'kafka', 'mallory', 'kafka', 'login', '{"topics": "t"}'});
$node->safe_psql('prod', join ";\n", map { "INSERT INTO evaudit.sources
	(name, kind, owner, server, topic, options) VALUES ('bad $_', $bad_sources{$_})" }
	sort keys %bad_sources);
my %errors = (
	scalar => 'must be a JSON object', list => 'must be a JSON object',
	none => 'option "topics" is required', wrong => 'must be a string or an array',
	pattern => 'invalid pattern', unknown => 'unrecognized option "plugin',
	huge => 'must not exceed 65536 bytes', kind => 'unrecognized kind of source',
	other => 'is not one that a source of kind "sqs"', server => 'server "gone" does not exist',
	topic => 'topic "gone" does not exist', owner => 'its owner does not exist',
	offsets => 'could not assign', usage => 'permission denied for foreign server');
my %bad_topics = (
	scalar => q{'7', NULL}, list => q{'[]', NULL}, fields => q{'{"fields": 7}', NULL},
	pointer => q{'{"event_id": "x"}', NULL}, unknown => q{'{"nonsense": 1}', NULL},
	bytes => q{'{"max_payload_bytes": 1e99}', NULL}, schema => q{'{}', 1});
$node->safe_psql('prod', join ";\n", (map { "INSERT INTO evaudit.topics
	(name, options, schema_version) VALUES ('bad $_', $bad_topics{$_})" }
	sort keys %bad_topics),
	q{INSERT INTO evaudit.topic_schemas VALUES ('bad schema', 1, '{"type": 7}');
	INSERT INTO evaudit.topics (name, options, function_owner, function_owner_oid)
		VALUES ('bad function', '{"project": "app.take", "event_id": "/id"}', 'postgres', 10);
	INSERT INTO evaudit.topics (name, options) VALUES (repeat('x', 5000), '{}');
	INSERT INTO evaudit.schemas VALUES ('no uri', '7'), ('http://x/y', '{"$ref": "http://x/y"}');
	INSERT INTO evaudit.issuers VALUES ('bad options', '[]', '[]'), ('bad keys', '{}', '7'),
		('bad key', '{}', '[{"spki": 1}, 7, {"spki": "AAAA"}]'), ('bad url', '{"jwks_url": 7}', '[]'),
		('bad cooldown', '{"jwks_url": "https://127.0.0.1:1/", "refresh_cooldown": "x"}', '[]');
	INSERT INTO evaudit.publish_grants VALUES ('good', 'bob', 'bob', '7'),
		('good', 'carol', 'carol', '{"a": ["("]}'), ('', '', '', NULL);
	INSERT INTO evaudit.offsets SELECT id, 'logins', -5, -9 FROM evaudit.sources
		WHERE name = 'bad offsets' UNION ALL SELECT -1, '', -1, -1;
	INSERT INTO evaudit.events (topic, event_id, payload) VALUES ('http_events', 'none', '{}'),
		('http_events', 'scalar', '7'), ('http_events', 'list', '[]'), ('gone', '', '7');
	INSERT INTO evaudit.dead_letter_store (owner, source, topic, source_position, headers, reason, error)
		VALUES ('gone', 'good', 'login', '7', '7', 'nonsense', ''),
		('reader', 'good', 'gone', '[]', '[7]', '', ''), ('reader', 'good', 'good', NULL, NULL, '', '');
	INSERT INTO app.audit (id, relation, operation, modification_time, session_role, xid, epoch, role_name, seq)
		SELECT gen_random_uuid(), 'app.t', o, 'infinity', '', '1', 0, '', 1000000 + n
		FROM unnest('{INSERT,UPDATE,DELETE,NONSENSE,""}'::text[]) WITH ORDINALITY u(o, n)});

# pg_dump takes it all along; what it does not say follows: the trigger
# functions on a table of mallory's, as if he could have put them there
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', "$files/dump", 'prod' ],
	'dumped');
my @functions = split /\n/, $node->safe_psql('prod', q{
	SELECT oid::regproc FROM pg_proc WHERE pronamespace = 'evaudit'::regnamespace
		AND prorettype = 'trigger'::regtype ORDER BY 1});
cmp_ok(scalar @functions, '>=', 7, 'there are trigger functions');
append_to_file("$files/dump", join "\n", map { my $table = s/.*\.//r; qq{
	CREATE TABLE app."on $table" (i int, j text);
	CREATE TRIGGER a BEFORE INSERT ON app."on $table" FOR EACH ROW EXECUTE FUNCTION $_();
	CREATE TRIGGER b AFTER DELETE ON app."on $table" FOR EACH ROW EXECUTE FUNCTION $_();
	CREATE TRIGGER c AFTER TRUNCATE ON app."on $table" FOR EACH STATEMENT EXECUTE FUNCTION $_();
	ALTER TABLE app."on $table" OWNER TO mallory;} } @functions);
$node->safe_psql('postgres', 'CREATE DATABASE copy OWNER mallory');
my ($out, $err) = run_command([ 'psql', '-Xq', '-h', $node->host, '-p', $node->port,
		'-d', 'copy', '-f', "$files/dump" ]);
is($err, '', 'restored without an error');
$mallory = $node->connstr('copy') . ' user=mallory';

# SQL of a role, or its error.
sub try
{
	my ($sql, %args) = @_;
	my ($status, $stdout, $stderr) = $node->psql('copy', $sql, %args);
	return $status ? $stderr : $stdout;
}

foreach my $function (@functions)
{
	my $table = $function =~ s/.*\.//r;
	like(try($_, connstr => $mallory), qr/ERROR/, "$function: $_") foreach
	  qq{INSERT INTO app."on $table" VALUES (1, 'x')}, qq{TRUNCATE app."on $table"};
}

# topics
foreach my $topic (sort keys %bad_topics)
{
	like(try(qq{SELECT evaudit.publish('bad $topic', '{}')}), qr/ERROR/, "bad topic: $topic");
}
like(try(q{SELECT evaudit.publish('bad function', '{"id": "1"}')}), qr/is not the one that topic/,
	'a function that was said to be a superuser\'s');
is(try(q{SELECT evaudit.publish('good', '{"id": "1"}')}), '1', 'a good topic is good');
like(try(q{SELECT evaudit.publish('taken', '{"id": "1"}')}), qr/^1|[-0-9a-f]{36}$/, 'and so is mallory\'s');
is(try('SELECT DISTINCT what FROM app.ran'), 'mallory', 'which ran as mallory');
like(try(q{SELECT evaudit.json_schema_is_valid('{"$ref": "http://x/y"}', '1')}), qr/ERROR/,
	'a schema that refers to itself');

# issuers and grants
my $verified = "SELECT evaudit.verify_token('$token')->>'sub'";
is(try($verified), 'alice', 'a token of a good issuer is good beside five bad ones');
like(try("SELECT evaudit.alter_issuer('$_', '{\"audience\": \"a\"}')"), qr/ERROR|^$/, "issuer $_")
  foreach 'bad options', 'bad keys', 'bad key', 'bad url', 'bad cooldown';
foreach my $subject ('alice', 'bob', 'carol')
{
	my $told = try(sprintf q{SELECT evaudit.explain_access('good', '%s', '{"id": "x"}')}, $subject);
	$subject eq 'alice' ? like($told, qr/true/, 'a good grant')
	  : unlike($told, qr/"allowed": true/, "the grant of $subject");
}

# what is kept, over HTTP
foreach my $id ('none', 'scalar', 'list', 'gone')
{
	my $status = try(qq{SET evaudit.http_events = open;
		SELECT status FROM evaudit.http('GET', '/events/$id', '{"Authorization": "Bearer $token"}')});
	like($status, qr/^\d\d\d$/, "GET /events/$id: $status");
}
like(try(q{SELECT status FROM evaudit.http('GET', '/health')}), qr/^\d\d\d$/, 'health');

# the audit
foreach my $operation ('INSERT', 'UPDATE', 'DELETE', 'NONSENSE', '')
{
	my $document = try(qq{SELECT a.document FROM app.audit a WHERE operation = '$operation'
		AND seq > 1000000});
	like($document, qr/^\{|ERROR/, "document of an audit row: '$operation'");
}
$node->safe_psql('copy', q{UPDATE app.t SET v = 'c'; DELETE FROM app.t}, connstr => $mallory);
is($node->safe_psql('copy', q{INSERT INTO app.configuration VALUES ('b', '2');
		SELECT string_agg(operation, ' ' ORDER BY seq) FROM app.audit
		WHERE modification_time < 'infinity' AND modification_time >
			(SELECT modification_time FROM app.audit WHERE item_key = 'a')}),
	'UPDATE DELETE INSERT', 'what is tracked is audited');

# sources
is($node->safe_psql('copy', q{SELECT string_agg(DISTINCT state, ' ') FROM evaudit.stat_sources}),
	'paused', 'no source runs by itself');
try("SELECT evaudit.resume_source('bad $_')") foreach sort keys %bad_sources;
$node->safe_psql('copy', q{SELECT evaudit.resume_source('good')});
SKIP:
{
	skip Evaudit::Mock::unavailable(), 1 unless $broker;
	$broker->login('u', 's', 1);
	ok($node->wait_for(q{SELECT count(*) FROM app.user_services}, '1', database => 'copy'),
		'the good source runs beside the bad ones');
}
foreach my $source (sort keys %bad_sources)
{
	# where there is no broker, some do not come as far as their fault
	next unless $broker;
	ok($node->wait_for(qq{SELECT last_error ~ '$errors{$source}' FROM evaudit.stat_sources
		WHERE name = 'bad $source'}, 't', database => 'copy'),
		"bad source $source: $errors{$source}");
}
like(try(q{SELECT evaudit.redrive('good')}), qr/^\d+$|ERROR/, 'dead letters are redriven or refused');
is(try(q{SELECT count(*) > 0 FROM evaudit.dead_letters}), 't', 'and shown');

is($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}),
	'f', 'mallory is no superuser');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'and nothing crashed');
$node->stop;
$broker->stop if $broker;
done_testing();
