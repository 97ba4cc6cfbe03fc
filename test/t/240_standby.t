# A standby answers queries and leaves brokers alone; promoted, it reads on.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins', 2);
my $node = Evaudit::Cluster->new('main',
	init => { allows_streaming => 1 }, conf => "wal_level = replica\n");
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
bless $standby, 'Evaudit::Cluster';
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;

my $evaudit = q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type LIKE 'evaudit%'};

$broker->login('u', "s$_", $_) foreach 1 .. 4;
$broker->produce('not json');
$broker->add_source($node, 'logins');
$broker->await($node);
$node->safe_psql('postgres', q{
	INSERT INTO configuration VALUES ('k', '1');
	UPDATE configuration SET value = '2';
	CREATE TABLE t (i int PRIMARY KEY);
	SELECT evaudit.track('t');
	INSERT INTO t VALUES (1)});
$node->safe_psql('postgres', q{
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
	SELECT evaudit.create_topic('things', options => '{"keep": true, "event_id": "/id"}');
	SELECT evaudit.publish('things', '{"id": "1"}'), evaudit.publish('http_events', '{"id": "1", "type": "t"}');
	SELECT evaudit.grant_publish(t, 'Alice') FROM unnest(ARRAY['things', 'http_events', '/terminate']) t;
	SELECT evaudit.grant_read(t, 'Alice') FROM unnest(ARRAY['things', 'http_events', 'services']) t;
	ALTER DATABASE postgres SET evaudit.http_terminate = token});
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));

# what can be read
foreach my $sql (
	q{SELECT services_for_user('u')},
	q{SELECT services_for_user('nobody')},
	q{SELECT a.document FROM audit a ORDER BY seq},
	q{SELECT source, partition, next_offset FROM evaudit.stat_partitions ORDER BY 2})
{
	is($standby->safe_psql('postgres', $sql),
		$node->safe_psql('postgres', $sql), "on the standby: $sql");
}
is( $standby->safe_psql('postgres',
		'SELECT name, state, pids, received FROM evaudit.stat_sources'),
	'logins|stopped|{}|0', 'its source is stopped');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	'1', 'and dead letters can be read');
is($standby->safe_psql('postgres', $evaudit), '0', 'no process of evaudit');

# over HTTP: what only reads, and what writes; a route is missing here neither
# way, since each is asked for on both servers
my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
sub request
{
	my ($server, $method, $path) = @_;
	return $server->safe_psql('postgres', "SELECT status, headers - 'X-Request-Id', convert_from(body, 'UTF8')
		FROM evaudit.http('$method', '$path', '{\"bearer\": \"$token\"}', '{\"id\": \"2\", \"type\": \"t\", \"payload\": {}}')");
}
foreach my $route ('GET /topics', 'GET /topics/things', 'GET /token', 'GET /api', 'GET /docs', 'GET /events/1', 'OPTIONS /events', 'HEAD /topics',
	'POST /stats/things', 'GET /users/u/services')
{
	is(request($standby, split / /, $route), request($node, split / /, $route), "on the standby: $route");
}
like(request($standby, 'GET', '/health'), qr/^503.*"database":"in recovery, read-only"/, 'its health');
foreach my $route ('POST /topics/things', 'POST /events', 'POST /terminate')
{
	like(request($standby, split / /, $route), qr/^503\|.*"type":"unavailable","message":"Server is a standby, .* send the request to the primary/, "not on the standby: $route");
	like(request($node, split / /, $route), qr/^20[012]\|/, 'but on the primary');
}

# what cannot be done says so
foreach my $sql (
	q{SELECT evaudit.pause_source('logins')},
	q{SELECT evaudit.resume_source('logins')},
	q{SELECT evaudit.drop_source('logins')},
	q{SELECT evaudit.create_source('s', 'kafka', options => '{"topics": "t"}')},
	q{SELECT evaudit.redrive('logins')},
	q{SELECT evaudit.track('user_services')},
	q{SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
		"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}')})
{
	my (undef, undef, $err) = $standby->psql('postgres', $sql);
	like($err, qr/cannot execute .* (?:in a read-only transaction|during recovery)|cannot acquire lock mode/,
		"not on a standby: " . ($sql =~ s/\s+/ /gr));
}

# promoted after the main server broke down: it reads on where that was
$node->stop('immediate');
$broker->login('u', 's5', 5);
$broker->login('v', 's1', 6);
$standby->promote;
$standby->wait_for(q{SELECT state FROM evaudit.stat_sources}, 'running');
$broker->await($standby);
is( $standby->safe_psql('postgres', q{
		SELECT received, merged, dead_lettered FROM evaudit.stat_sources}),
	'2|2|0', 'only what is new is read');
is( $standby->safe_psql('postgres', q{
		SELECT user_id, count(*) FROM user_services GROUP BY 1 ORDER BY 1}),
	"u|5\nv|1", 'and all of it');
is( $standby->safe_psql('postgres', q{
		UPDATE configuration SET value = '3';
		INSERT INTO t VALUES (2);
		SELECT count(*), count(DISTINCT seq), count(DISTINCT id), max(seq) =
			(SELECT last_value FROM audit_seq_seq) FROM audit}),
	'6|6|6|t', 'audit goes on with numbers of its own');
unlike(slurp_file($standby->logfile), qr/PANIC|terminated by signal|AbortTransaction/, 'no crash');

$standby->stop;
$broker->stop;
done_testing();
