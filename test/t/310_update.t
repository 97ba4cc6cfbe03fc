# ALTER EXTENSION UPDATE leads to what CREATE EXTENSION makes, object by
# object, from each release whose install script is kept in test/releases.
#
# That the comparison sees what a delta forgets is proved by releases that
# never were: the install script cut in two, and in two with a piece missing.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$ENV{TESTDIR}/..";
my ($current) =
  slurp_file("$root/evaudit.control") =~ /^default_version = '([^']+)'/m;

# The folder where the server finds the extension's scripts.
sub script_folder
{
	my $conf = $ENV{EVAUDIT_CONF} ? slurp_file($ENV{EVAUDIT_CONF}) : '';
	my ($share) = run_command([ 'pg_config', '--sharedir' ]);

	chomp $share;
	return "$1$share/extension" if $conf =~ /^extension_destdir = '(.+)'/m;
	return "$1/extension" if $conf =~ /^extension_control_path = '([^:]+):/m;
	return "$share/extension";
}

# All objects of the extension, each as pg_dump makes it anew.  It sorts by
# names; only binary upgrade shows what belongs to an extension, and the oids,
# transactions and tokens in that are not ours to compare.
sub objects
{
	my ($node, $database) = @_;
	my ($dump, $error) = run_command([ 'pg_dump', '--binary-upgrade',
			'--schema-only', '-h', $node->host, '-p', $node->port, $database ]);
	my %objects;

	die "pg_dump: $error" if $error;
	$dump =~ s/^.*binary_upgrade_(set_next|create_empty).*\n//mg;
	$dump =~ s/(frozenxid|minmxid|oid) = '\d+'/$1/g;
	$dump =~ s/^\\(un)?restrict .*\n//mg;
	foreach (split /^-- Name: /m, $dump)
	{
		my ($name, $text) = /^([^\n]*; Type: [^;\n]*)[^\n]*\n(.*)/s or next;
		$objects{$name} .= $text;
	}
	$objects{'data that is dumped'} = $node->safe_psql($database, q{
		SELECT c::regclass, extcondition[n] FROM pg_extension,
			unnest(extconfig) WITH ORDINALITY u(c, n)
		WHERE extname = 'evaudit' ORDER BY c::regclass::text});
	return \%objects;
}

# The names of objects that differ.
sub differences
{
	my ($a, $b) = @_;
	my %names = (%$a, %$b);

	return join(', ',
		grep { ($a->{$_} // '') ne ($b->{$_} // '') } sort keys %names);
}

my $node = Evaudit::Cluster->new('main', extension => 0);
my $folder = script_folder();
my @written;
END { unlink @written }

# Install a script until the end of the test.
sub add_script
{
	my ($name, $text) = @_;
	my $file = "$folder/evaudit--$name.sql";

	die "$file is there already" if -e $file;
	append_to_file($file, $text);
	push @written, $file;
	return;
}

# A new database with the extension, updated from a version if one is given.
sub install
{
	my ($database, $from) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE \"$database\"");
	$node->safe_psql($database, 'CREATE EXTENSION evaudit'
		  . ($from ? " VERSION '$from'; ALTER EXTENSION evaudit UPDATE" : ''));
	is( $node->safe_psql($database,
			"SELECT extversion FROM pg_extension WHERE extname = 'evaudit'"),
		$current, "$database has version $current");
	return objects($node, $database);
}

my $fresh = install('fresh');
cmp_ok(scalar(keys %$fresh), '>', 100, 'there are objects to compare');
is(differences($fresh, install('again')), '', 'one installation is as another');

SKIP:
{
	skip 'scripts cannot be added to the server', 1 unless -w $folder;

	foreach my $file (sort glob "$root/test/releases/evaudit--*.sql")
	{
		my ($release) = $file =~ /--(.*)\.sql$/;
		add_script($release, slurp_file($file)) unless $release eq $current;
		is(differences($fresh, install("from_$release", $release)),
			'', "from $release");
	}

	# where the parts of the script begin, sources among them
	my $script = slurp_file("$folder/evaudit--$current.sql");
	my ($first, $second) = $script =~ /^(.*?\n)(-- stats\.sql: .*)$/s;
	ok($second, 'the script can be cut in two');
	# every script begins by setting search_path
	$second = join("\n", $script =~ /^(SELECT pg_catalog\.set_config.*)$/m, $second);
	add_script('0.9', $first);
	add_script("0.9--$current", $second);
	is(differences($fresh, install('halves', '0.9')),
		'', 'two halves are the whole');

	my %pieces = (
		qr/^GRANT SELECT ON evaudit\.stat_audit [^;]*;/m =>
			'TABLE stat_audit; Type: ACL',
		qr/^COMMENT ON VIEW evaudit\.stat_sources IS\s+'.*?';\n/ms =>
			'VIEW stat_sources; Type: COMMENT');
	my $n = 0;
	foreach my $piece (sort keys %pieces)
	{
		my $broken = $second;
		ok($broken =~ s/$piece//, 'there is a piece to leave out');
		add_script("0.8.$n", $first);
		add_script("0.8.$n--$current", $broken);
		is(differences($fresh, install("broken_$n", "0.8.$n")),
			$pieces{$piece}, "without $pieces{$piece}");
		$n++;
	}
}
$node->stop;

done_testing();
