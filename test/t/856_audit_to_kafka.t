# Change data capture: tables that are tracked while pgbench changes them, sent
# to Kafka by a sink, are replayed from what is committed there into their
# equals; the process of the sink and the broker are killed meanwhile.  Before
# that, the recipe of docs/audit.md does what it says.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Documentation;
use Evaudit::Kafka;
use FindBin;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('cdc', 3);
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '200ms'\nrestart_after_crash = on\n");
my $servers = $kafka->servers;
my $script = PostgreSQL::Test::Utils::tempdir() . '/script';

# the recipe, to the letter but for the broker's address
my ($recipe) = grep { $_->{text} =~ /evaudit_kafka/ }
  Evaudit::Documentation->new("$FindBin::RealBin/../..", 'docs/audit.md')->sql_blocks;
my ($topic) = $recipe->{text} =~ /"topic": "([^"]+)"/;
$kafka->create_topic($topic, 2);
$node->safe_psql('postgres', 'CREATE DATABASE recipe');
$node->safe_psql('recipe', "CREATE EXTENSION evaudit; INSERT INTO configuration VALUES ('before', '1')");
$node->safe_psql('recipe', $recipe->{text} =~ s/localhost:9092/$servers/r);
$node->safe_psql('recipe', q{
	INSERT INTO configuration VALUES ('theme', '"dark"');
	UPDATE configuration SET value = '"light"' WHERE key = 'theme';
	DELETE FROM configuration WHERE key = 'theme'});
my $streamed = q{SELECT a.id, relation, item_key, operation, a.document FROM audit a WHERE item_key = 'theme' ORDER BY seq};
my @streamed = map { [ split /\|/, $_, 5 ] } split /\n/, $node->safe_psql('recipe', $streamed);
is($node->safe_psql('recipe', "SELECT state FROM evaudit.wait_delivered('audit', '$streamed[-1][0]', '150s')"),
	'delivered', 'the recipe: the last change is delivered');
# kafka_tool doubles backslashes
my @arrived = map { { %$_, value => decode_json($_->{value} =~ s/\\\\/\\/gr) } } @{ $kafka->records($topic) };
is_deeply(
	[ map { [ $_->{headers}{id}, @{ decode_json($_->{key}) }, $_->{headers}{operation}, $_->{value} ] } @arrived ],
	[ map { [ @$_[ 0 .. 3 ], decode_json($_->[4]) ] } @streamed ],
	'the recipe: the documents of the rows written since are in the topic, in their order');
is(scalar @streamed, 3, 'all three of them');
$node->safe_psql('recipe', q{SELECT evaudit.drop_sink('trail')});

$node->safe_psql('postgres', qq{
	CREATE TABLE accounts (id int PRIMARY KEY, balance bigint, note text);
	CREATE TABLE items (owner int, name text, n int, PRIMARY KEY (owner, name));
	SELECT evaudit.track('accounts'), evaudit.track('items');
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers', "reconnect.backoff.max.ms" '200',
			"transaction.timeout.ms" '10000');
	SELECT evaudit.create_sink('cdc', 'kafka', '{audit}',
		'{"topic": "cdc", "batch_size": 100}')});
append_to_file($script, <<'EOT');
\set a random(1, 50)
\set b random(1, 50)
\set undo random(1, 5)
BEGIN;
INSERT INTO accounts VALUES (:a, 1, 'new') ON CONFLICT (id) DO UPDATE SET balance = accounts.balance + 1;
UPDATE accounts SET balance = balance - 1, note = NULLIF('changed by ' || :b, 'changed by 7') WHERE id = :b;
DELETE FROM items WHERE owner = :b;
INSERT INTO items SELECT :a, 'item ' || i, :b FROM generate_series(1, 3) i ON CONFLICT DO NOTHING;
DELETE FROM accounts WHERE id = :b AND balance < -3;
UPDATE items SET n = n + 1 WHERE owner = :a;
\if :undo < 2
ROLLBACK;
\else
COMMIT;
\endif
EOT

# Two writers.
sub run_pgbench
{
	my ($transactions) = @_;
	my ($out, $err);
	return IPC::Run::start([ 'pgbench', '-n', '-c', '2', '-t', $transactions,
		'--max-tries', '100', '-f', $script, '-d', $node->connstr('postgres') ],
		'<', \undef, '>', \$out, '2>', \$err);
}

my $sent = q{SELECT delivered FROM evaudit.stat_sinks};
my $bench = run_pgbench(400);
$node->wait_for("SELECT ($sent) > 100", 't');
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM evaudit.stat_sinks');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$kafka->kill9;
$kafka->start;
$bench->finish;
$bench = run_pgbench(50);
$bench->finish;
is($node->safe_psql('postgres', 'SELECT count(*) > 500 FROM audit'), 't', 'enough was changed');
my $last = $node->safe_psql('postgres', 'SELECT id FROM audit ORDER BY seq DESC LIMIT 1');
is($node->safe_psql('postgres', "SELECT state FROM evaudit.wait_delivered('audit', '$last', '150s')"),
	'delivered', 'the last row is delivered');

# each audit row once
my @records = @{ $kafka->records('cdc') };
my @rows = split /\n/, $node->safe_psql('postgres',
	q{SELECT id FROM audit WHERE relation IN ('public.accounts', 'public.items')
		AND operation <> 'TRACK' ORDER BY id});
my @ids = sort map { $_->{headers}{id} } @records;
is_deeply(\@ids, [ sort @rows ], 'each audit row is there once');

# the changes of each key, in order, make what the table has
my %state;
foreach my $record (@records)
{
	# kafka_tool doubles backslashes
	my ($key, $document) = map { decode_json(s/\\\\/\\/gr) } @$record{ 'key', 'value' };
	my ($relation, $item) = @$key;

	if ($record->{headers}{operation} eq 'INSERT') { $state{$relation}{$item} = $document->{newValue} }
	elsif ($record->{headers}{operation} eq 'DELETE') { delete $state{$relation}{$item} }
	else { $state{$relation}{$item}{ $document->{updatedAttribute} } = $document->{newValue} }
}
my $json = JSON::PP->new->canonical;
foreach my $table ('accounts', 'items')
{
	my @expected = map { $json->encode(decode_json($_)) } split /\n/,
	  $node->safe_psql('postgres', "SELECT to_jsonb(t) FROM $table t");
	cmp_ok(scalar @expected, '>', 10, "$table: rows");
	is_deeply([ sort map { $json->encode($_) } values %{ $state{"public.$table"} } ],
		[ sort @expected ], "$table: replayed, it is the same");
}

done_testing();
