# Retention of the audit: whole segments go, and rows that are in none; not what
# is held, not what a sink has yet to send, and no writer waits long for it.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => <<'CONF');
evaudit.retention_interval = '1s'
evaudit.segment_rows = 400
evaudit.max_backoff = '300ms'
CONF

sub query { return $node->safe_psql('postgres', $_[0]); }

# Wait until segments are there for what is drawn next: a segment begins above
# what was drawn when it was made
sub ahead
{
	ok( $node->wait_for(q{
			SELECT count(*) FROM pg_partition_tree('audit') s JOIN pg_class c ON c.oid = s.relid,
				audit_seq_seq q
			WHERE substring(pg_get_expr(c.relpartbound, c.oid)
				FROM $$FROM \('?(\d+)$$)::bigint > q.last_value}, '2'), 'segments are ahead');
	return;
}

# Rows of audit, a segment's worth
sub fill
{
	query(q{INSERT INTO t (v) SELECT 0 FROM generate_series(1, 400)});
	ahead();
	return;
}

# The rule's state, and for what it waits
my $state = q{SELECT state || ' ' || coalesce(detail, '') FROM evaudit.stat_retention WHERE what = 'audit'};

# The first number that is there
my $first = q{SELECT min(substring(s.relid::text FROM '\d+')::int) FROM pg_partition_tree('audit') s};

query(q{CREATE TABLE t (id serial PRIMARY KEY, v int); SELECT evaudit.track('t');
	INSERT INTO t (v) SELECT 0 FROM generate_series(1, 110)});
ahead();
fill() foreach 1 .. 4;
my $held = query('SELECT item_key FROM evaudit.audit_3 LIMIT 1');
query(qq{INSERT INTO evaudit.audit_holds (relation, item_key, reason)
	VALUES ('public.t', '$held', 'a dispute'), ('public.t', '5', 'a dispute')});

# Nothing is deleted that is not old
query(q{SELECT evaudit.set_retention('audit', '1 day')});
ok($node->wait_for(q{SELECT last_run_at IS NOT NULL FROM evaudit.stat_retention WHERE what = 'audit'}, 't'), 'a run');
is(query("$first"), '1', 'what is young stays');
is(query('SELECT count(*) > 1700 FROM audit'), 't', 'all of it');

# What is old goes, up to what is held
query(q{SELECT evaudit.set_retention('audit', '1 microsecond')});
ok($node->wait_for($state, 'waiting rows are held in evaudit.audit_3'), 'it waits for what is held');
is(query($first), '3', 'segments before it are gone');
is(query(q{SELECT string_agg(item_key, ' ') FROM evaudit.audit_default}), '5', 'and rows that are in none');
is(query(q{SELECT count(*) FROM evaudit.audit_3}), '400', 'the segment is whole');
is(query(q{SELECT deleted > 100 FROM evaudit.stat_retention WHERE what = 'audit'}), 't', 'they are counted');

# A sink of the audit
query(q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n int);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql AS
		'INSERT INTO public.got VALUES (cardinality(events))';
	SELECT evaudit.create_sink('trail', 'local', '{audit}', '{"function": "public.take"}')});
query(q{SELECT evaudit.pause_sink('trail')});
fill() foreach 1 .. 2;
query('DELETE FROM evaudit.audit_holds');
ok($node->wait_for("SELECT ($state) ~ '^waiting a sink has not sent all rows of evaudit.audit_'", 't'),
	'it waits for the sink');
my $waiting = query($first);
cmp_ok($waiting, '>', 3, 'when what is held no more is gone');
query(q{SELECT evaudit.resume_sink('trail')});
fill();
ok($node->wait_for("SELECT ($first) > $waiting", 't'), 'and goes on when it has sent them');
query(q{SELECT evaudit.drop_sink('trail')});

# Who holds a lock is not waited for by others
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe('BEGIN; INSERT INTO t (v) VALUES (1)');
fill() foreach 1 .. 2;
ok($node->wait_for("SELECT ($state) ~ 'audit is in use, could not drop evaudit.audit_'", 't'), 'it waits for a writer');
is(query('INSERT INTO t (v) VALUES (2) RETURNING v'), '2', 'others write');
$holder->query_safe('COMMIT');
$holder->quit;
my $now = query($first);
ok($node->wait_for("SELECT ($first) > $now OR ($state) ~ '^active'", 't'), 'and goes on then');

# Without a rule nothing goes
query(q{SELECT evaudit.set_retention('audit', NULL)});
is(query(q{SELECT count(*) FROM evaudit.stat_retention}), '0', 'no rule');

$node->stop;
done_testing();
