# What comes in costs no more memory than a documented multiple of its bytes
# (docs/reference.md): the worst of each kind is sent, each to a backend of its
# own, whose peak is compared with that of a backend that was sent a harmless
# one.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the size of a process says nothing under a sanitizer'
  if $ENV{ASAN_OPTIONS};

# Bytes of memory for each byte that came in, and what a backend may take on
# top for a plan, a context and the like.
my $multiple = 300;
my $noise = 8 * 1024 * 1024;
my $size = 512 * 1024;

my $node = Evaudit::Cluster->new('cost');

$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('plain');
	SELECT evaudit.create_topic('mapped', options => '{"event_id": "/id", "key": "/key"}');
	SELECT evaudit.create_topic('checked', '{"additionalProperties": {"anyOf": [
		{"items": {"type": "number", "multipleOf": 0.01}, "uniqueItems": true},
		{"type": "string", "pattern": "^(a+)+$"}, {"type": "number", "maximum": 10}]}}');
	CREATE FUNCTION many(unit text, bytes int) RETURNS text LANGUAGE sql AS
		$$ SELECT repeat(unit, bytes / octet_length(unit)) $$;
	CREATE FUNCTION quietly(statement text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		EXECUTE statement INTO result;
		RETURN left(result, 60);
	EXCEPTION WHEN OTHERS THEN
		RETURN sqlstate || ' ' || left(sqlerrm, 100);
	END $$;
	CREATE TABLE input (name text PRIMARY KEY, payload bytea);});

# The worst payloads: of each the bytes, and what makes them bad.
my %worst = (
	numbers => q({"a": [' || many('1,', N) || '1]}),
	exponents => q({"a": [' || many('1e1023,', N) || '1]}),
	small_exponents => q({"a": [' || many('1e-1000,', N) || '1]}),
	too_large_numbers => q({"a": [' || many('1e131071,', N) || '1]}),
	one_number => q({"a": ' || many('9', N) || '}),
	strings => q({"a": [' || many('"",', N) || '""]}),
	members => q({' || (SELECT string_agg('"' || i || '":1', ',') FROM generate_series(1, N / 10) i) || '}),
	repeated_members => q({' || many('"a":1,', N) || '"a":1}),
	objects => q({"a": [' || many('{},', N) || '{}]}),
	nested => q({"a": [' || many(repeat('[', 120) || repeat(']', 120) || ',', N) || '1]}),
	too_deep => q(' || many('[', N) || '),
	escapes => q({"a": "' || many('\\u0001', N) || '"}),
	bad_escapes => q({"a": "' || many('\\ud800', N) || '"}),
	control_string => q({"a": "' || many('\\n', N) || '"}),
	letters => q({"a": "' || many('a', N) || '!"}),
	open_string => q({"a": "' || many('a', N) || '),
	id => q({"id": 1e1023, "key": "' || many('k', N) || '"}),
);
foreach my $name (sort keys %worst)
{
	my $text = $worst{$name} =~ s/\bN\b/$size/gr;
	$node->safe_psql('postgres', "INSERT INTO input VALUES ('$name', convert_to('$text', 'UTF8'))");
}
$node->safe_psql('postgres', q{INSERT INTO input VALUES ('harmless', '{"a": 1}')});

# The peak, in bytes, of a new backend that runs a statement; and its result.
sub peak_of
{
	my ($statement) = @_;
	my $out = $node->safe_psql('postgres', qq{
		SELECT pg_backend_pid();
		SELECT quietly(\$S\$$statement\$S\$);
		SELECT pg_read_file('/proc/self/status')});
	my ($peak) = $out =~ /^VmHWM:\s+(\d+) kB/m;
	my (undef, $result) = split /\n/, $out;
	return ($peak * 1024, $result);
}

my %usual;

# Compare the cost of an input with the bytes that it has.
sub cost
{
	my ($kind, $name, $statement) = @_;
	my ($peak, $result) = peak_of($statement =~ s/INPUT/$name/gr);
	my $usual = $usual{$kind} //= (peak_of($statement =~ s/INPUT/harmless/gr))[0];
	my $bytes = $node->safe_psql('postgres',
		"SELECT octet_length(payload) FROM input WHERE name = '$name'");
	my $cost = $peak - $usual;

	note(sprintf('%s %s: %d times %d bytes, %s', $kind, $name,
			$cost / $bytes, $bytes, $result // ''));
	cmp_ok($cost, '<', $noise + $multiple * $bytes, "$kind: $name");
	return;
}

my $text = q{(SELECT convert_from(payload, 'UTF8') FROM input WHERE name = 'INPUT')};
my %kinds = (
	# a payload that comes from SQL, in a topic that keeps it
	publish => "SELECT evaudit.publish('plain', $text\::jsonb)",
	mapped => "SELECT evaudit.publish('mapped', $text\::jsonb)",
	checked => "SELECT evaudit.publish('checked', $text\::jsonb)",
	validate => "SELECT count(*)::text FROM evaudit.validate('checked', $text\::jsonb)",
	# over HTTP
	http => q{SELECT (evaudit.http('POST', '/events', NULL, ('{"type": "t", "payload": '
		|| convert_from(payload, 'UTF8') || '}')::bytea)).status::text FROM input WHERE name = 'INPUT'},
	# as a dead letter, the way of a source's events
	redrive => q{WITH l AS (INSERT INTO evaudit.dead_letter_store (owner, source, topic, payload, reason, error)
			SELECT current_user, 'INPUT', 'checked', payload, 'x', 'x' FROM input WHERE name = 'INPUT' RETURNING id)
		SELECT count(*)::text FROM l; SELECT evaudit.redrive('INPUT')::text},
	# a schema
	schema => "SELECT evaudit.create_topic('INPUT', ('{\"enum\": [' || $text || ']}')::jsonb)::text",
	register => "SELECT evaudit.register_schema('https://example.com/s', ('{\"const\": ' || $text || '}')::jsonb)::text",
	any_schema => "SELECT evaudit.json_schema_is_valid('{\"uniqueItems\": true}', $text\::jsonb->'a')::text",
);
$node->append_conf('postgresql.conf', "evaudit.http_events = open\n");
$node->reload;
foreach my $kind (sort keys %kinds)
{
	cost($kind, $_, $kinds{$kind}) foreach sort keys %worst;
}

done_testing();
