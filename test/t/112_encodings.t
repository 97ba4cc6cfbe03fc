# Events are UTF-8 whatever the database is in: what its encoding can hold
# arrives, and anything else is a dead letter, without an error of the server.

use strict;
use warnings;

use Encode qw(decode encode);
use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

# Databases by name: the encoding as PostgreSQL and as Perl name it.  In
# SQL_ASCII bytes are bytes, and an escape beyond ASCII is of no encoding.
my %databases = (
	utf8 => [ 'UTF8', 'UTF-8' ],
	latin => [ 'LATIN1', 'iso-8859-1' ],
	japan => [ 'EUC_JP', 'euc-jp' ],
	ascii => [ 'SQL_ASCII', undef ]);

# The bytes of an id in JSON, and what they mean: characters, or the reason for
# which they are refused everywhere.
my @cases = (
	[ 'plain', 'plain' ],
	[ "caf\xc3\xa9" => "caf\x{e9}" ],
	[ "euro \xe2\x82\xac" => "euro \x{20ac}" ],
	[ "hira \xe3\x81\x82" => "hira \x{3042}" ],
	[ "zhe \xd0\x96" => "zhe \x{416}" ],
	[ "face \xf0\x9f\x98\x80" => "face \x{1f600}" ],
	[ 'escaped caf\u00e9' => "escaped caf\x{e9}" ],
	[ 'escaped CAF\u00C9' => "escaped CAF\x{c9}" ],
	[ 'escaped euro \u20ac' => "escaped euro \x{20ac}" ],
	[ 'escaped hira \u3042' => "escaped hira \x{3042}" ],
	[ 'escaped face \ud83d\ude00' => "escaped face \x{1f600}" ],
	[ 'ascii \u0041\n\/\\\\u20ac' => "ascii A\n/\\u20ac" ],
	[ "both \xc3\xa9\\u00e9" => "both \x{e9}\x{e9}" ],
	[ 'half \ud83d' => 'bad_encoding' ],
	[ 'half \ud83dx' => 'bad_encoding' ],
	[ 'half \ud83d\u0041' => 'bad_encoding' ],
	[ 'half \ude00' => 'bad_encoding' ],
	[ 'nothing \u0000' => 'bad_encoding' ],
	[ "latin \xe9" => 'bad_encoding' ],
	[ 'short \u12' => 'malformed_json' ],
	[ 'no number \u12g4' => 'malformed_json' ],
	[ 'no escape \x41' => 'malformed_json' ]);

# What becomes of a case in a database: the id, or why not.
sub expected
{
	my ($perl_name, $bytes, $meaning) = @_;

	return $meaning if $meaning =~ /^(bad_encoding|malformed_json)$/;
	return $bytes =~ /\\u[^0]|\\u00[89a-f]/i && $bytes !~ /^ascii/
	  ? 'bad_encoding'
	  : encode('UTF-8', $meaning)
	  unless $perl_name;
	my $there = eval { encode($perl_name, my $copy = $meaning, Encode::FB_CROAK); 1 };
	return $there ? encode('UTF-8', $meaning) : 'bad_encoding';
}

# The payload of a case, which its service tells.
sub payload
{
	my ($i) = @_;
	return qq({"user_id": "$cases[$i][0]", "service_id": "$i", )
	  . '"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}';
}

my $broker = Evaudit::Mock->new('logins');
my $node = Evaudit::Cluster->new('main', extension => 0,
	conf => "max_worker_processes = 20\n");
$broker->produce(map { payload($_) } 0 .. $#cases);
$broker->produce_lines(['-e'], "\\N\tx\t\\N\tcaf\xc3\xa9=\xc3\xa9\temoji_face=\xf0\x9f\x98\x80\tnothing=\\xff");

foreach my $database (sort keys %databases)
{
	my ($encoding, $perl_name) = @{ $databases{$database} };

	$node->safe_psql('postgres',
		"CREATE DATABASE $database TEMPLATE template0 LOCALE 'C' ENCODING '$encoding'");
	$node->safe_psql($database, 'CREATE EXTENSION evaudit');
	$broker->add_source($node, 'logins', database => $database);
	$broker->await($node, $database);

	my %got = map { /^(\d+)\|(.*)/ ? ($1 => $2) : () } split /\n/,
	  $node->safe_psql($database, q{
		SELECT service_id, encode(convert_to(user_id, 'UTF8'), 'hex')
		FROM user_services;
		SELECT source_position->>'offset', reason || ' ' || encode(payload, 'hex')
		FROM evaudit.dead_letters});
	foreach my $i (0 .. $#cases)
	{
		my ($bytes, $meaning) = @{ $cases[$i] };
		my $expected = expected($perl_name, $bytes, $meaning);
		my $name = $bytes =~ s/[^ -~]/./gr;

		is( $got{$i},
			$expected =~ /^(bad_encoding|malformed_json)$/
			? "$expected " . unpack('H*', payload($i))
			: unpack('H*', $expected),
			"$encoding: $name");
	}
}

# headers are UTF-8, too, and in hexadecimal where that cannot be
foreach my $database (sort keys %databases)
{
	is( $node->safe_psql($database, q{
			SELECT encode(convert_to(headers::text, 'UTF8'), 'escape')
			FROM evaudit.dead_letters WHERE headers IS NOT NULL}),
		'{"caf\\303\\251": "\\303\\251", "nothing": {"hex": "ff"}, "emoji_face": '
		  . ($database =~ /utf8|ascii/ ? '"\\360\\237\\230\\200"' : '{"hex": "f09f9880"}')
		  . '}',
		"$database: headers");
}

# the other doors: an application publishes, asks and writes in its own
# encoding, and a dead letter is tried again
foreach my $database ('latin', 'japan')
{
	is( $node->safe_psql($database, q{
			SET client_encoding = 'UTF8';
			SELECT evaudit.publish('login', '{"user_id": "caf\u00e9", "service_id": "own",
				"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}', 'e');
			SELECT services_for_user(U&'caf\00e9')->'services'->0->>'service_id';
			INSERT INTO configuration VALUES ('k', U&'"caf\00e9"'::jsonb);
			SELECT encode(convert_to(a.document->'newValue'->>'value', 'UTF8'), 'hex')
			FROM audit a;
			SELECT evaudit.redrive('logins');
			SELECT count(DISTINCT error) > 2 FROM evaudit.dead_letters}),
		"e\n1\n636166c3a9\n0\nt", "$database: publish(), a query, the audit, redrive()");
}

# patterns are about characters, not about bytes
foreach my $database ('latin', 'japan')
{
	is( $node->safe_psql($database, q{
			SET client_encoding = 'UTF8';
			SELECT string_agg(evaudit.json_schema_is_valid(jsonb_build_object('pattern', p),
				to_jsonb(U&'caf\00e9'::text))::text, ' ')
			FROM unnest(ARRAY['^caf.$', '^caf\u00e9$', U&'[\00e8-\00ea]$', '\w$']) p}),
		'true true true false', "$database: patterns");
}

$node->stop;
$broker->stop;
done_testing();
