# Whose rights the function of a topic has: nobody's whom its owner could not
# be, whoever publishes, and never those of who did not agree to it.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Token;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $kept = PostgreSQL::Test::Utils::tempdir();

# Run SQL as a role, in a session that the role may not leave.
sub as
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role");
}

# SQL that fails for a role.
sub refused
{
	my ($role, $sql, $error, $what) = @_;
	my (undef, undef, $err) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role");

	like($err, $error, "$role: $what");
	return;
}

my $publish = q{SELECT evaudit.publish('t', '{"a": 1}')};

# How the function ran the last time.
sub ran
{
	return $node->safe_psql('postgres',
		q{SELECT current_role_was, path FROM e.ran ORDER BY n DESC LIMIT 1});
}

# That it ran as a role for a publisher.
sub runs_as
{
	my ($publisher, $runner, $what) = @_;

	$node->safe_psql('postgres', 'TRUNCATE e.ran');
	as($publisher, $publish);
	like(ran() // '', qr/^$runner\|/, "$what: for $publisher as $runner");
	return;
}

# The function, which tries for more and says what it was.
sub body
{
	my ($attack) = @_;
	return qq{(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		$attack
		INSERT INTO e.ran (current_role_was, path)
			VALUES (current_user, pg_catalog.current_setting('search_path'));
	END \$\$};
}

# boss is a superuser; mallory owns the database and a schema; app has a
# function; member may be app, borrower has its rights but may not be it; dev
# may create in the schema of the function
$node->safe_psql('postgres', q{
	CREATE ROLE boss LOGIN SUPERUSER; CREATE ROLE mallory LOGIN;
	CREATE ROLE app LOGIN; CREATE ROLE publisher LOGIN; CREATE ROLE dev LOGIN;
	CREATE ROLE member LOGIN; GRANT app TO member; CREATE ROLE publishers;
	ALTER DATABASE postgres OWNER TO mallory;
	GRANT EXECUTE ON FUNCTION evaudit.alter_topic(text, jsonb, jsonb),
		evaudit.create_topic(text, jsonb, jsonb) TO app, member, dev});
as('mallory', q{
	CREATE SCHEMA e; GRANT USAGE, CREATE ON SCHEMA e TO PUBLIC;
	CREATE TABLE e.ran (n int GENERATED ALWAYS AS IDENTITY, current_role_was text, path text);
	GRANT ALL ON e.ran TO PUBLIC});
as('mallory', 'CREATE FUNCTION e.f' . body(''));

# the owner of the database names a function of his for a topic: it runs as
# him, also where a superuser publishes, reads or redrives
as('mallory', q{SELECT evaudit.create_topic('t', options => '{"project": "e.f", "keep": false}')});
runs_as($_, 'mallory', 'a function of the one who named it') for qw(mallory boss);
like(ran(), qr/\|pg_catalog, pg_temp$/, 'with a search_path of its own');
as('mallory', 'CREATE OR REPLACE FUNCTION e.f' . body('ALTER ROLE mallory SUPERUSER;'));
refused('boss', $publish, qr/must be superuser|permission denied to alter role/,
	'what mallory may not do is not done');
my %attacks = (
	q{SET ROLE boss;} => qr/cannot set parameter "role" within security-/,
	q{SET SESSION AUTHORIZATION boss;} => qr/cannot set parameter "session_authorization"/,
	q{CREATE TEMP TABLE x (i int);} => qr/within security-restricted operation/,
	q{EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1';} =>
	  qr/within security-restricted operation/,
	q{EXECUTE 'LISTEN x';} => qr/within security-restricted operation/,
	q{INSERT INTO e.later VALUES (1);} => qr/deferred trigger within security-/,
	q{PERFORM unqualified();} => qr/unqualified\(\) does not exist.*run as its owner with search_path/s);
as('mallory', q{
	CREATE TABLE e.later (i int);
	CREATE FUNCTION e.escalate() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN ALTER ROLE mallory SUPERUSER; RETURN NULL; END';
	CREATE CONSTRAINT TRIGGER later AFTER INSERT ON e.later DEFERRABLE
		INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION e.escalate()});
foreach my $attack (sort keys %attacks)
{
	as('mallory', 'CREATE OR REPLACE FUNCTION e.f' . body($attack));
	refused('boss', $publish, $attacks{$attack}, "no $attack");
}

# what it sets does not outlast it, however it runs
as('mallory', 'CREATE OR REPLACE FUNCTION e.f'
	  . body(q{SET search_path = e, pg_catalog; SET row_security = off;}));
is(as($_, qq{$publish \\g /dev/null
		SHOW search_path; SHOW row_security}), qq{"\$user", public\non},
	"settings go back: $_") for qw(boss mallory);
as('mallory', 'CREATE OR REPLACE FUNCTION e.f' . body(''));

# SECURITY DEFINER makes no difference
as('mallory', 'ALTER FUNCTION e.f SECURITY DEFINER');
runs_as('boss', 'mallory', 'SECURITY DEFINER');
refused('publisher', $publish, qr/permission denied for function e\.f/,
	'SECURITY DEFINER needs a grant, too');
as('mallory', 'ALTER FUNCTION e.f SECURITY INVOKER');

# nobody gets mallory's rights by publishing, but by a grant
refused('publisher', $publish,
	qr/permission denied for function e\.f.*takes a grant that is not PUBLIC/s,
	'EXECUTE of PUBLIC is not enough');
as('mallory', 'GRANT EXECUTE ON FUNCTION e.f TO publisher');
runs_as('publisher', 'mallory', 'a grant');
is(as('publisher', qq{SET search_path = public; $publish \\g /dev/null
		SHOW search_path}), 'public', "the publisher's search_path stays");
as('mallory', 'REVOKE EXECUTE ON FUNCTION e.f FROM publisher');
refused('publisher', $publish, qr/permission denied/, 'a grant taken back');
as('mallory', 'GRANT EXECUTE ON FUNCTION e.f TO publishers');
$node->safe_psql('postgres', 'GRANT publishers TO publisher');
runs_as('publisher', 'mallory', 'a grant to a group');
$node->safe_psql('postgres', 'REVOKE publishers FROM publisher');
refused('publisher', $publish, qr/permission denied/, 'a membership that ended');
refused('publisher', "SELECT e.f('{}'); $publish", qr/permission denied/,
	'nor does a call of the function itself help');

# a token's grant is one
my $issuer = Evaudit::Token->new($kept);
my $token = $issuer->token(sub => 'alice');
my $post = qq{SELECT status FROM evaudit.http('POST', '/topics/t',
	jsonb_build_object('Authorization', 'Bearer $token'), '{"a": 1}')};
$node->safe_psql('postgres', qq{SELECT evaudit.create_issuer('i', '@{[ $issuer->keys ]}');
	GRANT EXECUTE ON FUNCTION evaudit.http TO publisher});
unlike(as('publisher', $post), qr/^2/, 'no grant to publish');
as('mallory', q{SELECT evaudit.grant_publish('t', 'alice')});
$node->safe_psql('postgres', 'TRUNCATE e.ran');
like(as('publisher', $post), qr/^2/, 'a grant to publish');
like(ran(), qr/^mallory\|/, 'runs it as mallory');

# a role names functions of roles that it can be, and of no others
as('app', 'CREATE FUNCTION e.app' . body(''));
as('boss', 'CREATE FUNCTION e.boss' . body(''));
my $name = q{SELECT evaudit.alter_topic('t', options => '{"project": "e.%s"}')};
my $not = qr/must be able to SET ROLE "%s" to have a topic call function/;
refused('mallory', sprintf($name, $_), qr/must be able to SET ROLE "$_"/,
	"may not name $_\'s function") for qw(app boss);
refused('app', sprintf($name, 'boss'), qr/must be able to SET ROLE "boss"/,
	'may not name a superuser\'s');
refused('mallory', q{SELECT evaudit.create_topic('u', options => '{"project": "e.boss"}')},
	qr/must be able to SET ROLE/, 'nor for a new topic');
refused('mallory', q{SELECT evaudit.import_topics('{"t": {"options": {"project": "e.boss"}}}')},
	qr/must be able to SET ROLE/, 'nor by an import');
as('member', sprintf($name, 'app'));
runs_as($_, 'app', 'a member named it') for qw(app boss member);
refused('publisher', $publish, qr/permission denied/, 'app lends nothing');
as('boss', sprintf($name, 'f'));
runs_as('boss', 'mallory', 'a superuser named it');

# other options of a topic may be altered by others
as('boss', sprintf($name, 'boss'));
as('mallory', q{SELECT evaudit.alter_topic('t', options => '{"max_future": "1h"}')});
# a superuser's function runs as who publishes
runs_as($_, $_, "a superuser's function") for qw(boss mallory publisher);
unlike(ran(), qr/pg_temp/, 'with their search_path');
as('boss', 'REVOKE EXECUTE ON FUNCTION e.boss FROM PUBLIC');
refused('publisher', $publish, qr/permission denied for function e\.boss/,
	'who needs EXECUTE');
as('boss', 'GRANT EXECUTE ON FUNCTION e.boss TO PUBLIC');
as('boss', 'CREATE OR REPLACE FUNCTION e.boss' . body('SET ROLE publisher;'));
is(as('boss', "$publish \\g /dev/null\nSELECT current_user"), 'boss',
	'a role that it sets goes back');
like(ran(), qr/^publisher\|/, 'a role that it may set is set');

# a function that is not the one that was named
my $other = qr/function e\.f is not the one that topic "t" was made to call.*HINT/s;
as('mallory', sprintf($name, 'f'));
$node->safe_psql('postgres', 'ALTER FUNCTION e.f OWNER TO boss');
refused($_, $publish, $other, 'a function that was given away') for qw(boss mallory publisher);
$node->safe_psql('postgres', 'ALTER FUNCTION e.f OWNER TO mallory');
runs_as('boss', 'mallory', 'given back');
as('mallory', 'DROP FUNCTION e.f');
refused('boss', $publish, qr/does not exist/, 'none at all');
as('dev', 'CREATE FUNCTION e.f' . body(''));
refused($_, $publish, $other, 'a function made by whoever may create there')
  for qw(boss mallory dev);
as('dev', sprintf($name, 'f'));
runs_as('dev', 'dev', 'named anew');
$node->safe_psql('postgres', q{
	REASSIGN OWNED BY dev TO boss; DROP OWNED BY dev; DROP ROLE dev});
refused('boss', $publish, $other, 'a role that is gone');
$node->safe_psql('postgres', 'DROP FUNCTION e.f; CREATE ROLE dev LOGIN SUPERUSER');
as('dev', 'CREATE FUNCTION e.f' . body(''));
refused($_, $publish, $other, 'a role made anew under its name') for qw(boss dev);

# schemas of which each session has its own
my $temp = as('mallory', 'CREATE FUNCTION pg_temp.f' . body('') . q{;
	SELECT pg_my_temp_schema()::regnamespace});
refused('mallory', 'CREATE FUNCTION pg_temp.f' . body('') . qq{;
	SELECT evaudit.alter_topic('t', options => '{"project": "$_.f"}')},
	qr/is in a temporary schema|does not exist/, "no function of $_") for 'pg_temp', $temp;

# what is restored under other oids is named anew
as('mallory', 'CREATE FUNCTION e.g' . body('') . ';' . sprintf($name, 'g'));
$node->safe_psql('postgres', q{UPDATE evaudit.topics
	SET function_owner_oid = (SELECT oid FROM pg_roles WHERE rolname = 'boss')
	WHERE name = 't'});
refused('boss', $publish, qr/is not the one that topic/, 'a row of another cluster');
as('mallory', sprintf($name, 'g'));
runs_as('boss', 'mallory', 'named again');

SKIP:
{
	skip Evaudit::Mock::unavailable(), 4 if Evaudit::Mock::unavailable();

	# a superuser's source, which is warned of
	my $broker = Evaudit::Mock->new('logins');
	my ($servers, $options) = ($broker->servers, '{"topics": "logins", "start": "earliest"}');
	my (undef, undef, $err) = $node->psql('postgres', qq{
		CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '$servers');
		GRANT USAGE ON FOREIGN SERVER kafka TO publisher;
		SELECT evaudit.create_source('s', 'kafka', 't', '$options')});
	like($err, qr/WARNING:  source "s" runs as superuser.*\n.*HINT/,
		'a source of a superuser is warned of');
	$node->safe_psql('postgres', 'TRUNCATE e.ran');
	as('mallory', 'CREATE OR REPLACE FUNCTION e.g'
		  . body(q{IF (events[1]).payload ? 'attack' THEN ALTER ROLE mallory SUPERUSER; END IF;}));
	$broker->produce('{"a": 1}');
	$node->wait_for('SELECT count(*) > 0 FROM e.ran');
	like(ran(), qr/^mallory\|/, 'its events are handed on as mallory');
	$broker->produce('{"attack": 1}');
	$node->wait_for(q{SELECT state, last_error ~ 'permission denied|must be superuser'
		FROM evaudit.stat_sources}, 'backoff|t');
	$node->safe_psql('postgres', q{SELECT evaudit.drop_source('s')});

	# a plain role's, which lacks the grant
	(undef, undef, $err) = $node->psql('postgres',
		qq{SET ROLE publisher;
		SELECT evaudit.create_source('p', 'kafka', 't', '$options')});
	unlike($err // '', qr/WARNING/, 'one of a plain role is not');
	$node->wait_for(q{SELECT state, last_error ~ 'permission denied for function'
		FROM evaudit.stat_sources}, 'backoff|t');
	pass('and needs the grant');
	$node->safe_psql('postgres', q{SELECT evaudit.drop_source('p')});

	# a dead letter, redriven by a superuser
	$node->safe_psql('postgres', q{INSERT INTO evaudit.dead_letter_store (owner, source,
			topic, payload, reason, error)
		VALUES ('postgres', 's', 't', '{"attack": 1}', 'database_error', '')});
	refused('boss', q{SELECT evaudit.redrive('s')},
		qr/permission denied|must be superuser/, 'a dead letter that is redriven');
	$broker->stop;
}

is($node->safe_psql('postgres', q{
		SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles
		WHERE rolsuper AND rolname <> 'postgres'}),
	'boss dev', 'nobody became superuser');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP/,
	'and nothing crashed');
$node->stop;
done_testing();
