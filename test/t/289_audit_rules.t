# Rules for columns: a secret is nowhere but in its own table, keys of HMACs are
# read and rotated, and a dump carries the rules in whatever order.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use Evaudit::Cluster;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "log_min_messages = debug1\n");
my $files = PostgreSQL::Test::Utils::tempdir();
my $keys = "$files/keys";
my ($new, $old) = ('0f' x 32, 'a1' x 16);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# The error that a statement raises.
sub error_of
{
	my (undef, undef, $err) = $node->psql('postgres', $_[0]);
	return $err;
}

# Write the file of keys, and have it read.
sub set_keys
{
	my ($mode, @lines) = @_;
	open my $file, '>', $keys or die $!;
	print $file map { "$_\n" } @lines;
	close $file;
	chmod $mode, $keys;
	sql('SELECT pg_reload_conf()');
	return;
}

# Keys
$node->append_conf('postgresql.conf', "evaudit.hmac_key_file = '$keys'");
$node->reload;
sql(q{CREATE TABLE people (id int PRIMARY KEY, ssn text, n numeric)});
my $track = q{SELECT evaudit.track('people', '{"columns": {"ssn": "hmac", "n": "hmac"}}')};
my %refused = (
	'no file' => sub { unlink $keys },
	'a file that others may read' => sub { set_keys(0644, "k2 $new") },
	'a folder' => sub { unlink $keys; mkdir $keys },
	'no key' => sub { rmdir $keys; set_keys(0600, '# none') },
	'a short key' => sub { set_keys(0600, "k2 $new", 'k1 ' . 'ab' x 15) },
	'no digits' => sub { set_keys(0600, 'k2 ' . 'zz' x 32) },
	'an odd digit' => sub { set_keys(0600, "k2 ${new}0") },
	'more than a key' => sub { set_keys(0600, "k2 $new $new") },
	'an id twice' => sub { set_keys(0600, "k2 $new", "k2 $old") },
	'a large file' => sub { set_keys(0600, '#' x 70000) },);
foreach my $what (sort keys %refused)
{
	$refused{$what}->();
	my $error = error_of($track);
	like($error, qr/ERROR:  could not use the key file of evaudit.hmac_key_file/, "$what is refused");
	unlike($error, qr/$new|$old|\Q$files\E|(?:ab){15}|(?:zz){5}/, "$what: the message repeats nothing of it");
	rmdir $keys;
}
set_keys(0600, '# keys', "old $old");
sql($track);
sql(q{INSERT INTO people VALUES (1, '123-45-6789', 1.50), (2, NULL, NULL)});
my $session = $node->background_psql('postgres', on_error_die => 1);
$session->query_safe('CREATE TABLE still (id int, ssn text);'
	  . q{SELECT evaudit.track('still', '{"columns": {"ssn": "hmac"}}'); INSERT INTO still VALUES (1, '5')});
my $loaded = $session->query_safe('SELECT pg_conf_load_time()');
set_keys(0600, "new $new", '', "  old\t$old  ");
sql(q{UPDATE people SET ssn = '987', n = 1.5 WHERE id = 1});
my $hmac = sub { return hmac_sha256_hex($_[1], pack('H*', $_[0])) };
is( sql(q{SELECT new_value->'ssn'->>'key', new_value->'ssn'->>'hmac', new_value->'n'->>'hmac' FROM audit
		WHERE relation = 'public.people' AND item_key = '1' AND operation = 'INSERT'}),
	'old|' . $hmac->($old, '123-45-6789') . '|' . $hmac->($old, '1.50'), 'HMACs by the only key');
is( sql(q{SELECT new_value FROM audit WHERE item_key = '2'}), '{"n": null, "id": 2, "ssn": null}', 'NULL is NULL');
is( sql(q{SELECT updated_attribute, old_value->>'key', old_value->>'hmac', new_value->>'hmac' FROM audit
		WHERE relation = 'public.people' AND operation = 'UPDATE' ORDER BY seq}),
	join("\n",
		'ssn|new|' . $hmac->($new, '123-45-6789') . '|' . $hmac->($new, '987'),
		'n|new|' . $hmac->($new, '1.50') . '|' . $hmac->($new, '1.5')),
	'HMACs by the first key, after a reload');
# a session that lives on has them when it has reloaded
my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;
until ($session->query_safe("SELECT pg_conf_load_time() > '$loaded'") eq 't' || time() > $deadline) { }
$session->query_safe(q{INSERT INTO still VALUES (2, '5')});
$session->quit;
is( sql(q{SELECT new_value->'ssn'->>'key' FROM audit WHERE relation = 'public.still' AND operation = 'INSERT' ORDER BY seq}),
	"old\nnew", 'in a session that had read the file before, too');
is( sql(q{SELECT count(*) FROM audit WHERE new_value->'ssn' IN (SELECT evaudit.hmac_values('123-45-6789'))
		OR old_value IN (SELECT evaudit.hmac_values('123-45-6789'))}),
	'2', 'values are found by each key');
sql(q{CREATE TABLE keyed (ssn text PRIMARY KEY, v int);
	SELECT evaudit.track('keyed', '{"columns": {"ssn": "hmac"}}');
	INSERT INTO keyed VALUES ('123', 1)});
is( sql(q{SELECT item_key FROM audit WHERE relation = 'public.keyed' AND operation = 'INSERT'}),
	'{"key": "new", "hmac": "' . $hmac->($new, '123') . '"}', 'a key is its HMAC, too');
is( sql(q{CREATE ROLE plain; SET ROLE plain;
		SELECT count(*) FROM pg_settings WHERE name = 'evaudit.hmac_key_file'}),
	'0', 'where the keys are is not for everybody');

# Without keys nothing is written
unlink $keys;
sql('SELECT pg_reload_conf()');
like(error_of(q{INSERT INTO people VALUES (9, '555', 1)}), qr/could not use the key file/, 'no key, no change');
set_keys(0600, "new $new");

# Where rules could not follow their columns, they are the stricter
sql(q{CREATE TABLE unfollowed (id int PRIMARY KEY, remade text, retyped text, shown text);
	SELECT evaudit.track('unfollowed', '{"columns": {"remade": "exclude", "retyped": {"mask": "fixed"}}}');
	ALTER EVENT TRIGGER evaudit_keep_rules DISABLE;
	ALTER TABLE unfollowed DROP remade, ADD remade text, ALTER retyped TYPE varchar(20);
	ALTER TABLE unfollowed RENAME retyped TO renamed;
	ALTER EVENT TRIGGER evaudit_keep_rules ENABLE ALWAYS;
	INSERT INTO unfollowed VALUES (1, 'a', 'b', 'c')});
is(sql(q{SELECT new_value FROM audit WHERE relation = 'public.unfollowed' AND operation = 'INSERT'}),
	'{"id": 1, "shown": "b"}', 'a column made anew, or of another type, is excluded without event triggers');

# A secret is in its table, which is not logged, and nowhere else.  The
# statements do not have it either, as the log may show them.
sql(q{CREATE TYPE mood AS (why text);
	CREATE UNLOGGED TABLE users (id int, password text, pin text, doc jsonb, mood mood, big text, known text,
		shown text GENERATED ALWAYS AS (lower(password)) STORED, PRIMARY KEY (id, pin));
	SELECT evaudit.track('users', '{"columns": {"password": "exclude", "pin": "hmac", "doc": {"mask": "fixed"},
		"mood": {"mask": "keep_last:1"}, "big": "hmac"}}');
	CREATE UNLOGGED TABLE failing (id int PRIMARY KEY, secret text);
	SELECT evaudit.track('failing', '{"columns": {"secret": "exclude"}}')});
my ($secret, $known) = ('s3cretsw0rd', 'kn0wnw0rds');
my $s = q{reverse('} . reverse($secret) . q{')};
my $k = q{reverse('} . reverse($known) . q{')};
sql(qq{INSERT INTO users (id, password, pin, doc, mood, big, known)
		SELECT i, $s || i, $s || i, jsonb_build_object($s, $s), row($s)::mood, repeat($s, 10000), $k
		FROM generate_series(1, 3) i;
	UPDATE users SET password = $s || 'x', pin = pin || $s, doc = to_jsonb($s || 'x'), mood = row($s || 'x')::mood,
		big = big || 'x', known = $k || 'x';
	DELETE FROM users WHERE id = 1;
	TRUNCATE users;
	INSERT INTO users (id, password, pin) SELECT 7, $s, $s;
	ALTER TABLE audit ADD CHECK (relation <> 'public.failing' OR item_key <> '2')});
like(error_of(qq{INSERT INTO failing SELECT 2, $s}), qr/Failing row contains/, 'an error that shows a row of the audit');
sql(q{DROP TABLE failing; ALTER TABLE audit DROP CONSTRAINT audit_check; CHECKPOINT});

my @own = split /\n/, sql(q{SELECT pg_relation_filepath(c.oid) FROM pg_class c
	WHERE c.relname = 'users' OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'users'::regclass)
	OR c.oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'users')
	OR c.oid = (SELECT indexrelid FROM pg_index i JOIN pg_class t ON t.reltoastrelid = i.indrelid
		WHERE t.relname = 'users')});
my (%found, %searched);
find(
	{
		no_chdir => 1,
		wanted => sub {
			my $path = $File::Find::name;
			return unless -f $path;
			return if grep { $path =~ m{\Q$_\E(?:_init|\.\d+)?$} } @own;
			my $kind = $path =~ m{/pg_wal/} ? 'WAL' : $path =~ m{/base/} ? 'tables' : 'others';
			my $bytes = slurp_file($path);
			$searched{$kind}++;
			$found{$kind}{secret}++ if $bytes =~ /\Q$secret\E/i;
			$found{$kind}{known}++ if $bytes =~ /\Q$known\E/;
		}
	},
	$node->data_dir);
foreach my $kind ('WAL', 'tables')
{
	ok($found{$kind}{known}, "what is included is in $kind, where it is searched for");
	is($found{$kind}{secret} // 0, 0, "what is not is not in $kind");
}
is($found{others}{secret} // 0, 0, 'nor in other files of the server');
unlike(slurp_file($node->logfile), qr/$secret/, 'nor in its log');
is(sql(qq{SELECT count(*) FROM audit a WHERE a::text ILIKE '%' || $s || '%' OR a.document::text ILIKE '%' || $s || '%'}),
	'0', 'nor in documents');

# Dumps: columns have other numbers after a restore, and the rules are theirs
sql(q{CREATE TABLE moved (gone text, a text, gone2 text, b text, c text);
	ALTER TABLE moved DROP gone, DROP gone2;
	SELECT evaudit.track('moved', '{"columns": {"a": "exclude", "b": {"mask": "fixed"}}}');
	CREATE TABLE parts (gone text, id int, a text, b text) PARTITION BY RANGE (id);
	ALTER TABLE parts DROP gone;
	CREATE TABLE parts1 (b text, a text, id int);
	ALTER TABLE parts ATTACH PARTITION parts1 FOR VALUES FROM (0) TO (9);
	SELECT evaudit.track('parts', '{"columns": {"b": "include", "*": "exclude"}}');
	INSERT INTO moved VALUES ('a', 'b', 'c');
	INSERT INTO parts VALUES (1, 'a', 'b')});
my @to = ('-h', $node->host, '-p', $node->port);
my %ways = (
	whole => [ [ 'plain', '' ] ],
	'schema first' => [ [ 'schema', '-s' ], [ 'data', '-a' ] ],
	'schema alone' => [ [ 'schema', '-s' ] ],);
my $number = 0;
foreach my $way (sort keys %ways)
{
	my $copy = 'copy' . ++$number;
	sql("CREATE DATABASE $copy");
	foreach my $part (@{ $ways{$way} })
	{
		my ($name, $option) = @$part;
		command_ok([ 'pg_dump', @to, '-f', "$files/$name.sql", $option || (), 'postgres' ], "$way: dump");
		command_ok([ 'psql', '-XqAt', @to, '-v', 'ON_ERROR_STOP=1', '-f', "$files/$name.sql", $copy ],
			"$way: restore");
	}
	is( $node->safe_psql($copy, q{SELECT relation, enabled, options FROM evaudit.stat_audit
			WHERE relation::text IN ('moved', 'parts') ORDER BY 1}),
		qq[moved|t|{"columns": {"a": "exclude", "b": {"mask": "fixed"}}}\n]
		  . q[parts|t|{"columns": {"*": "exclude", "b": "include"}}], "$way: the rules are there");
	is( $node->safe_psql($copy, q{CREATE TEMP TABLE before AS SELECT max(seq) AS seq FROM audit;
			INSERT INTO moved VALUES ('a2', 'b2', 'c2');
			ALTER TABLE moved RENAME a TO x; ALTER TABLE moved RENAME c TO a;
			INSERT INTO moved VALUES ('a3', 'b3', 'c3');
			INSERT INTO parts1 VALUES ('b2', 'a2', 2);
			SELECT new_value FROM audit WHERE seq > (SELECT coalesce(max(seq), 0) FROM before)
				AND operation = 'INSERT' ORDER BY seq}),
		qq[{"b": "***", "c": "c2"}\n{"a": "c3", "b": "***"}\n{"b": "b2"}], "$way: and hold");
}

done_testing();
