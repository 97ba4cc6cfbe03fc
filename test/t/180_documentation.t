# What the pages say is so: their SQL runs and returns what they show, page by
# page in a database of its own with a broker and queues; their links lead
# somewhere; and docs/reference.md has all that is public, as the catalog has
# it, and nothing else.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Documentation;
use Evaudit::Mock;
use File::Basename;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $root = "$FindBin::RealBin/../..";

# Blocks of SQL that no test can run, by page; each says why.
my %not_run = ();

my @pages = ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md',
	'bench/README.md', 'test/README.md', 'test/fuzz/README.md',
	map { s{^\Q$root\E/}{}r } sort glob("$root/docs/*.md"),
	glob("$root/src/*/README.md"));
my %page = map { $_ => Evaudit::Documentation->new($root, $_) } @pages;

# ---- form: size, links, names ----

cmp_ok($page{'README.md'}->line_count, '<=', 200, 'README is read in minutes');
my %linked = map { $_ => 1 } $page{'README.md'}->linked_files;
is(join(' ', grep { m{^docs/} && !$linked{$_} } @pages), '',
	'README leads to every page');
is(join("\n", $page{$_}->broken_links), '', "links of $_") foreach @pages;

# Files that a page names are there, by the end of their path.
my @tree = map { s{^\Q$root\E/}{}r } map { glob "$root/$_" }
  qw(src/* src/*/* test/* test/*/* test/*/*/* sql/* scripts/* bench/* bench/*/*
  front/* demo/*);
foreach my $file (@pages)
{
	my %named = map { $_ => 1 } $page{$file}->text =~
	  m{(?<![\w/.-])((?:[\w-]+/)*[\w-]+\.(?:c|h|pm|sql|spec|t))\b(?![\w*-])}g;
	my @lost = grep { my $name = $_; !grep { "/$_" =~ m{/\Q$name\E$} } @tree }
	  grep { !/[A-Z]{3}/ } sort keys %named;
	is(join(' ', @lost), '', "files that $file names");
}

# ---- servers for the pages ----

my $kafka = Evaudit::Mock->new('logins');
my $aws = Evaudit::Aws->new;
my $node = Evaudit::Cluster->new('main', conf => "max_worker_processes = 32\nevaudit.alert_interval = 5\n");
my $mail = '"user_id": "123", "service_id": "mail", "service_name": "Mail"';

$kafka->produce(qq({$mail, "timestamp": "2022-08-04T08:50:39Z"}),
	qq({$mail, "timestamp": "2022-08-03T10:00:00Z"}),
	'{"user_id": "123", "service_id": "wiki", "service_name": "Wiki",'
	  . ' "timestamp": "yesterday"}');
$aws->queue->create_queue('logins');
$aws->queue->send('logins', qq({$mail, "timestamp": "2022-08-04T08:50:39Z"}),
	'not JSON');
$aws->queue->create_queue('account-deleted');
my $number = 0;
$aws->queue->send('account-deleted', map { encode_json({
		Type => 'Notification',
		MessageId => sprintf('95df01b4-ee98-5cb9-9903-4c221d41eb%02d', $number++),
		TopicArn => 'arn:aws:sns:eu-west-1:123456789012:account-deleted',
		Message => $_, Timestamp => '2026-01-01T09:00:00.000Z' }) }
	'{"email": "ada@example.com"}', '{"email": 17}');

# A page's SQL, for the servers and the files of here.
my $exports = PostgreSQL::Test::Utils::tempdir();

sub adapt
{
	my ($sql) = @_;
	my $servers = $kafka->servers;
	my $endpoint = $aws->endpoint;

	$sql =~ s/localhost:9092/$servers/g;
	$sql =~ s{/var/lib/postgresql/audit-export}{$exports}g;
	$sql =~ s/(OPTIONS \(region '[^']*')\)/$1, endpoint_url '$endpoint')/g;
	return $sql;
}

# Whether rows are what a page shows, where … stands for anything.
sub as_shown
{
	my ($rows, $shown) = @_;

	return 0 unless @$rows == @$shown;
	foreach my $i (0 .. $#$rows)
	{
		my $pattern = join '.*', map { quotemeta } split /…/, $shown->[$i], -1;
		$pattern =~ s/(?:\\ )*\\\|(?:\\ )*/\\s*\\|\\s*/g;
		return 0 unless $rows->[$i] =~ /^$pattern$/;
	}
	return 1;
}

# Run a block, and compare each statement with what its page says.
sub run_block
{
	my ($file, $database, $block) = @_;
	my ($script, $out, $n) = ('', '', 0);
	my @statements = @{ $block->{statements} };

	$script .= adapt($_->{sql}) . "\n\\echo \@\@ :SQLSTATE :LAST_ERROR_MESSAGE\n"
	  foreach @statements;
	$node->psql($database, $script, stdout => \$out, on_error_stop => 0,
		on_error_die => 0);
	my @outputs = $out =~ /\G(.*?)^\@\@ (\w{5}) ([^\n]*)\n?/gms;
	foreach my $statement (@statements)
	{
		my ($rows, $sqlstate, $message) = splice @outputs, 0, 3;
		my $what = sprintf '%s:%d, statement %d', $file, $block->{line}, ++$n;
		my @rows = split /\n/, $rows // '';

		is($sqlstate, $statement->{sqlstate} // '00000', "$what runs")
		  or diag "$message\n$statement->{sql}";
		next unless $statement->{result};
		my @shown = @{ $statement->{result} };
		ok(as_shown(\@rows, \@shown), "$what returns what is shown")
		  or diag "returned: $rows\nshown: " . join("\n", @shown);
	}
	return;
}

# ---- every block of every page ----

my %found;
foreach my $file (@pages)
{
	my @blocks = $page{$file}->sql_blocks or next;
	my $database = 'doc_' . (lc basename($file, '.md') =~ s/\W/_/gr);

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION evaudit')
	  unless grep { $_->{text} =~ /CREATE EXTENSION/ } @blocks;
	foreach my $block (@blocks)
	{
		if (defined $block->{not_run})
		{
			$found{$file}++;
			note "$file:$block->{line} is not run: $block->{not_run}";
			next;
		}
		$node->wait_for($block->{await}, 't', database => $database)
		  if $block->{await};
		run_block($file, $database, $block);
	}
}
is_deeply(\%found, \%not_run, 'no other block is left out');

# ---- the reference and the catalog ----

my $reference = $page{'docs/reference.md'};
my $member = q{SELECT objid FROM pg_depend WHERE deptype = 'e' AND refobjid =
	(SELECT oid FROM pg_extension WHERE extname = 'evaudit') AND classid = };

# Two lists, as text: a failure shows the lines that differ.
sub same
{
	my ($got, $expected, $what) = @_;
	my %got = map { $_ => 1 } @$got;
	my %expected = map { $_ => 1 } @$expected;

	is(join("\n", map { "not in the reference: $_" }
		  grep { !$got{$_} } sort keys %expected), '', "$what are all there");
	is(join("\n", map { "not in the catalog: $_" }
		  grep { !$expected{$_} } sort keys %got), '', "$what are true");
	return;
}

sub rows { return split /\n/, $node->safe_psql('postgres', $_[0]); }

# What is internal says so in its comment.
my $public = q{IS DISTINCT FROM 'internal'};
same(
	[ map { $_->[0] } $reference->tables(qr/Functions: .*/) ],
	[ map { s/::\w+( \w+)*(\[\])?//gr =~ s/timestamp with time zone/timestamptz/gr } rows(qq{
		SELECT format('%s%s(%s)%s', CASE prokind WHEN 'p' THEN 'CALL ' END,
			p.oid::regproc::text, pg_get_function_arguments(p.oid),
			' → ' || pg_get_function_result(p.oid))
		FROM pg_proc p WHERE p.oid IN ($member 'pg_proc'::regclass) AND
			substring(obj_description(p.oid, 'pg_proc') FROM '^internal')
			$public}) ],
	'functions');

my @relations = rows(qq{
	SELECT c.oid::regclass FROM pg_class c
	WHERE c.oid IN ($member 'pg_class'::regclass) AND relkind <> 'S' AND
		substring(obj_description(c.oid, 'pg_class') FROM '^internal') $public
	UNION ALL SELECT 'evaudit.event'});
my %headings = map { s/`//gr => $_ } $reference->headings;
is(join(' ', grep { !$headings{$_} } @relations), '', 'relations are all there');
foreach my $relation (grep { $headings{$_} } @relations)
{
	is(join("\n", map { "$_->[0] $_->[1]" }
		  $reference->tables(quotemeta $headings{$relation})),
		join("\n", map { s/timestamp with time zone/timestamptz/r } rows(qq{
			SELECT attname || ' ' || format_type(atttypid, atttypmod)
			FROM pg_attribute WHERE attrelid = '$relation'::regclass AND
				attnum > 0 AND NOT attisdropped ORDER BY attnum})),
		"columns of $relation");
}

# pages may have set some
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->restart;
my %set_by = (user => 'everybody', superuser => 'superusers',
	sighup => 'reload', postmaster => 'restart');
same(
	[ map { join ' ', @{$_}[ 0 .. 2 ] } $reference->tables('Settings') ],
	[ map { my ($name, $value, $context) = split /\|/, $_, -1;
			"$name $value $set_by{$context}" } rows(q{
		SELECT name, current_setting(name), context FROM pg_settings
		WHERE name LIKE 'evaudit.%'}) ],
	'settings');

# What options there are is told by who mistypes one.
$node->safe_psql('postgres', q{
	CREATE SERVER k FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" 'h');
	CREATE SERVER a FOREIGN DATA WRAPPER evaudit_aws OPTIONS (region 'x');
	CREATE SERVER f FOREIGN DATA WRAPPER evaudit_function;
	CREATE SERVER h FOREIGN DATA WRAPPER evaudit_webhook OPTIONS (url 'https://h/');
	CREATE USER MAPPING FOR CURRENT_USER SERVER h
		OPTIONS (secret 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')});
my @kinds = (
	'Options of a tracked table', q{SELECT evaudit.track('configuration', '{"x": 1}')},
	'Options of a topic', q{SELECT evaudit.create_topic('t', options => '{"x": 1}')},
	'Options of a Kafka source', q{SELECT evaudit.create_source('s', 'k', options => '{"x": 1, "topics": "t"}')},
	'Options of an SQS source', q{SELECT evaudit.create_source('s', 'a', options => '{"x": 1, "queue": "q"}')},
	'Options of an issuer', q{SELECT evaudit.create_issuer('i', '{"x": 1}')},
	'Options of an AWS server', q{CREATE SERVER x FOREIGN DATA WRAPPER evaudit_aws OPTIONS (x 'y')},
	'Options of an AWS user mapping', q{CREATE USER MAPPING FOR CURRENT_USER SERVER a OPTIONS (x 'y')},
	'Options of a webhook server', q{CREATE SERVER x FOREIGN DATA WRAPPER evaudit_webhook OPTIONS (x 'y')},
	'Options of a webhook user mapping', q{CREATE USER MAPPING FOR PUBLIC SERVER h OPTIONS (x 'y')});
my @sinks = map { [ $_->[0], "SELECT evaudit.create_sink('s', '$_->[1]', '{t}',"
	  . " '{\"x\": 1}'::jsonb || '$_->[2]')" ] } (
	[ 'Options of a Kafka sink', 'k', '{}' ],
	[ 'Options of an EventBridge sink', 'a', '{"service": "eventbridge"}' ],
	[ 'Options of an SQS sink', 'a', '{"service": "sqs"}' ],
	[ 'Options of an SNS sink', 'a', '{"service": "sns"}' ],
	[ 'Options of a sink of functions', 'f', '{}' ],
	[ 'Options of a sink of webhooks', 'h', '{}' ]);
foreach my $sink (@sinks)
{
	my ($heading, $sql) = @$sink;
	my ($hint) = ($node->psql('postgres', $sql, on_error_die => 0))[2] =~
	  /HINT:  Valid options.*?are: (.*)\./;
	same([ map { $_->[0] } map { $reference->tables($_) } 'Options of a sink', $heading ],
		[ split /, /, $hint // '' ], lc $heading);
}
while (my ($heading, $sql) = splice @kinds, 0, 2)
{
	my ($hint) = ($node->psql('postgres', $sql, on_error_die => 0))[2] =~
	  /HINT:  Valid options.*?are: (.*)\./;
	same([ map { split /, /, $_->[0] } $reference->tables($heading) ],
		[ split /, /, $hint // '' ], lc $heading);
}

# Reasons are in a comment of the catalog, SQLSTATEs in the source.
my $reasons = $node->safe_psql('postgres', q{
	SELECT description FROM pg_description JOIN pg_attribute
		ON attrelid = objoid AND attnum = objsubid
	WHERE objoid = 'evaudit.dead_letters'::regclass AND attname = 'reason'});
same([ map { $_->[0] } $reference->tables('Reasons of dead letters') ],
	[ split /, | or /, $reasons ], 'reasons');
my %raised;
foreach my $file (glob "$root/src/*/*.c")
{
	my $source = slurp_file($file);
	$raised{ lc $1 } = 1
	  while $source =~ /errcode\([^;]*?\bERRCODE_(?!TO_CATEGORY)(\w+)/g;
}
same([ map { /\b[0-9A-Z]{5} (\w+)/g } map { $_->[0] } $reference->tables('Errors') ],
	[ keys %raised ], 'errors');

# Whatever a page names is there: "evaudit.x" may be anything but nothing.
my %known = map { $_ => 1 } rows(qq{
	SELECT proname FROM pg_proc WHERE oid IN ($member 'pg_proc'::regclass)
	UNION SELECT relname FROM pg_class WHERE relnamespace = 'evaudit'::regnamespace
	UNION SELECT typname FROM pg_type WHERE typnamespace = 'evaudit'::regnamespace
	UNION SELECT substr(name, 9) FROM pg_settings WHERE name LIKE 'evaudit.%'});
my %file = map { $_ => 1 } qw(c h control so);
foreach my $file (grep { $_ ne 'CHANGELOG.md' } @pages)
{
	my %unknown;
	foreach my $name ($page{$file}->text =~ /\bevaudit\.(\w+)/g)
	{
		$unknown{$name} = 1 unless $known{$name} || $file{$name};
	}
	is(join(' ', sort keys %unknown), '', "$file names what is there");
}

$node->stop;
$aws->stop;
$kafka->stop;
done_testing();
