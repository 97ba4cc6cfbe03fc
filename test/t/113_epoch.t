# Times that are numbers, as they stand in the payload: of any length and with
# any exponent within the bounds of numbers they are read to the microsecond, as exact arithmetic has it.
# And times of records.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Math::BigFloat;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my @numbers = qw(0 -0 1659602439 1659602439.123456 1.659602439e9 1.659602439E+9
  16596024390e-1 165960243912345649e-8 165960243912345650e-8 -1.5e0 5e-7 4.9e-7 -5e-7
  1e-30 1e-99999999999999 0e99999999999999 0.000001e6 1e9 1e10 1e11 1e18 1e400
  1e99999999999999 1e18446744073709551618 1e-18446744073709551618
  -1e11 12345678901234567890 0.00000000000000000000000001659602439e35);
push @numbers, '1659602439.' . '9' x 300, '1' . '0' x 300 . 'e-291', '0.' . '0' x 300 . '1e310';

# Microseconds since 1970, rounded away from zero, or nothing beyond the years
# 0000 to 9999.
sub expected
{
	my ($number, $digits) = @_;
	my ($mantissa, $exponent) = split /e/i, $number;
	my $value = Math::BigFloat->new($mantissa);

	return 'number_too_large' if abs($exponent // 0) > 10_000;
	return '0' if $value->is_zero;
	$value->blsft($digits + ($exponent // 0), 10) if $digits + ($exponent // 0) >= 0;
	$value->brsft(-$digits - $exponent, 10) if $digits + ($exponent // 0) < 0;
	$value->bfround(0, 'common') if !$value->is_int;
	return '' if $value < '-62167219200000000' || $value > '253402300799999999';
	return $value->bstr =~ s/\..*//r =~ s/^-0$/0/r;
}

my @millis = qw(1 946684799999 946684800000 253402300799999 253402300800000
  20000000000000000 9223372036854775000 9223372036854775807);

foreach my $format ([ epoch_s => 6 ], [ epoch_ms => 3 ], [ record => 3 ])
{
	my ($name, $digits) = @$format;
	my $of_record = $name eq 'record';
	my @numbers = $of_record ? @millis : @numbers;
	my $broker = Evaudit::Mock->new('logins');
	my $node = Evaudit::Cluster->new($name);

	$node->safe_psql('postgres', qq{
		UPDATE evaudit.topics SET options = options ||
			'{"timestamp_format": "$name", "max_future": "90000 years"}'
		WHERE name = 'login'});
	$broker->produce_lines($of_record ? ['-e'] : [], map {
		my $payload = qq({"user_id": "u", "service_id": "$_", )
		  . qq("service_name": "n", "timestamp": $numbers[$_]});
		$of_record ? "\\N\t$payload\t$numbers[$_]" : $payload
	} 0 .. $#numbers);
	$broker->add_source($node, 'logins');
	$broker->await($node);

	my %got = map { /^(\d+)\|(.*)/ ? ($1 => $2) : () } split /\n/,
	  $node->safe_psql('postgres', q{
		SELECT service_id, (extract(epoch FROM last_accessed) * 1000000)::bigint
		FROM user_services;
		SELECT source_position->>'offset', CASE reason WHEN 'bad_timestamp'
			THEN '' ELSE reason END FROM evaudit.dead_letters});
	foreach my $i (0 .. $#numbers)
	{
		is($got{$i}, expected($numbers[$i], $digits),
			"$name: " . substr($numbers[$i], 0, 50));
	}
	$node->stop;
	$broker->stop;
}

done_testing();
