# Eight writers with rollbacks, subtransactions and pauses, while the process
# of a sink, a writer and the server are killed: a function sink has each
# committed event once, and those of each key in order.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Pipeline;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nmax_connections = 30\n"
	  . "restart_after_crash = on\nevaudit.outbox_max_size = '100MB'\n");

# what a writer has committed is in wrote, by the same transaction
$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE wrote (id text, writer int, n bigint);
	CREATE SEQUENCE ns;
	CREATE TABLE got (at bigint GENERATED ALWAYS AS IDENTITY, id text,
		writer int, n bigint);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO got (id, writer, n)
		SELECT e.event_id, (e.payload->>'writer')::int, (e.payload->>'n')::bigint
		FROM unnest(events) WITH ORDINALITY AS e(topic, event_id, key,
			payload, headers, event_time, subject, source, source_position, at)
		ORDER BY e.at;
	END;
	CREATE PROCEDURE event(writer int) LANGUAGE plpgsql AS $$
	DECLARE
		number bigint := nextval('ns');
	BEGIN
		INSERT INTO wrote VALUES (number::text, writer, number);
		PERFORM evaudit.publish('t', jsonb_build_object('writer', writer,
			'n', number), number::text);
	END $$;
	CREATE PROCEDURE transactions(writer int, times int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. times LOOP
			FOR j IN 0 .. floor(random() * 4)::int LOOP
				BEGIN
					CALL event(writer);
					IF random() < 0.2 THEN
						RAISE EXCEPTION 'undone';
					END IF;
				EXCEPTION WHEN raise_exception THEN
				END;
			END LOOP;
			IF random() < 0.3 THEN
				PERFORM count(*) FROM generate_series(1, (random() * 50000)::int);
			END IF;
			IF random() < 0.2 THEN
				ROLLBACK;
			ELSE
				COMMIT;
			END IF;
		END LOOP;
	END $$;
	SELECT evaudit.create_topic('t', NULL, '{"key": "/writer"}');
	SELECT evaudit.create_sink('sink', 'local', '{t}',
		'{"function": "public.take", "batch_size": 50}')});

# Begin writers that go on until they are killed or have had enough.  A server
# process notices that the postmaster is gone between two calls.
sub start_writers
{
	my ($times) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my @writers;

	foreach my $writer (1 .. 8)
	{
		append_to_file("$dir/$writer", "SET synchronous_commit = off;\n"
			  . "CALL transactions($writer, 10);\n" x $times);
		push @writers, IPC::Run::start(
			[ 'psql', '-qAtX', '-v', 'ON_ERROR_STOP=1', '-d',
				$node->connstr('postgres'), '-f', "$dir/$writer" ],
			'>', "$dir/out", '2>', "$dir/out");
	}
	return @writers;
}

my $count = 'SELECT count(*) FROM got';
my $pid = q{SELECT pid FROM evaudit.stat_sinks WHERE pid IS NOT NULL};

foreach my $victim (qw(sink writer server sink server))
{
	my @writers = start_writers(10000);
	my $before = $node->safe_psql('postgres', $count);

	$node->wait_for("SELECT ($count) > $before + 300", 't');
	if ($victim eq 'server')
	{
		$node->crash;
	}
	else
	{
		$node->kill_one($victim eq 'sink' ? "pid IN ($pid)" :
			  q{query LIKE 'CALL transactions%'});
	}
	# whoever is connected loses the connection
	$_->finish foreach @writers;
	$node->wait_for("SELECT EXISTS ($pid)", 't');
	pass("killed a $victim");
}

my @writers = start_writers(10);
$_->finish foreach @writers;
my $wrote = $node->safe_psql('postgres', 'SELECT count(*) FROM wrote');
$node->wait_for("SELECT pending FROM evaudit.stat_sinks", 0);
cmp_ok($wrote, '>', 1500, 'enough was written');
is($node->safe_psql('postgres', q{
	SELECT count(*), count(DISTINCT id) FROM got}), "$wrote|$wrote",
	'each committed event was sent once');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM wrote w FULL JOIN got g USING (id)
	WHERE w.id IS NULL OR g.id IS NULL}), 0, 'and none that was not');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT n, lag(n) OVER (PARTITION BY writer
		ORDER BY at) AS before FROM got) g WHERE before > n}), 0,
	'those of a key in order');

done_testing();
