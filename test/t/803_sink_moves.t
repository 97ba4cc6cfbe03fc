# Sinks that are restored, copied, promoted, moved, and refused: a copy sends
# nothing by itself, a standby that is promoted goes on, and rights count when
# they are used.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	init => { allows_streaming => 1 },
	conf => "wal_level = replica\nevaudit.max_backoff = '300ms'\n");
my $files = PostgreSQL::Test::Utils::tempdir();

$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN; CREATE ROLE boss LOGIN; CREATE ROLE guest LOGIN;
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	GRANT USAGE ON FOREIGN SERVER local TO app;
	CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, id text);
	GRANT INSERT, SELECT ON got TO app;
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO got (id) SELECT event_id FROM unnest(events);
	END;
	ALTER FUNCTION take OWNER TO app;
	CREATE FUNCTION boss_takes(events evaudit.event[]) RETURNS void
	LANGUAGE sql AS 'SELECT';
	ALTER FUNCTION boss_takes OWNER TO boss;
	SELECT evaudit.create_topic('t');
	SELECT evaudit.create_topic('unkept', NULL, '{"keep": false}')});

# SQL as a role; returns what it says.
sub as
{
	my ($role, $sql) = @_;
	my (undef, $out, $err) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role");
	return $out . $err;
}

sub publish
{
	my ($on, $database, $id) = @_;
	$on->safe_psql($database, "SELECT evaudit.publish('t', '{}', '$id')");
	return;
}
my $create = q{SELECT evaudit.create_sink('sink', 'local', '{t,unkept}',
	'{"function": "public.take"}')};

# ---- rights ----
like(as('guest', $create), qr/permission denied for foreign server local/,
	'USAGE on the server is needed');
like(as('app', $create), qr/permission denied for table events/,
	'SELECT on evaudit.events is needed');
$node->safe_psql('postgres', 'GRANT SELECT ON evaudit.events TO app');
as('app', q{SELECT evaudit.create_sink('other', 'local', '{t}',
	'{"function": "public.boss_takes"}')});
publish($node, 'postgres', 'first');
$node->wait_for(q{SELECT last_error ~ 'must be able to SET ROLE "boss"'
	FROM evaudit.stat_sinks}, 't');
pass('a function of somebody else is not called');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('other')});
is(as('app', $create), '', 'with both it is made');
like(as('guest', q{SELECT evaudit.publish('unkept', '{}')}),
	qr/permission denied for table events/,
	'what leaves may be published by whom it could be kept for');
like(as('guest', q{SELECT evaudit.drop_sink('sink')}),
	qr/must be owner of sink "sink"/, 'others cannot drop it');

my $all = q{SELECT string_agg(id, ' ' ORDER BY n) FROM got};

publish($node, 'postgres', 'a');
$node->wait_for($all, 'a');
$node->safe_psql('postgres', 'REVOKE SELECT ON evaudit.events FROM app');
publish($node, 'postgres', 'b');
$node->wait_for(q{SELECT state IN ('stopped', 'backoff'), last_error
	FROM evaudit.stat_sinks}, 't|permission denied for table events');
is($node->safe_psql('postgres', $all), 'a', 'nothing leaves without the right');
$node->safe_psql('postgres', q{GRANT SELECT ON evaudit.events TO app;
	SELECT evaudit.resume_sink('sink')});
$node->wait_for($all, 'a b');
$node->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER local FROM app');
$node->wait_for(q{SELECT state IN ('stopped', 'backoff'), last_error
	FROM evaudit.stat_sinks}, 't|permission denied for foreign server local');
publish($node, 'postgres', 'c');
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER local TO app;
	SELECT evaudit.resume_sink('sink')});
$node->wait_for($all, 'a b c');
pass('and the rest when the rights are there again');

# ---- seek ----
$node->safe_psql('postgres', q{SELECT evaudit.seek_sink('sink', 'earliest')});
$node->wait_for($all, 'a b c first a b c');
pass('from the earliest');
$node->safe_psql('postgres', q{
	SELECT evaudit.seek_sink('sink', (SELECT to_char(received_at
		AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
		FROM evaudit.outbox WHERE event_id = 'c'))});
$node->wait_for($all, 'a b c first a b c c');
pass('from a time');
like(as('app', q{SELECT evaudit.seek_sink('sink', 'now')}),
	qr/invalid place to seek to/, 'and from nothing else');

# ---- prepared ----
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->restart;
$node->safe_psql('postgres', q{BEGIN;
	SELECT evaudit.publish('t', '{}', 'prepared'); PREPARE TRANSACTION 'p'});
publish($node, 'postgres', 'd');
$node->wait_for($all, 'a b c first a b c c d');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
$node->wait_for($all, 'a b c first a b c c d prepared');
pass('a prepared transaction is sent when it is committed');

# ---- a dump, and a copy ----
$node->safe_psql('postgres', q{SELECT evaudit.pause_sink('sink')});
$node->wait_for(q{SELECT state FROM evaudit.stat_sinks}, 'paused');
publish($node, 'postgres', 'e');
run_log([ 'pg_dump', '-d', $node->connstr('postgres'), '-f',
		"$files/dump" ]);
$node->safe_psql('postgres', q{SELECT evaudit.resume_sink('sink')});
$node->wait_for($all, 'a b c first a b c c d prepared e');
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
run_log([ 'psql', '-qX', '-d', $node->connstr('restored'), '-f',
		"$files/dump" ]);
is($node->safe_psql('restored', q{
	SELECT count(*) FROM evaudit.outbox;
	SELECT state FROM evaudit.stat_sinks}), "0\npaused",
	'a dump brings the sink, paused, and nothing of the outbox');
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE postgres');
is($node->safe_psql('copied', q{SELECT state FROM evaudit.stat_sinks}),
	'paused', 'a sink that was copied is paused');
foreach my $database (qw(restored copied))
{
	my $before = $node->safe_psql($database, $all);

	publish($node, $database, 'there');
	$node->safe_psql($database, q{SELECT evaudit.resume_sink('sink')});
	publish($node, $database, 'there too');
	$node->wait_for($all, "$before there too", database => $database);
	isnt($node->safe_psql($database, 'SELECT identity FROM evaudit.sinks'),
		$node->safe_psql('postgres', 'SELECT identity FROM evaudit.sinks'),
		"$database: it begins where it is resumed, as another one");
}
is($node->safe_psql('postgres', $all), 'a b c first a b c c d prepared e',
	'and nothing of that comes here');

# ---- a standby ----
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
bless $standby, 'Evaudit::Cluster';
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
publish($node, 'postgres', 'f');
$node->wait_for($all, 'a b c first a b c c d prepared e f');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop('fast');
$standby->promote;
publish($standby, 'postgres', 'g');
$standby->wait_for($all, 'a b c first a b c c d prepared e f g');
pass('a standby that is promoted goes on');

done_testing();
