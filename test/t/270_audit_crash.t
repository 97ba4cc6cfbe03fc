# The numbers of audit rows after a crash: none is given twice, also when a
# checkpoint came between the last record of the sequence and the crash.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "checkpoint_timeout = 1h\nautovacuum = off\n");
my $changes = 0;

# Change a row in so many transactions, and give the number of the last change.
sub change
{
	my ($n) = @_;
	$node->safe_psql('postgres', 'INSERT INTO changed VALUES (' . ++$changes . ')')
	  foreach 1 .. $n;
	return $node->safe_psql('postgres', 'SELECT max(seq) FROM audit');
}

$node->safe_psql('postgres', q{
	CREATE TABLE changed (id int PRIMARY KEY);
	SELECT evaudit.track('changed')});

# Numbers that a record from before the checkpoint covers are on no page that
# the crash leaves, if none is written after it
foreach my $round (1 .. 3)
{
	my $before = change(2);
	$node->safe_psql('postgres', 'CHECKPOINT');
	my $last = change(3);
	is($last, $before + 3, "round $round: numbers follow each other");
	$node->crash;
	cmp_ok(change(1), '>', $last, "round $round: and go on after the crash");
}
is( $node->safe_psql('postgres',
		q{SELECT count(*), count(DISTINCT seq), count(DISTINCT item_key) FROM audit
			WHERE operation <> 'TRACK'}),
	join('|', ($changes) x 3), 'all are there, once each');

# Few records cost few numbers: a crash skips what was logged ahead, no more
my $last = change(1);
$node->crash;
cmp_ok(change(1) - $last, '<=', 257, 'no more numbers are skipped than one record covers');

$node->stop;
done_testing();
