# A dead letter keeps all that was received; once the cause is gone it can be
# put through, by its owner.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('logins', 1);
my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n");

# The answer to a query of some role, and the message of its error.
sub ask
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET ROLE $role; $sql");
	$err =~ s/.*ERROR: +//s;
	return wantarray ? ($out, $err) : $out;
}

# The payload of an event; more members may follow.
sub login
{
	my ($user, $minute, $more) = @_;
	return sprintf '{"user_id":"%s","service_id":"s","service_name":"n",'
	  . '"timestamp":"2022-08-04T08:%02d:00Z"%s}', $user, $minute, $more || '';
}

$node->safe_psql('postgres', q{
	CREATE ROLE reader LOGIN; CREATE ROLE other; CREATE ROLE watcher;
	GRANT pg_monitor TO watcher;
	GRANT SELECT, INSERT, UPDATE ON user_services TO reader, other;
	ALTER TABLE user_services ADD CONSTRAINT no_mallory
		CHECK (user_id <> 'mallory')});
add_server($node, $kafka->servers);
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	SET ROLE reader;
	SELECT evaudit.create_source('logins', 'kafka', options => '{"topics": "logins"}')});

# the fields of a line: key, value, milliseconds, headers
my $mallory = login('mallory', 10);
$kafka->tool('-e', 'produce', 'logins', \join '', map { "$_\n" } (
	"\\x00\\xff\t$mallory\t1700000000123\ttext=a\\\\b\tbytes=\\xff\\x00\tnone\ttext=c",
	"\\N\t" . login('mallory', 5),
	"\tnot JSON\t\\N\tempty=",
	"k\t" . login('alice', 1)));
await_end($node, $kafka, 'logins', 'logins');

is(ask('reader', q{SELECT id, source, topic, source_position, encode(key, 'hex'),
		headers, convert_from(payload, 'UTF8'), reason, sqlstate
		FROM evaudit.dead_letters ORDER BY id}), join("\n",
	join('|', 1, 'logins', 'login',
		'{"topic": "logins", "offset": 0, "partition": 0}', '00ff',
		'{"none": null, "text": ["a\\\\b", "c"], "bytes": {"hex": "ff00"}}', $mallory,
		'database_error', '23514'),
	join('|', 2, 'logins', 'login',
		'{"topic": "logins", "offset": 1, "partition": 0}', '', '',
		login('mallory', 5), 'database_error', '23514'),
	join('|', 3, 'logins', 'login',
		'{"topic": "logins", "offset": 2, "partition": 0}', '',
		'{"empty": ""}', 'not JSON', 'malformed_json', '')),
	'a dead letter has all that was received');
is(ask('reader', 'SELECT array_agg(id) FROM evaudit.dead_letters WHERE key IS NULL'),
	'{2}', 'no key is not an empty key');
is(ask('reader', q{SELECT count(*) FROM evaudit.dead_letters
		WHERE received_at BETWEEN now() - interval '5 min' AND now()
		AND redriven_at IS NULL AND error <> ''}),
	3, 'with when, and why');
like(ask('reader', 'SELECT error FROM evaudit.dead_letters WHERE id = 1'),
	qr/violates check constraint "no_mallory"/, 'the error is the database\'s');

# who may see and do what
is(ask('other', 'SELECT count(*) FROM evaudit.dead_letters'), 0,
	'others do not see them');
is(ask('watcher', 'SELECT count(*) FROM evaudit.dead_letters'), 0,
	'nor do monitors: they hold data');
like((ask('other', 'SELECT * FROM evaudit.dead_letter_store'))[1],
	qr/permission denied/, 'nor is there a way around');
is(ask('other', q{SELECT evaudit.redrive('logins')}), 0,
	'others cannot try them again');
is(ask('other', q{SELECT evaudit.redrive(ARRAY[1, 2, 3])}), 0, 'by id, too');
like((ask('other', "SELECT evaudit.drop_source('logins')"))[1],
	qr/must be owner/, 'and cannot drop the source');

# while the cause is there
is(ask('reader', q{SELECT evaudit.redrive('logins')}), 0, 'nothing goes through');
is(ask('reader', q{SELECT string_agg(reason, ' ' ORDER BY id)
		FROM evaudit.dead_letters WHERE redriven_at IS NULL}),
	'database_error database_error malformed_json', 'and all stay');

# the cause is gone
$node->safe_psql('postgres', 'ALTER TABLE user_services DROP CONSTRAINT no_mallory');
is(ask('reader', 'SELECT evaudit.redrive(ARRAY[3, 2, 2, 99, NULL])'), 1,
	'by id: those that are named, once');
is(ask('reader', q{SELECT last_accessed AT TIME ZONE 'UTC' FROM user_services
		WHERE user_id = 'mallory'}), '2022-08-04 08:05:00', 'its effect');
is(ask('reader', q{BEGIN; SELECT evaudit.redrive('logins'); ROLLBACK;
		SELECT count(*) FROM evaudit.dead_letters WHERE redriven_at IS NULL}),
	"1\n2", 'rolled back with its transaction');
is(ask('reader', q{SELECT evaudit.redrive('logins')}), 1, 'of a source: the rest');
is(ask('reader', q{SELECT last_accessed AT TIME ZONE 'UTC' FROM user_services
		WHERE user_id = 'mallory'}), '2022-08-04 08:10:00', 'the newest wins');
is(ask('reader', q{SELECT evaudit.redrive('logins')}), 0, 'once is enough');
is(ask('reader', q{SELECT string_agg((redriven_at IS NOT NULL)::text, ' ' ORDER BY id)
		FROM evaudit.dead_letters}), 'true true false', 'and they say so');

# an old event that comes late changes nothing, but has gone through
$node->safe_psql('postgres', q{ALTER TABLE user_services ADD CONSTRAINT no_bob
		CHECK (user_id <> 'bob')});
$kafka->produce('logins', "k\t" . login('bob', 1));
await_end($node, $kafka, 'logins', 'logins');
$node->safe_psql('postgres', q{ALTER TABLE user_services DROP CONSTRAINT no_bob});
$kafka->produce('logins', "k\t" . login('bob', 2));
await_end($node, $kafka, 'logins', 'logins');
is(ask('reader', q{SELECT evaudit.redrive('logins')}), 1, 'a late one goes through');
is(ask('reader', q{SELECT last_accessed AT TIME ZONE 'UTC' FROM user_services
		WHERE user_id = 'bob'}), '2022-08-04 08:02:00', 'and has lost');

# a constraint that is deferred refuses what it would refuse at once
$node->safe_psql('postgres', q{
	CREATE TABLE known AS SELECT 'carol' COLLATE "C" AS user_id;
	ALTER TABLE known ADD PRIMARY KEY (user_id);
	GRANT SELECT ON known TO reader;
	DELETE FROM user_services WHERE user_id <> 'carol';
	ALTER TABLE user_services ADD CONSTRAINT known FOREIGN KEY (user_id)
		REFERENCES known DEFERRABLE INITIALLY DEFERRED});
$kafka->produce('logins', "k\t" . login('carol', 1), "k\t" . login('dave', 1),
	"k\t" . login('erin', 1));
await_end($node, $kafka, 'logins', 'logins');
$node->safe_psql('postgres', q{INSERT INTO known VALUES ('dave')});
is(ask('reader', q{SELECT evaudit.redrive('logins')}), 1, 'deferred constraints count');
is(ask('reader', q{SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM user_services}),
	'carol dave', 'and hold up no other letter');

# options of now: a size, and which topics are read
$kafka->produce('logins', "k\t" . login('frank', 1));
await_end($node, $kafka, 'logins', 'logins');
$node->safe_psql('postgres', 'ALTER TABLE user_services DROP CONSTRAINT known');
ask('reader', q{SELECT evaudit.alter_source('logins', '{"max_event_bytes": 50}')});
is(ask('reader', q{SELECT evaudit.redrive('logins');
		SELECT DISTINCT reason FROM evaudit.dead_letters
		WHERE redriven_at IS NULL AND reason <> 'malformed_json'}),
	"0\ntoo_large", 'what is too large now');
ask('reader', q{SELECT evaudit.alter_source('logins', '{"max_event_bytes": null, "topics": "others"}')});
is(ask('reader', q{SELECT evaudit.redrive('logins');
		SELECT DISTINCT reason, error FROM evaudit.dead_letters
		WHERE redriven_at IS NULL}),
	'0' . "\n" . 'bad_envelope|Kafka topic "logins" is not among those that the source reads',
	'or of a topic that is not read any more, is not taken');
ask('reader', q{SELECT evaudit.alter_source('logins', '{"topics": "^log"}')});
is(ask('reader', q{SELECT evaudit.redrive('logins')}), 2, 'but once it is');

# the source is gone, its dead letters are not
ask('reader', "SELECT evaudit.drop_source('logins')");
is(ask('reader', 'SELECT count(*) FROM evaudit.dead_letters'), 7,
	'dead letters outlive their source');
is(ask('reader', 'DELETE FROM evaudit.dead_letters;
		SELECT count(*) FROM evaudit.dead_letters'), 0, 'until they are deleted');

done_testing();
