# How kept events are written and compared, as a table that is distributed over
# several nodes needs it: one event by INSERT ... VALUES, which one shard takes,
# and repeats by their ids alone, without a correlated subquery.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main');
plan skip_all => 'the server has no auto_explain'
  if $node->psql('postgres', "LOAD 'auto_explain'");

$node->safe_psql('postgres',
	q{SELECT evaudit.create_topic('t', options => '{"keep": true, "event_id": "/id"}')});

# The statements on the events that a query runs, each with its plan.
sub statements
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', qq{
		LOAD 'auto_explain';
		SET auto_explain.log_nested_statements = on;
		SET auto_explain.log_level = notice;
		SET auto_explain.log_min_duration = 0;
		$sql});

	is($status, 0, "$sql: runs") or diag($err);
	return grep { /evaudit\.events/ }
	  map { s/.*?Query Text: //sr } split /^.*NOTICE:  duration: /m, $err;
}

# Statements, without what differs between them: the kinds of them.
sub kinds
{
	return join ', ', map {
		/^INSERT INTO evaudit\.events .* VALUES \(/ ? 'insert values' :
		/^INSERT INTO evaudit\.events .* SELECT \$1, pg_catalog\.unnest/ ? 'insert arrays' :
		/^SELECT .* FROM evaudit\.events WHERE topic = \$1 AND event_id = ANY \(\$2\) ORDER BY/ ? 'find ids' :
		"other: $_"
	} @_;
}

my $publish = q{SELECT evaudit.publish('t', '{"id": "one"}')};
my @new = statements($publish);
is(kinds(@new), 'insert values', 'an event is one row of VALUES');
my @repeated = statements($publish);
is(kinds(@repeated), 'insert values, find ids', 'a repeat is looked for by its id');

# several at once: new ones, and then the same again
my $redrive = q{
	WITH letters AS (
		INSERT INTO evaudit.dead_letter_store (owner, owner_oid, source, topic, payload, reason, error)
		SELECT current_user, current_user::regrole, 's', 't',
			convert_to(format('{"id": "e%s"}', n), 'UTF8'), 'x', 'then'
		FROM generate_series(1, 3) n RETURNING id)
	SELECT array_agg(id) FROM letters};
my @batches;
foreach my $round (1, 2)
{
	my $ids = $node->safe_psql('postgres', $redrive);
	push @batches, [ statements("SELECT evaudit.redrive('$ids'::bigint[])") ];
}
is(kinds(@{ $batches[0] }), 'insert arrays', 'several are one INSERT of arrays');
is(kinds(@{ $batches[1] }), 'insert arrays, find ids', 'repeats are looked for by their ids');
is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.events'), 4, 'each is kept once');
is((grep { /SubPlan|InitPlan|Join|Nested Loop/ } @new, @repeated, map { @$_ } @batches), 0,
	'nothing is joined, or asked for each row');

done_testing();
