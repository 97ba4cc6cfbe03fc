# The runbook names what is there: each of its queries runs, each function of
# the extension that it names exists, and takes what the runbook gives it.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $text = slurp_file("$ENV{TESTDIR}/../docs/runbook.md");
my @entries = split /^## /m, $text;
shift @entries;
cmp_ok(scalar(@entries), '>', 15, 'there are entries');

# what the entries' queries are about
$node->safe_psql('postgres', q{
	CREATE TABLE t (i int PRIMARY KEY);
	SELECT evaudit.track('t');
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '127.0.0.1:1');
	SELECT evaudit.create_source('name', 'kafka', options => '{"topics": "logins"}');
	SELECT evaudit.pause_source('name');
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql AS '';
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	SELECT evaudit.create_topic('orders');
	SELECT evaudit.create_sink('name', 'local', '{orders}', '{"function": "public.take"}');
	SELECT evaudit.pause_sink('name')});

# What stands for a name, by the function that takes it.
my %names = ('evaudit.check_server' => 'kafka', 'evaudit.track' => 't');

foreach my $entry (@entries)
{
	my ($title) = $entry =~ /^(.*)/;

	like($entry, qr/^\*\*$_:\*\*/m, "$title: $_") foreach 'Means', 'Look at', 'Do';
	foreach my $code ($entry =~ /`([^`]+)`/g)
	{
		$code =~ s/\s+/ /g;
		if ($code =~ /^(SELECT|SHOW) /)
		{
			# nobody is there to be terminated
			$code =~ s/pg_terminate_backend\(…\)/pg_terminate_backend(0)/;
			$code =~ s/((?:\w+\.)?\w+)\('…'\)/"$1('" . ($names{$1} || 'name') . "')"/ge;
			my (undef, undef, $error) = $node->psql('postgres', $code);
			unlike($error, qr/ERROR: /, "$title: $code");
		}
		elsif ($code =~ /^(?:evaudit\.)?(\w+)\(\)$/)
		{
			is( $node->safe_psql('postgres',
					"SELECT count(*) > 0 FROM pg_proc WHERE proname = '$1'"),
				't', "$title: there is $1()");
		}
		elsif ($code =~ /^evaudit\.(\w+)$/ || $code =~ /^(stat_\w+)$/)
		{
			is( $node->safe_psql('postgres', "SELECT to_regclass('evaudit.$1') IS NOT NULL
					OR current_setting('evaudit.$1', true) IS NOT NULL"),
				't', "$title: there is $code");
		}
	}
}
$node->stop;
done_testing();
