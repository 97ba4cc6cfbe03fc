# The tests of EventGate itself, all of them, over HTTP and as they are: where
# EVAUDIT_EVENTGATE names a folder with its repository, which no registry has.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Gateway;
use File::Copy;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $suite = $ENV{EVAUDIT_EVENTGATE};
plan skip_all => 'EVAUDIT_EVENTGATE names no folder' unless $suite && -d $suite;
plan skip_all => 'EVAUDIT_GATEWAY is not set' unless $ENV{EVAUDIT_GATEWAY};
plan skip_all => Evaudit::Gateway::unavailable()
  if Evaudit::Gateway::unavailable();

# --- its configuration and its tables, by its own files

my $gateway = Evaudit::Gateway->new(map { "public.cps.za.$_" } qw(runs dlchange test status_change));
foreach my $file ('access.json', 'topic_keys.json', map { "topic_schemas/$_.json" } qw(runs dlchange test status_change))
{
	copy("$suite/conf/$file", "$gateway->{conf}/$file") or die "$file: $!";
}
my $node = Evaudit::Cluster->new('main');
$node->safe_psql('postgres', 'CREATE TABLE flyway_schema_history (version text, description text)');
foreach my $file (sort glob("$suite/database/migrations/V*.ddl"))
{
	$node->safe_psql('postgres', slurp_file($file) =~ s/\$\{\w+\}/changeme/gr);
}

# as examples/eventgate/README.md has it
my ($views) = slurp_file("$FindBin::RealBin/../../examples/eventgate/README.md") =~ /```sql\n(.*?)```/s;
$node->safe_psql('postgres', $views);
$gateway->import_into($node);
my $front = $gateway->start_front($node);

# --- a copy of the tests, with fixtures of ours

my $dir = PostgreSQL::Test::Utils::tempdir();
run_log([ 'cp', '-r', "$suite/tests", $dir ]) or die 'cp failed';
unlink "$dir/tests/unit/conftest.py", "$dir/tests/integration/conftest.py";
copy("$FindBin::RealBin/../gateway/conftest.py", "$dir/tests/integration/conftest.py") or die "conftest.py: $!";
mkdir "$dir/src" or die "mkdir: $!";
append_to_file("$dir/src/event_gate_lambda.py", "from tests.integration.conftest import Sessions\nwriters = {'postgres': Sessions()}\n");
append_to_file("$dir/src/event_stats_lambda.py", "from tests.integration.conftest import Sessions\nreader_postgres = Sessions()\n");

my ($out, $ok);
{
	my $url = $node->connstr('postgres');
	local %ENV = (%ENV,
		PYTHONPATH => "$ENV{EVAUDIT_GATEWAY}:$dir",
		PYTHONDONTWRITEBYTECODE => 1,
		PGHOST => $node->host, PGPORT => $node->port,
		AWS_ENDPOINT_URL => $gateway->{moto}->endpoint,
		GATE_URL => "http://127.0.0.1:$front->{port}",
		GATE_DATABASE => 'postgresql:///postgres',
		GATE_KAFKA => $gateway->{kafka}->servers,
		GATE_KEY => $gateway->{issuer}{key});
	$ok = IPC::Run::run([ 'python3', '-m', 'pytest', '-p', 'no:cacheprovider', '-v', '--rootdir', $dir, "$dir/tests/integration" ],
		'<', \undef, '>&', \$out);
}
my %results = $out =~ /^(\S+::\S+) (PASSED|FAILED|ERROR|SKIPPED)/mg;
is($results{$_}, 'PASSED', $_) foreach sort keys %results;
cmp_ok(scalar(keys %results), '>=', 45, 'all of its tests');
ok($ok, 'and no other fault') or diag($out);

$front->stop;
$node->stop;
done_testing();
