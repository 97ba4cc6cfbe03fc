# JSON with the framing of a schema registry, from a real broker: by Confluent's
# prefix and header, and AWS Glue's.

use strict;
use warnings;

use Compress::Zlib;
use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main');
my $uuid = join '', map { chr } 0xa0 .. 0xaf;
my $n = 0;

# A login of a user of its own.
sub login
{
	my ($user) = @_;
	return qq({"id": "$user", "user_id": "$user", "service_id": "s", "service_name": "n", )
	  . '"timestamp": "2022-08-04T08:50:39Z"}';
}

# A field as kafka_tool's option -e reads it.
sub escaped
{
	my ($bytes) = @_;
	return join '', map { sprintf '\x%02x', ord } split //, $bytes;
}

my %prefix = (confluent => 'c', glue => 'g', 'confluent-headers' => 'h', none => 'n');

# Each framing, with what it accepts and what it refuses.
my %cases = (
	confluent => [
		[ ok => "\0\0\0\0\1" . login('c1') ],
		[ ok => "\0\xff\xff\xff\xff" . login('c2') ],
		[ bad_framing => login('c3') ],
		[ bad_framing => "\0\0\0\1" ],
		[ malformed_json => "\0\0\0\0\1\2" . login('c4') ] ],
	glue => [
		[ ok => "\3\0$uuid" . login('g1') ],
		[ ok => "\3\5$uuid" . compress(login('g2')) ],
		[ bad_framing => "\3\5$uuid" . login('g3') ],
		[ bad_framing => "\3\7$uuid" . login('g4') ],
		[ bad_framing => "\0\0\0\0\1" . login('g5') ],
		[ too_large => "\3\5$uuid" . compress(login('g6') . ' ' x 1_100_000) ] ],
	'confluent-headers' => [
		[ ok => login('h1'), "\1$uuid" ],
		[ bad_framing => login('h2') ],
		[ bad_framing => login('h3'), "\0$uuid" ],
		[ bad_encoding => "\0\0\0\0\1" . login('h4'), "\1$uuid" ] ],
	none => [
		[ ok => login('n1') ],
		[ bad_encoding => "\0\0\0\0\1" . login('n2') ] ]);

foreach my $framing (sort keys %cases)
{
	my @cases = @{ $cases{$framing} };
	my $source = $framing =~ tr/-/_/r;
	my $lines = join '', map {
		join("\t", 'k', escaped($_->[1]), '',
			defined $_->[2] ? '__value_schema_id=' . escaped($_->[2]) : ()) . "\n"
	} @cases;

	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$source', options => t.options || '{"framing": "$framing"}')
		FROM evaudit.topics t WHERE name = 'login'});
	$kafka->create_topic($source, 1);
	$kafka->tool('-e', 'produce', $source, \$lines);
	add_server($node, $kafka->servers) if $n++ == 0;
	$node->safe_psql('postgres',
		qq{SELECT evaudit.create_source('$source', 'kafka', '$source', '{"topics": "$source"}')});
	await_end($node, $kafka, $source, $source);

	my $letters = $node->safe_psql('postgres', qq{
		SELECT string_agg(reason || ' ' || encode(payload, 'hex'), ',' ORDER BY id)
		FROM evaudit.dead_letters WHERE source = '$source'});
	is( $letters,
		join(',', map { "$_->[0] " . unpack 'H*', $_->[1] } grep { $_->[0] ne 'ok' } @cases),
		"$framing: what is refused keeps its bytes");
	is( $node->safe_psql('postgres', qq{
			SELECT string_agg(user_id, ',' ORDER BY user_id)
			FROM user_services WHERE user_id LIKE '$prefix{$framing}_'}),
		join(',', map { $_->[1] =~ /user_id": "(..)/ ? $1 : uncompress(substr $_->[1], 18) =~ s/.*user_id": "(..).*/$1/r }
			  grep { $_->[0] eq 'ok' } @cases),
		"$framing: what is not, takes effect");
}

# a topic whose framing was wrong is put right, and the letters are tried again
$node->safe_psql('postgres', qq{
	SELECT evaudit.alter_topic('none', options => '{"framing": "confluent"}')});
is($node->safe_psql('postgres', q{SELECT evaudit.redrive('none')}), 1, 'a redrive takes the framing that the topic has now');
is($node->safe_psql('postgres', q{SELECT user_id FROM user_services WHERE user_id = 'n2'}), 'n2', 'and the event takes effect');

done_testing();
