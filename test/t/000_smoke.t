# The extension can be created, with and without preload, and the harness
# notices what is not so.

use strict;
use warnings;

use Evaudit::Cluster;
use IPC::Run;
use Test::More;

foreach my $preload (0, 1)
{
	my $node = Evaudit::Cluster->new("preload_$preload", preload => $preload);
	my $what = $preload ? 'with preload' : 'without preload';

	is( $node->safe_psql(
			'postgres',
			q(SELECT extname FROM pg_extension WHERE extname = 'evaudit')),
		'evaudit',
		"CREATE EXTENSION $what");
	is($node->safe_psql('postgres', 'SHOW shared_preload_libraries'),
		$preload ? 'evaudit' : '', "server $what");
	$node->safe_psql('postgres',
		'DROP EXTENSION evaudit; CREATE EXTENSION evaudit');
	$node->wait_for('SELECT true');
	ok(!eval { $node->wait_for('SELECT 1', '2', deadline => 0.1); 1 },
		"a condition that never comes, $what");
	$node->stop;
}

# More than a pipe takes, to a program that reads nothing.
my $input = 'x' x 1_000_000;
ok(IPC::Run::run(['true'], '<', \$input), 'a program that does not read its input has its own exit code');

done_testing();
