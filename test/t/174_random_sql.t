# Whatever a role with nothing but TEMP calls, with whatever arguments, in
# databases of several encodings, and however often it is cancelled or
# terminated: the server goes on.  So it does for a role that may call all
# functions but is no superuser.
#
# EVAUDIT_TEST_SEED chooses the calls, EVAUDIT_TEST_CALLS how many there are.

use strict;
use warnings;

use Evaudit::Cluster;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{EVAUDIT_TEST_SEED} || 20;
my $calls = $ENV{EVAUDIT_TEST_CALLS} || 300;
note("seed $seed, $calls calls for each role and database");
srand($seed);

my %locales = (UTF8 => 'C.UTF-8', SQL_ASCII => 'C', LATIN1 => 'C', EUC_JP => 'C');
my $node = Evaudit::Cluster->new('main', extension => 0,
	conf => "log_statement = none\nlog_min_error_statement = panic\n"
	  . "log_error_verbosity = verbose\nevaudit.max_backoff = '300ms'\n"
	  . "max_worker_processes = 20\nmax_locks_per_transaction = 256\n");

sub pick { return $_[ int rand @_ ]; }

# A text, mostly one that means something somewhere.
sub text_value
{
	my $kind = int rand 12;

	return "repeat('" . pick('x', '[', '{"a":', '\\', '(a*)', '%', '/') . "', "
	  . pick(1, 63, 250, 1025, 70000, 1_000_000) . ')'
	  if $kind == 0;
	return 'convert_from(decode(' . pick("'01ff'", "'c3a4'", "'e4'", "'8ea1'", "'f09f9880'")
	  . ", 'hex'), getdatabaseencoding())"
	  if $kind == 1;
	my $text = pick('', 'login', 'http_events', 'kept', 'function', 's', 'k', 'nobody',
		'a', '{}', '-1', 'NaN', 'infinity', 'earliest', 'latest', '2022-08-04T08:50:39Z',
		'{"0": 17}', '{"0": 9223372036854775807}', '{"x": {}}', '/a/b~2', 'a.b.c',
		'eyJhbGciOiJub25lIn0.e30.', 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJpIn0.AAAA',
		'http://x/y', 'urn:a', '^(a*)*\\1$', 'pg_catalog.pg_class', 'GET', 'POST', '/health',
		'/topics', '/topics/kept', '/stats/kept', '/events/1', '/users/u/services',
		'/../..%00', '/openapi.yaml', 'alice', "it''s", '$1', '%n%s');
	return "'$text'";
}

# A document, mostly of options, schemas or events.
sub jsonb_value
{
	my $deep = pick(3, 129, 2000);

	return "repeat('[', $deep) || repeat(']', $deep)" if rand() < 0.1;
	return "'" . json(0) . "'";
}

# JSON text, of small depth; half of it made of words that are known.
sub json
{
	my ($depth) = @_;
	my $kind = int rand($depth > 3 ? 6 : 9);

	return pick('null', 'true', 'false') if $kind == 0;
	return pick('0', '-1', '1.0', '1e3', '1e400', '-1e-400', '9223372036854775808', '2147483648')
	  if $kind == 1;
	return '"' . pick('', 'a', 'login', 'user_services', 'pg_catalog.now', 'e.f', 'object',
		'array', 'string', '5min', '-1 day', '/a', '/id', 'rfc3339', 'record', '^a', '(', '#',
		'#/$defs/a', 'http://x/y', 'https://127.0.0.1:1/', 'RS256', 'date-time', 'x' x 300,
		'http://json-schema.org/draft-07/schema#', '\\\\', '\\u00e4') . '"'
	  if $kind < 6;
	return '[' . join(', ', map { json($depth + 1) } 1 .. int rand 4) . ']' if $kind == 6;
	return '{' . join(', ', map { '"' . pick('id', 'type', 'properties', 'items', 'required',
				'$ref', '$id', '$defs', '$schema', 'allOf', 'not', 'pattern', 'format', 'enum',
				'key', 'event_id', 'timestamp', 'timestamp_format', 'fields', 'project', 'keep',
				'max_future', 'max_payload_bytes', 'topics', 'start', 'workers', 'queue',
				'batch_size', 'batch_interval', 'jwks', 'pem', 'keys', 'jwks_url', 'algorithms',
				'issuer', 'audience', 'user_id', 'service_id', 'service_name', 'user_id', 'a', 'schema',
				'options', 'login', 'kept', 'Authorization', 'jobs', '') . '": ' . json($depth + 1) }
		  1 .. int rand 6) . '}';
}

my %values = (
	text => \&text_value,
	jsonb => \&jsonb_value,
	name => sub { "left(" . text_value() . ", 63)" },
	boolean => sub { pick('true', 'false') },
	integer => sub { pick(-2147483648, -1, 0, 1, 100, 2147483647) },
	bigint => sub { pick('-9223372036854775808', -1, 0, 1, '9223372036854775807') },
	'bigint[]' => sub { pick("'{}'", "'{1,NULL}'", "'{{1,2},{3,4}}'", "'[5:6]={1,2}'",
			'array_fill(1::bigint, ARRAY[100000])') },
	bytea => sub { pick("''", "'{}'", "'\\x00ff'", "'{\"id\": \"1\"}'", "'[1,2'",
			"convert_to(repeat('[', 100000), 'UTF8')") },
	regclass => sub { pick('0', "'pg_class'", "'t'", "'v'", "'p'", "'t_pkey'", "'audit'",
			"'configuration'", "'evaudit.topics'", "'evaudit.stat_sources'", 4294967295) },
	oid => sub { pick(0, 1, 1259, 4294967295) },
	'text[]' => sub { pick("'{}'", "'{a=b}'", "'{NULL}'", "'{bootstrap.servers=127.0.0.1:1}'",
			"'{region=,a}'") },
	audit => sub { pick('NULL', "'(,,,,,,,,,,,,,,)'::audit", 'row(NULL)::audit',
			"jsonb_populate_record(NULL::audit, '{\"operation\": \"X\", \"id\": \"" . ('0' x 32)
			  . "\", \"modification_time\": \"infinity\", \"updated_attribute\": \"a\"}')") });

# One statement out of all that a role can do with the extension.
sub statement
{
	my (@functions) = @_;
	my ($name, @types) = split /\|/, pick(@functions);	# with SELECT or CALL before it
	my @args = map { my $type = $_ =~ s/^.*\.//r;
		rand() < 0.1 || !$values{$type} ? 'NULL' : '(' . $values{$type}->() . ')::' . $_ } @types;
	my $limit = rand() < 0.2 ? int(rand 20) + 1 : 1000;

	return trigger_statement() if rand() < 0.1;
	return "SET statement_timeout = $limit; $name(" . join(', ', @args) . ");";
}

# Trigger functions attached by hand, to whatever one can make.
sub trigger_statement
{
	my $function = pick('capture', 'capture_truncate', 'announce_change', 'forget_grants',
		'forget_database', 'restore_topic', 'restore_configuration', 'issuers_changed',
		'track_partitions');
	return 'DROP TRIGGER IF EXISTS x ON ' . pick('t', 'v', 'p') . ';' if rand() < 0.3;
	return pick("INSERT INTO t VALUES (1, 'a');", "INSERT INTO v VALUES (1);", 'TRUNCATE t, p;',
		'DELETE FROM t;', "INSERT INTO p VALUES (1);", "UPDATE t SET v = 'b';",
		"COPY t FROM PROGRAM 'true';") if rand() < 0.5;
	return "SET statement_timeout = 1000; CREATE TRIGGER " . pick('x', '"00_evaudit_capture"', '"00_evaudit_capture_truncate"')
	  . ' ' . pick('BEFORE', 'AFTER', 'INSTEAD OF')
	  . ' ' . pick('INSERT', 'INSERT OR UPDATE OR DELETE', 'TRUNCATE', 'DELETE') . ' ON '
	  . pick('t', 'v', 'p', 'audit') . ' FOR EACH ' . pick('ROW', 'STATEMENT')
	  . ' ' . pick('', '', 'WHEN (false)') . " EXECUTE FUNCTION evaudit.$function(" . pick('', "'a'") . ');';
}

# Run statements as a role, while another session cancels and terminates it.
sub torment
{
	my ($database, $role, $statements) = @_;
	my $prepare = q{SET client_min_messages = panic;
		CREATE TEMP TABLE t (i int PRIMARY KEY, v text); CREATE TEMP VIEW v AS SELECT 1 AS i;
		CREATE TEMP TABLE p (i int) PARTITION BY RANGE (i);
		CREATE TEMP TABLE p1 PARTITION OF p DEFAULT;} . "\n";
	my @rest = @$statements;
	my ($in, $errors, $rounds) = ('', '', 0);

	# a session that was terminated is followed by one for the second half
	while (@rest)
	{
		my $half = int(@rest / 2) || 1;
		my $script = $node->basedir . '/calls.sql';
		open(my $file, '>', $script) or die "$script: $!";
		print $file $prepare . join("\n", splice(@rest, 0, $half)) . "\n";
		close $file;
		# as a file, since a session that was terminated reads no more of a pipe
		my $psql = IPC::Run::start(
			[ 'psql', '-Xq', '-o', '/dev/null', '-f', $script, '-d',
				$node->connstr($database) . " user=$role" ],
			'>', '/dev/null', '2>', \$errors);
		while ($psql->pumpable)
		{
			$rounds++;
			my $end = $rounds % 5 ? 'cancel' : $rounds > 8 ? 'cancel' : 'terminate';
			$node->psql('postgres', "SELECT pg_${end}_backend(pid)
				FROM pg_stat_activity WHERE usename = '$role' AND state = 'active'");
			$psql->pump_nb;
			last if $rounds > 200;
		}
		$psql->finish;
	}
	return;
}

$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; CREATE ROLE trusted LOGIN');
my $before = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
foreach my $encoding (sort keys %locales)
{
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding'
		LOCALE '$locales{$encoding}' TEMPLATE template0 OWNER trusted");
	$node->safe_psql($database, q{
		CREATE EXTENSION evaudit;
		SELECT evaudit.create_topic('kept', '{"type": "object"}', '{"event_id": "/id"}');
		SELECT evaudit.publish('kept', '{"id": "1"}');
		INSERT INTO configuration VALUES ('a', '1');
		CREATE SERVER k FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '127.0.0.1:1');
		GRANT USAGE ON FOREIGN SERVER k TO trusted;
		GRANT SELECT ON audit, configuration TO trusted});
	my @functions = split /\n/, $node->safe_psql($database, q{
		SELECT concat_ws('|', CASE prokind WHEN 'p' THEN 'CALL ' ELSE 'SELECT * FROM ' END
				|| p.oid::regproc, (SELECT string_agg(format_type(t, NULL), '|'
				ORDER BY n) FROM unnest(proargtypes) WITH ORDINALITY u(t, n)))
		FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
			AND d.classid = 'pg_proc'::regclass
			JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'evaudit'
		WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		ORDER BY 1});
	cmp_ok(scalar @functions, '>', 35, "$encoding: functions to call");

	foreach my $role ('nobody', 'trusted')
	{
		my @statements = map { statement(@functions) } 1 .. $calls;

		$node->safe_psql($database,
			"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA evaudit TO $role")
		  if $role eq 'trusted';
		torment($database, $role, \@statements);
		is($node->safe_psql($database, q{SELECT pg_postmaster_start_time(), (SELECT
				bool_or(rolsuper) FROM pg_roles WHERE rolname IN ('nobody', 'trusted'))}),
			"$before|f", "$encoding: the server goes on after $role");
	}

	# what is left works
	$node->safe_psql($database, q{
		SELECT evaudit.drop_source(name) FROM evaudit.stat_sources;
		SELECT evaudit.alter_topic('login', 'null', '{"project": "user_services", "keep": false,
			"event_id": null, "key": null, "timestamp": null, "max_payload_bytes": null,
			"max_future": null}')});
	is($node->safe_psql($database, q{
			INSERT INTO configuration VALUES ('b', '2');
			SELECT item_key FROM audit ORDER BY seq DESC LIMIT 1}), 'b', "$encoding: audit");
}
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|cache lookup failed|server process .* exited with exit code [2-9]/,
	'nothing crashed');
my @internal = grep { !/could not connect/ } slurp_file($node->logfile) =~ /ERROR:  XX\w+.*/g;
is("@internal", '', 'no internal errors');
$node->stop;
done_testing();
