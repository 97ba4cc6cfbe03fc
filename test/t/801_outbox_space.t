# The space of the outbox: given back once all sinks are past it, bounded when
# one is not, by the policy that is set; locks of a dump delay it, no more.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nevaudit.outbox_max_size = '1MB'\n"
	  . "log_min_messages = warning\n");

$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (id text);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO got SELECT event_id FROM unnest(events);
	END;
	-- an error that is no event's fault
	CREATE FUNCTION fail(events evaudit.event[]) RETURNS void LANGUAGE plpgsql
	AS $$ BEGIN
		RAISE EXCEPTION 'not now' USING ERRCODE = 'lock_not_available';
	END $$;
	SELECT evaudit.create_topic('t', NULL, '{"keep": false}');
	SELECT evaudit.create_sink('good', 'local', '{t}',
		'{"function": "public.take"}')});

my $number = 0;

# Publish events of a kilobyte, each in a transaction of its own.
sub publish
{
	my ($n) = @_;
	$node->safe_psql('postgres', qq{
		DO \$\$
		BEGIN
			FOR i IN 1 .. $n LOOP
				PERFORM evaudit.publish('t', jsonb_build_object('filler',
					(SELECT string_agg(md5(random()::text), '')
					 FROM generate_series(1, 30))), ($number + i)::text);
				COMMIT;
			END LOOP;
		END \$\$});
	$number += $n;
	return;
}

my $bytes = q{SELECT sum(pg_total_relation_size(r)) FROM unnest(ARRAY[
	'evaudit.outbox_0', 'evaudit.outbox_1', 'evaudit.outbox_2']::regclass[]) r};
my $small = "SELECT ($bytes) < 500000";
my $all_got = q{SELECT count(*) || ' ' || count(DISTINCT id) FROM got};

publish(1500);
$node->wait_for($all_got, '1500 1500');
$node->wait_for($small, 't');
pass('the space of what was sent is given back');
is($node->safe_psql('postgres',
	q{SELECT count(*) FROM evaudit.sinks WHERE detached IS NOT NULL}), 0,
	'and no sink was detached for it');

# somebody reads the outbox for long, as a dump does
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; LOCK evaudit.outbox IN ACCESS SHARE MODE');
publish(700);
$node->wait_for($all_got, '2200 2200');
pass('a lock on the outbox delays no sink');
is($node->safe_psql('postgres',
	q{SELECT count(*) > 600 FROM evaudit.outbox}), 't', 'but its truncation');
$reader->query_safe('COMMIT');
$reader->quit;
$node->wait_for($small, 't');
pass('which is done when the lock is gone');

# a sink that fails loses its place when the outbox is full; others go on
$node->safe_psql('postgres', q{
	SELECT evaudit.create_sink('bad', 'local', '{t}',
		'{"function": "public.fail"}')});
publish(1500);
$node->wait_for($all_got, '3700 3700');
$node->wait_for(q{SELECT state, last_error ~ '^the outbox reached'
	FROM evaudit.stat_sinks WHERE name = 'bad'}, 'stopped|t');
pass('a sink that holds up the outbox is detached');
like($node->safe_psql('postgres', q{SELECT state FROM evaudit.stat_sinks
	WHERE name = 'good'}), qr/^running$/, 'and no other is');
$node->wait_for($small, 't');
pass('its events are given up');
my ($ret, $out, $err) = $node->psql('postgres',
	q{SELECT evaudit.resume_sink('bad')});
like($err, qr/evaudit\.seek_sink/, 'it cannot be resumed as if nothing were missing');

$node->safe_psql('postgres', q{
	SELECT evaudit.seek_sink('bad', 'latest');
	SELECT evaudit.alter_sink('bad', '{"function": "public.take"}')});
publish(1);
$node->wait_for($all_got, '3702 3701');
pass('it runs again from where somebody says');

# publishers are told instead
$node->safe_psql('postgres', q{SELECT evaudit.pause_sink('bad')});
$node->wait_for(q{SELECT state, pid IS NULL FROM evaudit.stat_sinks WHERE name = 'bad'}, 'paused|t');
$node->append_conf('postgresql.conf', "evaudit.outbox_policy = block\n");
$node->reload;
$node->wait_for('SHOW evaudit.outbox_policy', 'block');
eval { publish(1500) };
like($@, qr/the outbox has reached evaudit\.outbox_max_size, 1024 kB/,
	'with the policy block publishers get an error');
like($@, qr/53400/, 'of a SQLSTATE that rejects no event') if $@ =~ /53400/;
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('bad')});
$node->wait_for($small, 't');
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM got');
$number = 10000;
publish(1);
$node->wait_for('SELECT count(*) FROM got', $before + 1);
pass('and can publish again when the sink is gone');

done_testing();
