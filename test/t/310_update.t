# ALTER EXTENSION UPDATE leads to what CREATE EXTENSION makes, object by
# object, from each release whose install script is kept in test/releases, and
# takes the data along: what was audited, published and defined before is there
# after it, and goes on.
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

# Have something of each kind in a database, by what each release has.
sub fill
{
	my ($node, $database) = @_;

	$node->safe_psql($database, q{
		INSERT INTO configuration VALUES ('a', '1'), ('b', 'null');
		UPDATE configuration SET value = '2' WHERE key = 'a';
		CREATE TABLE parts (i int PRIMARY KEY, t text, secret text) PARTITION BY RANGE (i);
		CREATE TABLE part PARTITION OF parts DEFAULT;
		SELECT evaudit.track('parts', '{"columns": {"secret": "exclude"}}');
		INSERT INTO parts SELECT i, 'x', 'y' FROM generate_series(1, 20) i;

		SELECT evaudit.create_issuer('example', '{"issuer": "https://login.example/", "audience": "events", "jwks":
			{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "_p0k3wV_tcspMRm8YXppkVfO5caTQOZVCxLjMWiuVI4"}]}}');
		SELECT evaudit.create_topic('builds', '{"type": "object", "required": ["id"]}', '{"event_id": "/id", "keep": true}');
		SELECT evaudit.grant_publish('builds', 'ada');
		SELECT evaudit.publish('builds', '{"id": "b-1"}');
		SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
			"service_name": "S", "timestamp": "2026-01-01T00:00:00Z"}');

		CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '127.0.0.1:1');
		SELECT evaudit.create_source('logins', 'kafka', options => '{"topics": "logins"}');
		SELECT evaudit.pause_source('logins');
		INSERT INTO evaudit.dead_letter_store (owner, source, topic, source_position, payload, reason, error)
		VALUES (current_user, 'logins', 'login', '{"offset": 1}', 'no', 'malformed_json', 'e');

		CREATE TABLE got (event_id text);
		CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
		BEGIN ATOMIC
			INSERT INTO got SELECT e.event_id FROM unnest(events)
				AS e(topic, event_id, key, payload, headers, event_time, subject, source, source_position);
		END;
		CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
		SELECT evaudit.create_sink('report', 'local', '{builds}', '{"function": "public.take"}');
		SELECT evaudit.pause_sink('report');
		SELECT evaudit.publish('builds', '{"id": "b-2"}')});
	return;
}

# Queries for what tables hold that have rows, ours and the extension's, each
# column by the name that it has now.
sub queries
{
	my ($node, $database) = @_;
	my @queries = split /\n/, $node->safe_psql($database, q{
		SELECT format('SELECT md5(string_agg(t::text, %L ORDER BY t::text)) FROM (SELECT %s FROM %s) t',
			' ', string_agg(quote_ident(attname), ', ' ORDER BY attnum), attrelid::regclass)
		FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r'
			AND relnamespace::regnamespace::text IN ('evaudit', 'public')
			AND relname !~ '^(outbox|sink_positions)'
		GROUP BY attrelid ORDER BY attrelid::regclass::text});

	return grep { $node->safe_psql($database, $_) ne '' } @queries;
}

# What was there before an update goes on after it.
sub goes_on
{
	my ($node, $database) = @_;

	is( $node->safe_psql($database, q{
			UPDATE configuration SET value = '3' WHERE key = 'a';
			UPDATE parts SET t = 'z', secret = 'w' WHERE i = 7;
			SELECT item_key, updated_attribute, old_value, new_value FROM audit ORDER BY seq DESC LIMIT 2}),
		qq(7|t|"x"|"z"\na|value|2|3), "$database: tables are audited as before");
	is( $node->safe_psql($database, q{
			SELECT evaudit.publish('builds', '{"id": "b-1"}');
			SELECT evaudit.publish('builds', '{"id": "b-3"}');
			SELECT count(*) FROM evaudit.events WHERE topic = 'builds'}),
		"b-1\nb-3\n3", "$database: events are remembered");
	$node->safe_psql($database, q{SELECT evaudit.resume_sink('report')});
	ok( $node->wait_for(q{SELECT string_agg(event_id, ' ' ORDER BY event_id) FROM got},
			'b-2 b-3', database => $database),
		"$database: the sink goes on where it was");
	is( $node->safe_psql($database, q{
			SELECT name, state FROM evaudit.stat_sources UNION ALL
			SELECT source, reason FROM evaudit.dead_letters ORDER BY 2}),
		"logins|malformed_json\nlogins|paused", "$database: so do sources");
	return;
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
	$node->safe_psql($database,
		'CREATE EXTENSION evaudit' . ($from ? " VERSION '$from'" : ''));
	$node->safe_psql($database, 'ALTER EXTENSION evaudit UPDATE') if $from;
	is( $node->safe_psql($database,
			"SELECT extversion FROM pg_extension WHERE extname = 'evaudit'"),
		$current, "$database has version $current");
	return objects($node, $database);
}

# An update from a version with data there.
sub update_data
{
	my ($database, $from) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE \"$database\"");
	$node->safe_psql($database, "CREATE EXTENSION evaudit VERSION '$from'");
	fill($node, $database);
	my @queries = queries($node, $database);
	cmp_ok(scalar(@queries), '>', 12, 'there are data');
	my $all = join(" UNION ALL ", @queries);
	my $before = $node->safe_psql($database, $all);
	$node->safe_psql($database, 'ALTER EXTENSION evaudit UPDATE');
	is($node->safe_psql($database, $all), $before, "$database: all rows are as they were");
	goes_on($node, $database);
	return;
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
		if ($release eq $current)
		{
			is(slurp_file("$folder/evaudit--$current.sql"),
				slurp_file($file), "$release is as it was released");
			next;
		}
		add_script($release, slurp_file($file));
		is(differences($fresh, install("from_$release", $release)),
			'', "from $release");
		update_data("data_$release", $release);
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
	update_data('data', '0.9');

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
