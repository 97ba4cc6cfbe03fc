# What a source reads again after seek_source(): how far it is, in stat_jobs and
# pg_stat_activity, and a cancel of it loses and repeats nothing.

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
$kafka->create_topic('numbers', 2);
foreach my $partition (0, 1)
{
	$kafka->tool('-p', $partition, 'produce', 'numbers',
		\join '', map { qq(k\t{"n": $_}\n) } 1 .. 500);
}

my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\n");
sub query { return $node->safe_psql('postgres', $_[0]); }

# Batches of one partition's second half wait for an advisory lock.
query(q{
	CREATE ROLE stranger LOGIN;
	CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
	CREATE TABLE seen (partition int, position int);
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.seen SELECT (e.source_position->>'partition')::int, (e.source_position->>'offset')::int FROM unnest(events) e;
		IF EXISTS (SELECT FROM unnest(events) e WHERE (e.source_position->>'offset')::int >= 250) THEN
			PERFORM pg_advisory_xact_lock_shared(7);
		END IF;
	END $$;
	SELECT evaudit.create_topic('number', options => '{"project": "public.take", "keep": false}')});
add_server($node, $kafka->servers);
query(q{SELECT evaudit.create_source('numbers', 'kafka', 'number', '{"topics": "numbers", "batch_size": 5}')});
$node->wait_for('SELECT received FROM evaudit.stat_sources', 1000);
is(query('SELECT count(*) FROM evaudit.stat_jobs'), 0, 'what is read for the first time is no re-reading');

# moved back, and held up half way
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(7)');
my $waiting = q{SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted};
my $job = q{SELECT work, subject, total, unit, started_at <= now() FROM evaudit.stat_jobs};
my $done = q{SELECT done FROM evaudit.stat_jobs};
my $again = q{SELECT count(*) - 1000 FROM seen};
query(q{SELECT evaudit.seek_source('numbers', 'earliest')});
$node->wait_for("SELECT count(*) FROM ($waiting) w", 1);
my $pid = query($waiting);
is(query($job), 're-read|numbers|1000|records|t', 'what is read again');
my $at = query($done);
cmp_ok($at, '>', 0, 'some is done');
cmp_ok($at, '<', 1000, 'and some is not');
is($at, query($again), 'as much as was');
is(query('SELECT pid FROM evaudit.stat_jobs'), $pid, 'by whom');
like(query("SELECT query FROM pg_stat_activity WHERE pid = $pid"),
	qr/^source "numbers": merging \d+ events, re-read $at of 1000 records, \d+ a second$/, 'pg_stat_activity says the same');
is($node->safe_psql('postgres', $done, extra_params => [ '-U', 'watcher' ]), $at, 'to pg_monitor');
is($node->safe_psql('postgres', $done, extra_params => [ '-U', 'stranger' ]), '', 'and to no other');

# cancelled: what was committed stays, and it goes on from there
query("SELECT pg_cancel_backend($pid)");
$node->wait_for("SELECT count(*) FROM ($waiting) w WHERE pid <> $pid", 1);
is(query($done), query($again), 'a cancel loses nothing');
query(q{SELECT evaudit.pause_source('numbers')});
$node->wait_for(q{SELECT cardinality(pids) FROM evaudit.stat_sources}, 0);
is(query($job), 're-read|numbers|1000|records|t', 'nor does a pause');
$holder->query_safe('SELECT pg_advisory_unlock(7)');
query(q{SELECT evaudit.resume_source('numbers')});
$node->wait_for($again, 1000);
$node->wait_for($job, '');
is(query('SELECT count(*), count(DISTINCT (partition, position)) FROM seen'), '2000|1000', 'each record was read again once');

# a part of a part: from one partition's middle on, of which the other is no part
$holder->query_safe('SELECT pg_advisory_lock(7)');
query(q{SELECT evaudit.seek_source('numbers', '{"1": 300}')});
$node->wait_for("SELECT count(*) FROM ($waiting) w", 1);
is(query($job), 're-read|numbers|200|records|t', 'one partition');
is(query($done), 0, 'from its middle');
like(query("SELECT query FROM pg_stat_activity WHERE pid = ($waiting)"), qr/, re-read 0 of 200 records, /, 'as pg_stat_activity says');
# moved on before it was done, it has further to go than where it is
query(q{SELECT evaudit.seek_source('numbers', '{"1": 100}')});
$node->wait_for("SELECT total FROM evaudit.stat_jobs", 400);
pass('the furthest place counts');
query(q{SELECT evaudit.seek_source('numbers', 'latest')});
$node->wait_for($job, '');
pass('which a seek ends');
$holder->quit;

$node->stop;
done_testing();
