# Rows of the audit are exported before retention deletes them, and relations
# can be kept for a time of their own.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Evaudit::Cluster;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => <<'CONF');
evaudit.retention_interval = '1s'
evaudit.segment_rows = 400
evaudit.max_backoff = '300ms'
CONF
my $directory = PostgreSQL::Test::Utils::tempdir();

sub query { return $node->safe_psql('postgres', $_[0]); }

# The error of a statement
sub refused
{
	my $stderr;

	$node->psql('postgres', $_[0], stderr => \$stderr);
	return $stderr =~ /ERROR:\s+(.*)/ ? $1 : '';
}

# Wait until segments are there for what is drawn next
sub ahead
{
	ok($node->wait_for(q{SELECT count(*) FROM evaudit.stat_segments WHERE state = 'ahead'}, '2'), 'segments are ahead');
	return;
}

# Remove the rule, and wait until nothing is at work on it
sub end_retention
{
	query(q{SELECT evaudit.set_retention('audit', NULL)});
	ok($node->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'evaudit retention'}, '0'), 'no retention');
	return;
}

# Every row that was exported, by its number; each file is what its manifest
# says
sub exported
{
	my %rows;

	foreach my $file (sort glob "$directory/*.jsonl")
	{
		my $content = slurp_file($file);
		my $manifest = decode_json(slurp_file("$file.manifest"));
		my @lines = split /\n/, $content;

		is(sha256_hex($content), $manifest->{sha256}, 'SHA-256 as the manifest has it');
		is(scalar @lines, $manifest->{rows}, 'as many rows');
		is(length $content, $manifest->{bytes}, 'as many bytes');
		is($file, "$directory/$manifest->{file}", 'the name');
		foreach my $line (@lines)
		{
			my $row = decode_json($line);
			$rows{ $row->{seq} } = $line;
		}
	}
	return \%rows;
}

# Who may say that files are written
query(q{CREATE ROLE keeper LOGIN; ALTER DATABASE postgres OWNER TO keeper});
my $export = qq{SELECT evaudit.set_retention('audit', '1 microsecond', '{"export": "$directory"}')};
like(refused("SET ROLE keeper; $export"), qr/permission denied to export/, 'not who owns the database');
is(refused(q{SELECT evaudit.set_retention('audit', '1 day', '{"export": "here"}')}),
	'"export" must be an absolute path of a directory', 'a relative path');
like(refused(qq{SELECT evaudit.set_retention('audit', '1 day', '{"export": "$directory/no"}')}),
	qr/could not stat directory/, 'a directory that is not there');
like(refused(qq{SELECT evaudit.set_retention('audit', '1 day', '{"relations": $_}')}), qr/relation/, "no relations: $_")
  foreach '"public.t"', '["public.t"]', '[{"relation": "public.t"}]',
  '[{"relation": "t", "keep": "1 day"}, {"relation": "t", "keep": "2 days"}]';
like(refused(q{SELECT evaudit.set_retention('audit', '1 day', '{"relations": [{"relation": "t", "keep": "-1 day"}]}')}),
	qr/"keep" must be an interval that is positive/, 'no age');

# Relations for themselves: one for a shorter time, one for a longer one
query(q{CREATE TABLE t (id serial PRIMARY KEY, v text); SELECT evaudit.track('t');
	CREATE TABLE short (id serial PRIMARY KEY, v text); SELECT evaudit.track('short');
	CREATE TABLE long (id serial PRIMARY KEY, v text); SELECT evaudit.track('long')});
query(q{INSERT INTO t (v) SELECT 0 FROM generate_series(1, 100)});
ahead();
query(q{INSERT INTO short (v) VALUES ('s1'); INSERT INTO long (v) VALUES ('l1');
	INSERT INTO t (v) SELECT E'é\u2028\n"' || i FROM generate_series(1, 600) i;
	INSERT INTO short (v) VALUES ('s2'); INSERT INTO long (v) VALUES ('l2')});
ahead();
query(q{INSERT INTO t (v) SELECT 0 FROM generate_series(1, 200);
	INSERT INTO short (v) SELECT 0 FROM generate_series(1, 20)});
my %all = map { split /\t/, $_, 2 } split /\n/, query(q{SELECT seq || E'\t' || to_jsonb(a)::text FROM audit a});
query(q{SELECT evaudit.set_retention('audit', '1 year', '{"relations": [{"relation": "public.short", "keep": "1 microsecond"}]}')});
ok($node->wait_for(q{SELECT count(*) FROM audit WHERE relation = 'public.short'}, '0'), 'what is kept for a shorter time goes');
is(query(q{SELECT count(*) FROM audit WHERE relation <> 'public.short' AND operation = 'INSERT'}), '902', 'nothing else');
query(q{INSERT INTO short (v) VALUES ('s3')});
ok($node->wait_for(q{SELECT count(*) FROM audit WHERE relation = 'public.short'}, '0'), 'so does what comes later');
is(query(q{SELECT state, exported, deleted FROM evaudit.stat_retention}), 'active|0|24', 'it was not to be exported');

# An export that fails deletes nothing
my $closed = q{SELECT string_agg(segment::text, ' ' ORDER BY first_seq) FROM evaudit.stat_segments WHERE state = 'closed'};
like(query($closed), qr/^evaudit\.audit_1\b/, 'a segment is closed');
my $long = qq{'{"export": "$directory", "relations": [{"relation": "public.long", "keep": "1 year"}]}'};
query(q{GRANT pg_write_server_files TO keeper});
query(qq{SET ROLE keeper; SELECT evaudit.set_retention('audit', '1 year', $long)});
query(q{REVOKE pg_write_server_files FROM keeper});
query(q{UPDATE evaudit.retention SET keep = '1 microsecond', next_run_at = now()});
ok($node->wait_for(q{SELECT state || ' ' || detail FROM evaudit.stat_retention},
		'failed permission denied to export rows of table "audit"'),
	'whose right is revoked exports nothing any more');
is(query(q{SELECT count(*) FROM audit WHERE relation = 'public.t' AND operation = 'INSERT'}), '900', 'and nothing is deleted');
is_deeply([ glob "$directory/*" ], [], 'no file');

# What a crash left is in nobody's way; of a link nothing is written to
append_to_file("$directory/precious", 'precious');
my ($system) = query('SELECT system_identifier FROM pg_control_system()');
my ($oid) = query(q{SELECT oid FROM pg_database WHERE datname = 'postgres'});
symlink "$directory/precious", "$directory/audit-$system-$oid.part" or die;

# What is deleted is in files before, whole segments or rows
query("SELECT evaudit.set_retention('audit', '1 microsecond', $long)");
ok($node->wait_for(q{SELECT count(*) FROM audit WHERE relation <> 'public.long' AND seq <= (SELECT last_seq
		FROM evaudit.audit_segments() WHERE segment = 'evaudit.audit_1'::regclass)}, '0'), 'rows go');
is(query(q{SELECT string_agg(new_value ->> 'v', ' ' ORDER BY seq) FROM audit WHERE relation = 'public.long' AND operation = 'INSERT'}),
	'l1 l2', 'not those that are kept for longer');
end_retention();
is(slurp_file("$directory/precious"), 'precious', 'what a link leads to stays');
my $rows = exported();
my %left = map { $_ => 1 } split /\n/, query('SELECT seq FROM audit');
my @lost = grep { !$left{$_} && !$rows->{$_} && $all{$_} !~ /public\.short/ } keys %all;
is("@lost", '', 'nothing is lost');
is_deeply([ grep { $all{$_} ne $rows->{$_} } keys %$rows ], [], 'each row is as it was');
cmp_ok(scalar keys %$rows, '>=', 400, 'as many as are gone');
unlink glob "$directory/*";

# Without the one that is kept for longer, a segment goes as a whole; the server
# crashes at any time
query(q{INSERT INTO t (v) SELECT 0 FROM generate_series(1, 400)});
ahead();

# The right counts for each segment, not only when a run begins
my ($segment) = split / /, query($closed);
my $holder = $node->background_psql('postgres', on_error_die => 1);
$holder->query_safe("BEGIN; LOCK TABLE ONLY $segment IN ACCESS EXCLUSIVE MODE");
query("GRANT pg_write_server_files TO keeper; SET ROLE keeper; $export");
ok( $node->wait_for(qq{SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE relation = '$segment'::regclass AND NOT granted AND backend_type = 'evaudit retention'}, '1'),
	'a run has come to a segment');
query('REVOKE pg_write_server_files FROM keeper');
$holder->query_safe('COMMIT');
$holder->quit;
ok($node->wait_for(q{SELECT state || ' ' || detail FROM evaudit.stat_retention},
		'failed permission denied to export rows of table "audit"'),
	'whose right is revoked meanwhile does not export it');
end_retention();
like(query($closed), qr/^\Q$segment\E\b/, 'it is not dropped');
unlike(join('', map { slurp_file($_) } glob "$directory/*.manifest"), qr/"segment": "/, 'nor in a file');
unlink glob "$directory/*";

%all = map { split /\t/, $_, 2 } split /\n/, query(q{SELECT seq || E'\t' || to_jsonb(a)::text FROM audit a});
foreach my $time (1 .. 3)
{
	query($export);
	$node->crash;
	%left = map { $_ => 1 } split /\n/, query('SELECT seq FROM audit');
	my @whole = grep { -e "$_.manifest" } glob "$directory/*.jsonl";
	foreach my $file (@whole)
	{
		is(sha256_hex(slurp_file($file)), decode_json(slurp_file("$file.manifest"))->{sha256},
			"crash $time: a file with a manifest is whole");
	}
	my %there = map { decode_json($_)->{seq} => 1 } map { split /\n/, slurp_file($_) } @whole;
	is(join(' ', grep { !$left{$_} && !$there{$_} } keys %all), '', "crash $time: nothing is lost");
}
ok($node->wait_for("SELECT coalesce(($closed), '')", ''), 'segments go');
end_retention();
$rows = exported();
%left = map { $_ => 1 } split /\n/, query('SELECT seq FROM audit');
is(join(' ', grep { !$left{$_} && ($rows->{$_} // '') ne $all{$_} } keys %all), '', 'each row that is gone was exported');
like(join('', map { slurp_file($_) } glob "$directory/*.manifest"), qr/"segment": "evaudit\.audit_\d+"/,
	'whole segments among them');
is_deeply([ glob "$directory/*.part" ], [], 'nothing unfinished is left');

$node->stop;
done_testing();
