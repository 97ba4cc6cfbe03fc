# Records without a payload: by option they delete what their key names, in the
# order of their partition, have no effect, or are dead letters.

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
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '1s'\nlog_statement = none\n");

sub ask { return $node->safe_psql('postgres', $_[0]); }

# A line of a login event, with the key; and one of a tombstone.
sub login
{
	my ($key, $user, $service, $minute) = @_;
	return sprintf qq(%s\t{"user_id":"%s","service_id":"%s","service_name":"n",)
	  . qq("timestamp":"2022-08-04T08:%02d:00Z"}\n), $key, $user, $service, $minute;
}
sub tombstone { return "$_[0]\t\\N\n"; }
sub send_lines { my $topic = shift; $kafka->tool('-e', 'produce', $topic, \join '', @_); return; }

sub rows
{
	return ask(q{SELECT string_agg(user_id || ' ' || service_id || ' ' ||
		to_char(last_accessed AT TIME ZONE 'UTC', 'MI'), ', ' ORDER BY user_id, service_id)
		FROM user_services});
}

# all within one batch, in an order that matters
$kafka->create_topic('logins', 1);
send_lines('logins',
	login('u1', 'u1', 'a', 10), login('u1', 'u1', 'b', 11), login('u2', 'u2', 'a', 12),
	tombstone('u1'),
	login('u1', 'u1', 'b', 5),        # after it, though older: it begins anew
	login('u3', 'u3', 'a', 20), login('u3', 'u3', 'b', 21),
	tombstone('{"user_id": "u3", "service_id": "a"}'),
	tombstone('nobody'),
	tombstone('{"user_id": "u2"}'), tombstone('\N'), tombstone('{}'), tombstone("\\xff"),
	tombstone('x' x 1025));
ask(q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": "delete"}')});
read_topic($node, $kafka, 'logins', topics => 'logins');
await_end($node, $kafka, 'logins', 'logins');
my $expected = 'u1 b 05, u2 a 12, u3 b 21';
is(rows(), $expected, 'what came before is deleted, what came after is not');
is(ask('SELECT batches FROM evaudit.stat_sources'), '1', 'all of that in one batch');
is(ask(q{SELECT string_agg(reason || ' ' || (source_position->>'offset'), ', ' ORDER BY id)
		FROM evaudit.dead_letters}),
	join(', ', map { "empty_payload $_" } 9 .. 13), 'a key that names nothing is a dead letter');
like(ask(q{SELECT string_agg(error, ';' ORDER BY id) FROM evaudit.dead_letters}),
	qr/not an object with user_id.*no key.*not an object.*not text.*1025 bytes/s, 'with the reason');

# the same again ends the same
ask(q{SELECT evaudit.seek_source('logins', 'earliest')});
$node->wait_for('SELECT received FROM evaudit.stat_sources', '28');
is(rows(), $expected, 'reading it again ends with the same rows');
ask(q{SELECT evaudit.seek_source('logins', '{"0": 3}')});
$node->wait_for('SELECT received FROM evaudit.stat_sources', '39');
is(rows(), $expected, 'also from the tombstone on');

# a dead letter deletes nothing: it has lost its place
ask(q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": null}')});
send_lines('logins', tombstone('u2'), login('u2', 'u2', 'c', 30));
await_end($node, $kafka, 'logins', 'logins');
ask(q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": "delete"}')});
is(ask(q{SELECT evaudit.redrive('logins')}), '0', 'a dead letter deletes nothing');
is(rows(), 'u1 b 05, u2 a 12, u2 c 30, u3 b 21', 'and nothing is deleted');

# ignored
ask(q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": "ignore"}')});
my $letters = ask('SELECT count(*) FROM evaudit.dead_letters');
send_lines('logins', tombstone('u2'), tombstone('\N'));
await_end($node, $kafka, 'logins', 'logins');
is(rows(), 'u1 b 05, u2 a 12, u2 c 30, u3 b 21', 'by another option it is ignored');
is(ask('SELECT count(*) FROM evaudit.dead_letters'), $letters, 'and is no dead letter');
is(ask(q{SELECT evaudit.redrive('logins') > 0}), 't', 'nor are those that were one');

# kept events go by their id
ask(q{SELECT evaudit.create_topic('kept',
	options => '{"keep": true, "event_id": "/id", "on_tombstone": "delete"}')});
$kafka->create_topic('kept', 1);
send_lines('kept', qq(a\t{"id": "a"}\n), qq(b\t{"id": "b"}\n), tombstone('a'), qq(c\t{"id": "c"}\n),
	tombstone('c'), qq(c\t{"id": "c", "n": 2}\n));
ask(q{SELECT evaudit.create_source('kept', 'kafka', 'kept', '{"topics": "kept"}')});
await_end($node, $kafka, 'kept', 'kept');
is(ask(q{SELECT string_agg(payload::text, ' ' ORDER BY event_id) FROM evaudit.events}),
	'{"id": "b"} {"n": 2, "id": "c"}', 'kept events are deleted by their id, and may come anew');

# of a topic that keeps events, too, they are ignored or dead letters by option
my $kept = q{SELECT count(*), (SELECT count(*) FROM evaudit.dead_letters WHERE source = 'kept'),
	(SELECT min(reason) FROM evaudit.dead_letters WHERE source = 'kept') FROM evaudit.events};
ask(q{SELECT evaudit.alter_topic('kept', options => '{"on_tombstone": "ignore"}')});
send_lines('kept', tombstone('b'));
await_end($node, $kafka, 'kept', 'kept');
is(ask($kept), '2|0|', 'kept events: ignored');
ask(q{SELECT evaudit.alter_topic('kept', options => '{"on_tombstone": "dead_letter"}')});
send_lines('kept', tombstone('b'));
await_end($node, $kafka, 'kept', 'kept');
is(ask($kept), '2|1|empty_payload', 'kept events: a dead letter');
ask(q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": "dead_letter"}')});
send_lines('logins', tombstone('u2'));
await_end($node, $kafka, 'logins', 'logins');
is(ask(q{SELECT count(*) FROM evaudit.dead_letters WHERE source = 'logins'
		AND reason = 'empty_payload' AND redriven_at IS NULL}), '1', 'and so by that name for logins');

# who may not delete does not
like(($node->psql('postgres', q{SELECT evaudit.create_topic('f', options => '{"keep": false,
		"project": "public.f", "on_tombstone": "delete"}')}))[2],
	qr/topic option "on_tombstone" must be ignore or dead_letter/, 'a function has nothing to delete');
like(($node->psql('postgres', q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": "x"}')}))[2],
	qr/topic option "on_tombstone" must be delete, ignore or dead_letter/, 'the values');
ask(q{SELECT evaudit.alter_topic('login', options => '{"on_tombstone": "delete"}');
	CREATE ROLE reader LOGIN; GRANT SELECT, INSERT, UPDATE ON user_services TO reader;
	GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	SET ROLE reader; SELECT evaudit.create_source('theirs', 'kafka', options => '{"topics": "theirs"}')});
$kafka->create_topic('theirs', 1);
send_lines('theirs', tombstone('u2'));
$node->wait_for(q{SELECT last_error FROM evaudit.stat_sources WHERE name = 'theirs'},
	'permission denied for table user_services');
is(ask(q{SELECT count(*) FROM user_services WHERE user_id = 'u2'}), '2', 'rights are the owner\'s');

done_testing();
