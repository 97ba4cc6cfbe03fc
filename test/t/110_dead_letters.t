# What cannot be used becomes a dead letter: for the right reason, with all
# that was received, and can be tried again.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $time = '2022-08-04T08:50:39Z';

# A payload of the usual fields, some of them replaced by other JSON; those
# replaced by nothing are left out.
sub login
{
	my (%json) = @_;
	my %all = (
		user_id => '"u"', service_id => '"s"', service_name => '"n"',
		timestamp => qq{"$time"}, %json);
	return '{' . join(',', map { qq{"$_":$all{$_}} }
		grep { defined $all{$_} } sort keys %all) . '}';
}

# A payload with another timestamp.
sub at
{
	my ($text) = @_;
	return login(timestamp => qq{"$text"});
}

# The time some seconds from now, in UTC.
sub from_now
{
	my ($seconds) = @_;
	my ($s, $m, $h, $day, $month, $year) = gmtime(time() + $seconds);
	return sprintf('%04d-%02d-%02dT%02d:%02d:%02dZ',
		$year + 1900, $month + 1, $day, $h, $m, $s);
}

# A payload padded by white space to a size.
sub padded
{
	my ($size) = @_;
	return login() . ' ' x ($size - length login());
}

# A payload with arrays in arrays; the object is the first level.
sub nested
{
	my ($levels) = @_;
	return login(x => '[' x ($levels - 1) . ']' x ($levels - 1));
}

# Reason (or ok) and payload, or undef for a message without one; and perhaps
# the record's own time, milliseconds.
my @cases = (
	[ ok => login() ],
	[ empty_payload => undef ],
	[ empty_payload => '' ],
	[ ok => padded(2000) ],
	[ too_large => padded(2001) ],
	[ ok => nested(128) ],
	[ too_deep => nested(129) ],
	[ too_deep => '[' x 1999 ],
	[ ok => login(x => '"' . '[' x 500 . '"') ],
	[ bad_encoding => login(user_id => qq{"u\xff"}) ],
	[ bad_encoding => login(user_id => qq{"\xc0\x80"}) ],
	[ bad_encoding => login(user_id => qq{"\xed\xa0\x80"}) ],
	[ bad_encoding => login(user_id => qq{"\xf4\x90\x80\x80"}) ],
	[ bad_encoding => login(user_id => qq{"a\0b"}) ],
	[ bad_encoding => login(user_id => '"a\u0000b"') ],
	[ bad_encoding => login(user_id => '"\ud800"') ],
	[ bad_encoding => login(x => '"\udc00"') ],
	[ ok => login(user_id => '"\ud83d\ude00"') ],
	[ ok => login(user_id => qq{"\xf0\x9f\x98\x80"}) ],
	[ malformed_json => "\xef\xbb\xbf" . login() ],
	[ bad_encoding => "\xff\xfe{\0}\0" ],
	[ malformed_json => ' ' ],
	[ malformed_json => 'user_id=u' ],
	(map { [ malformed_json => 'time', $_ ], [ ok => login(), $_ ] }
		1, 253_402_300_800_000, 9_200_000_000_000_000_000),
	[ malformed_json => substr(login(), 0, -1) ],
	[ malformed_json => login() . 'x' ],
	[ malformed_json => login() . login() ],
	[ malformed_json => '{"user_id":"u",}' ],
	[ malformed_json => "{'user_id':'u'}" ],
	[ malformed_json => login(x => 'NaN') ],
	[ malformed_json => login(x => '01') ],
	[ malformed_json => login(x => qq{"\t"}) ],
	[ not_an_object => '[]' ],
	[ not_an_object => '"text"' ],
	[ not_an_object => ' 17 ' ],
	[ not_an_object => 'null' ],
	(map { [ missing_field => login($_ => undef) ] }
		qw(user_id service_id service_name timestamp)),
	[ missing_field => '{}' ],
	[ missing_field => '{"login":' . login() . '}' ],
	(map { [ wrong_type => login(user_id => $_) ] }
		qw(17 null true ["u"] {"u":1})),
	[ wrong_type => login(service_name => 'null') ],
	[ wrong_type => login(timestamp => '1659602439') ],
	[ empty_field => login(user_id => '""') ],
	[ empty_field => login(service_id => '""') ],
	[ ok => login(service_name => '""') ],
	[ ok => login(user_id => '"' . 'u' x 1024 . '"') ],
	[ too_long => login(user_id => '"' . 'u' x 1025 . '"') ],
	[ too_long => login(service_id => '"' . "\xc3\xa9" x 513 . '"') ],
	(map { [ ok => login(id => $_) ] } qw(1e1023 1E+000001 1e-1000)),
	[ too_long => login(id => '1e-1023') ],
	(map { [ number_too_large => login(id => $_) ] }
		qw(1e1024 -1E+1024 1e-1024 1e99999999999999999999 0e99999999999999999999), '9' x 1025, '0.' . '1' x 1024),
	[ number_too_large => '{"unmapped":[{"x":1e131071}],' . substr(login(), 1) ],
	[ ok => '{"unmapped":[{"x":1e1023}],' . substr(login(), 1) ],
	[ ok => '{"user_id":17,' . substr(login(), 1) ],
	[ wrong_type => substr(login(), 0, -1) . ',"user_id":17}' ],
	(map { [ ok => at($_) ] } '2022-08-04t08:50:39z',
		'2022-06-30T23:59:60Z', "$time",
		'2022-08-04T08:50:39.123456789012Z', '2022-08-04T08:50:39+23:59',
		'2022-08-04T08:50:39-00:00', '2024-02-29T00:00:00Z',
		'0000-01-01T00:00:00Z', from_now(240)),
	(map { [ bad_timestamp => at($_) ] } '', '2022-08-04 08:50:39Z', 'now', 'infinity', '-infinity',
		'epoch', 'today', '2022-08-04', '2022-08-04T08:50:39',
		'2022-08-04T08:50Z', '2022-08-04T24:00:00Z', '2022-08-04T08:60:00Z',
		'2022-08-04T08:50:61Z', '2023-02-29T00:00:00Z',
		'2022-13-01T00:00:00Z', '2022-00-01T00:00:00Z',
		'2022-08-04T08:50:39+24:00', '2022-08-04T08:50:39+01',
		'2022-08-04T08:50:39+0100', '2022-08-04T08:50:39.Z',
		'2022-08-04T08:50:39,5Z', ' 2022-08-04T08:50:39Z',
		'2022-08-04T08:50:39Z ', '2022-08-04T08:50:39ZZ',
		'2022-08-04  08:50:39Z', '12022-08-04T08:50:39Z',
		'0000-01-01T00:00:00+00:01', '2022-08-04T08:50:39 UTC',
		'Thu, 04 Aug 2022 08:50:39 GMT'),
	[ future_timestamp => at(from_now(600)) ],
	[ future_timestamp => at('9999-12-31T23:59:59Z') ]);

# A field as kafka_tool's option -e reads it.
sub escaped
{
	my ($bytes) = @_;
	return '\N' unless defined $bytes;
	return join '', map { sprintf '\x%02x', ord } split //, $bytes;
}

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n");
$kafka->create_topic('cases', 1);
$kafka->tool('-e', 'produce', 'cases', \join('',
	map { join("\t", "key-$_", escaped($cases[$_][1]), $cases[$_][2] // ()) . "\n"
	} 0 .. $#cases));
read_topic($node, $kafka, 'cases', topics => 'cases', max_event_bytes => 2000);
await_end($node, $kafka, 'cases', 'cases');

my %got = map { /^(\d+)\|(.*)/ ? ($1 => $2) : () } split /\n/,
  $node->safe_psql('postgres', q{
	SELECT (source_position->>'offset')::int,
		concat_ws(',', reason, sqlstate, encode(payload, 'hex'),
			convert_from(key, 'UTF8'), source_position - 'offset', topic)
	FROM evaudit.dead_letters});
foreach my $i (0 .. $#cases)
{
	my ($reason, $payload) = @{ $cases[$i] };
	my $name = $payload // 'no payload';

	$name =~ s/[^ -~]/./g;
	is( $got{$i},
		$reason eq 'ok' ? undef : join(',', $reason,
			(defined $payload ? unpack('H*', $payload) : ()), "key-$i",
			'{"topic": "cases", "partition": 0}', 'login'),
		"$reason: " . substr($name, 0, 100));
}

is( $node->safe_psql('postgres', q{
		SELECT string_agg(DISTINCT coalesce(
			(record_time AT TIME ZONE 'UTC')::text, 'none'), ' ')
		FROM evaudit.dead_letter_store WHERE payload = 'time'}),
	'1970-01-01 00:00:00.001 none', 'a time that cannot be is none');

done_testing();
