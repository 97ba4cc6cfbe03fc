# A write does not fail because it is audited, whatever the encoding of the
# database, the size of the row or the fate of the session's role.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main');

# What a table of JSON becomes in a database whose encoding has no euro sign
foreach my $encoding (qw(LATIN1 SQL_ASCII UTF8))
{

	$node->safe_psql('postgres', "CREATE DATABASE \"db_$encoding\"
		ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql("db_$encoding", q{
		CREATE EXTENSION evaudit;
		CREATE TABLE t (id int PRIMARY KEY, j json, v text);
		INSERT INTO t VALUES (1, '"\u20ac"'), (2, '"\u00e9"');
		SELECT evaudit.track('t');
		INSERT INTO t VALUES (3, '"\u20ac"');
		UPDATE t SET j = '"\u20ac "' WHERE id = 3;
		DELETE FROM t WHERE id = 1;
		TRUNCATE t});
	is( $node->safe_psql("db_$encoding", q{
			SET client_encoding = 'UTF8';
			SELECT operation, CASE jsonb_typeof(v) WHEN 'object' THEN v ->> 'j'
				ELSE v #>> '{}' END LIKE '%20ac%' AS escaped
			FROM audit, coalesce(old_value, new_value) v WHERE operation <> 'TRACK' ORDER BY seq}),
		$encoding eq 'UTF8'
		? "INSERT|f\nUPDATE|f\nDELETE|f\nTRUNCATE|f\nTRUNCATE|f"
		: "INSERT|t\nUPDATE|t\nDELETE|t\nTRUNCATE|f\nTRUNCATE|t",
		"$encoding: what has no character stays an escape");
}

# Bytes that no encoding has, in a database that takes any
is( $node->safe_psql('db_SQL_ASCII', q{
		SET client_encoding = 'SQL_ASCII';
		INSERT INTO t (id, v) VALUES (9, E'\xff\xfe');
		SELECT length(new_value ->> 'v') FROM audit WHERE item_key = '9'}),
	'2', 'bytes without encoding are kept');

# A session whose role was dropped
$node->safe_psql('postgres', q{
	CREATE TABLE t (id int PRIMARY KEY);
	GRANT ALL ON t TO PUBLIC;
	SELECT evaudit.track('t');
	CREATE ROLE mayfly LOGIN});
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'mayfly' ]);
my $role = $session->query_safe(q{INSERT INTO t VALUES (1);
	SELECT usesysid FROM pg_stat_activity WHERE pid = pg_backend_pid()});
$node->safe_psql('postgres', 'DROP ROLE mayfly');
$session->query_safe('INSERT INTO t VALUES (2); DELETE FROM t');
$session->quit;
is( $node->safe_psql('postgres', q{
		SELECT operation, item_key, session_role, role_name FROM audit
		WHERE operation <> 'TRACK' ORDER BY seq}),
	"INSERT|1|mayfly|mayfly\n" . join("\n", map {
		"$_|unknown (OID=$role)|unknown (OID=$role)" } 'INSERT|2', 'DELETE|1', 'DELETE|2'),
	'a role that was dropped is named as the server does');

# Values, and rows of values, that are too large
$node->safe_psql('postgres', q{
	CREATE TABLE big (id int PRIMARY KEY, a text, b text, c text, d bytea);
	SELECT evaudit.track('big');
	INSERT INTO big VALUES (1, repeat('x', 280000000), 'small');
	INSERT INTO big VALUES (2, repeat('a', 100000000), repeat('b', 100000001),
		repeat('c', 99999999));
	INSERT INTO big (id, d) VALUES (3, convert_to(repeat('d', 140000000), 'UTF8'));
	UPDATE big SET a = repeat('y', 280000000) WHERE id = 1});
is( $node->safe_psql('postgres', q{
		SELECT item_key, operation, key, coalesce(value ->> 'evaudit', 'kept'),
			coalesce(value ->> 'type', left(value #>> '{}', 5)), value ->> 'bytes'
		FROM audit, jsonb_each(CASE operation WHEN 'INSERT' THEN new_value
			ELSE jsonb_build_object('old', old_value, 'new', new_value) END) v
		WHERE relation = 'public.big' AND value <> 'null' AND key <> 'id'
			AND operation <> 'TRACK'
		ORDER BY seq, key}),
	join("\n",
		'1|INSERT|a|unavailable|text|280000000', '1|INSERT|b|kept|small|',
		'2|INSERT|a|kept|aaaaa|', '2|INSERT|b|unavailable|text|100000001',
		'2|INSERT|c|kept|ccccc|', '3|INSERT|d|unavailable|bytea|140000000',
		'1|UPDATE|new|unavailable|text|280000000',
		'1|UPDATE|old|unavailable|text|280000000'),
	'the largest values are told of');
is( $node->safe_psql('postgres', q{
		SELECT a.new_value -> 'b' ->> 'sha256' = encode(sha256(convert_to(b.b, 'UTF8')), 'hex'),
			d.new_value -> 'd' ->> 'sha256' = encode(sha256(c.d), 'hex')
		FROM audit a, audit d, big b, big c
		WHERE a.relation = 'public.big' AND a.item_key = '2' AND d.item_key = '3' AND b.id = 2 AND c.id = 3 AND d.relation = a.relation}),
	't|t', 'their hashes are those of the bytes');
$node->safe_psql('postgres', 'DELETE FROM big');
is($node->safe_psql('postgres', q{SELECT count(*) FROM audit
	WHERE relation = 'public.big' AND operation = 'DELETE'}),
	'3', 'and the rows can go');

$node->stop;
done_testing();
