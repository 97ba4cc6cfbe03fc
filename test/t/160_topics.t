# Events of a topic with a schema that are kept and handed to a function: each
# id once, whatever comes again, and each bad event a dead letter for its
# reason.  An oracle goes through the same stream one by one.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n");
my $broker = Evaudit::Mock->new('orders');

# A stream that has all kinds of events many times over: new, repeated and
# conflicting ones, some that break the schema, that the function or its
# table refuses, that no jsonb can hold, or that name no id.
my $seed = 1;

sub random
{
	my ($n) = @_;
	$seed = ($seed * 1103515245 + 12345) % 2**31;
	return int($seed / 65536) % $n;
}

sub stream
{
	my ($count) = @_;
	my @events;

	foreach my $n (1 .. $count)
	{
		my $id = random(400);
		my $amount = random(10) == 0 ? random(30) : $id % 12;
		my $kind = random(100);

		push @events,
		    $kind == 0 ? { json => qq({"id": "$id", "amount": 1e200000}), reason => 'number_too_large' }
		  : $kind == 1 ? { json => qq({"id": "$id", "amount": "$amount"}), reason => 'schema_violation' }
		  : $kind == 2 ? { json => qq({"amount": $amount), reason => 'malformed_json' }
		  : $kind == 3 ? { json => qq({"amount": $amount}), amount => $amount }
		  : $kind < 50 ? { json => qq({"id": "$id", "amount": $amount}), id => $id, amount => $amount }
		  : { json => qq({"amount": $amount.0, "id": "$id", "id": "$id"}), id => $id, amount => $amount };
	}
	return @events;
}

# What must come of it: the amount of each id, and the reason by offset.
sub oracle
{
	my (@events) = @_;
	my (%kept, %refused);

	foreach my $offset (0 .. $#events)
	{
		my $event = $events[$offset];
		my $reason = $event->{reason};

		if (!$reason)
		{
			my $id = $event->{id} // "orders-0-$offset";

			if (exists $kept{$id})
			{
				$reason = 'conflict' if $kept{$id} != $event->{amount};
			}
			# 13 is what the table refuses, 17 the function
			elsif ($event->{amount} == 13 || $event->{amount} == 17)
			{
				$reason = 'database_error';
			}
			else
			{
				$kept{$id} = $event->{amount};
			}
		}
		$refused{$offset} = $reason if $reason;
	}
	return (\%kept, \%refused);
}

# A hash as lines.
sub lines
{
	my ($hash) = @_;
	return join("\n", map { "$_|$hash->{$_}" } sort keys %$hash);
}

sub query
{
	return $node->safe_psql('postgres', $_[0]);
}

# An id without its cluster's, which is the mock's own; SQL.
sub local_id { return "regexp_replace($_[0], '^[^:]+:orders:1:0:', 'orders-0-') COLLATE \"C\""; }

# Compare the log, what the function wrote, and the dead letters of a source.
sub compare
{
	my ($kept, $refused, $what) = @_;

	is(query("SELECT @{[local_id('event_id')]} i, trunc((payload->>'amount')::numeric)
			FROM evaudit.events ORDER BY i"),
		lines($kept), "$what: each event is kept once");
	is(query("SELECT @{[local_id('id')]} i, amount FROM app.orders ORDER BY i"),
		lines($kept), "$what: and was handed on once");
	is(query(q{SELECT source_position->>'offset' o, reason
			FROM evaudit.dead_letters WHERE redriven_at IS NULL
			ORDER BY (source_position->>'offset') COLLATE "C"}),
		lines($refused), "$what: the others say why not");
	return;
}

query(q{
	CREATE ROLE collector LOGIN;
	CREATE SCHEMA app;
	GRANT USAGE ON SCHEMA app TO collector;
	CREATE TABLE app.orders (id text, amount int, source text, key bytea, who name DEFAULT current_user,
		CONSTRAINT lucky CHECK (amount <> 13));
	CREATE FUNCTION app.take(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM unnest(events) e WHERE (e.payload->>'amount')::numeric = 17) THEN
			RAISE EXCEPTION 'not 17';
		END IF;
		INSERT INTO app.orders (id, amount, source, key)
		SELECT e.event_id, (e.payload->>'amount')::numeric, e.source, e.key FROM unnest(events) e;
	END
	$$;
	GRANT INSERT ON app.orders TO collector;
	SELECT evaudit.create_topic('orders', '{"properties": {"amount": {"type": "number"}}}',
		'{"event_id": "/id", "keep": true, "project": "app.take"}')});

# The source's options, with the role it belongs to
sub add_source
{
	my ($name) = @_;

	$node->safe_psql('postgres', qq{
		CREATE SERVER IF NOT EXISTS kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '} . $broker->servers . qq{');
		GRANT USAGE ON FOREIGN SERVER kafka TO collector;
		SET ROLE collector;
		SELECT evaudit.create_source('$name', 'kafka', 'orders',
			'{"topics": "orders", "start": "earliest", "batch_interval": "10ms"}')});
	return;
}

my @events = stream(1500);
$broker->produce(map { $_->{json} } @events);

# without the right to keep events the source waits and says so
add_source('orders');
$node->wait_for(q{SELECT state, last_error FROM evaudit.stat_sources},
	'backoff|permission denied for table events');
is(query('SELECT count(*) FROM evaudit.dead_letters'), 0, 'no event is blamed for it');
query(q{GRANT INSERT ON evaudit.events TO collector;
	SELECT evaudit.alter_topic('orders', options => '{"max_future": "1min"}')});
$broker->await($node);
my ($kept, $refused) = oracle(@events);
my %counts;
$counts{$_}++ foreach values %$refused;
ok($counts{conflict} > 20 && $counts{database_error} > 1 && $counts{number_too_large} > 10 &&
	$counts{schema_violation} > 3 && $counts{malformed_json} > 3,
	'the stream has all kinds: ' . join(', ', map { "$_ $counts{$_}" } sort keys %counts));
compare($kept, $refused, 'one source');
is(query(q{SELECT DISTINCT source, source_position - 'offset', subject, schema_version
		FROM evaudit.events}),
	'orders|{"topic": "orders", "partition": 0}||1', 'where each came from');
is(query('SELECT DISTINCT who, source FROM app.orders'), 'collector|orders',
	'the function runs as the owner of the source');
is(query(q{SELECT DISTINCT sqlstate FROM evaudit.dead_letters WHERE sqlstate IS NOT NULL ORDER BY 1}),
	"23514\nP0001", 'with what the database said');

# the cause is gone: those that the table refused go through, as what they were
query('ALTER TABLE app.orders DROP CONSTRAINT lucky');
my %again = map { $_ => 1 } grep { ($events[$_]{amount} // 0) == 13 &&
	$refused->{$_} eq 'database_error' } keys %$refused;
my $through = query(q{SELECT evaudit.redrive('orders')});
cmp_ok($through, '>', 0, 'some go through');
is(query(q{SELECT count(*) FROM evaudit.dead_letters d WHERE redriven_at IS NOT NULL
		AND NOT EXISTS (SELECT FROM evaudit.events e WHERE e.source = d.source
			AND e.payload = convert_from(d.payload, 'UTF8')::jsonb)}),
	0, 'each is kept');
is(query(q{SELECT count(*) FROM evaudit.events e JOIN evaudit.dead_letters d
		USING (source, source_position)}),
	query(q{SELECT count(*) FROM app.orders WHERE amount = 13}),
	'with the position that it had, and handed on once');
is(query(q{SELECT string_agg(DISTINCT reason, ' ' ORDER BY reason)
		FROM evaudit.dead_letters WHERE redriven_at IS NULL}),
	'conflict malformed_json number_too_large schema_violation', 'the others stay');

# the function gets the record's key, which need not be text
$broker->produce_lines(['-e'], "a\\xff\t" . '{"id": "keyed", "amount": 1}');
$broker->await($node);
is(query(q{SELECT id, key FROM app.orders WHERE key IS NOT NULL}), 'keyed|\x61ff',
	'with the key of its record');

# a running source takes the topic as it is from the next batch on
query(q{SELECT evaudit.alter_topic('orders', '{"required": ["colour"]}')});
$broker->produce('{"id": "new", "amount": 1}', '{"id": "new", "amount": 2, "colour": "red"}');
$broker->await($node);
is(query(q{SELECT payload, schema_version FROM evaudit.events WHERE event_id = 'new'}),
	'{"id": "new", "amount": 2, "colour": "red"}|2', 'a running source follows its topic');
my (undef, undef, $error) = $node->psql('postgres', q{SELECT evaudit.drop_topic('orders')});
like($error, qr/cannot drop topic "orders" because source "orders"/,
	'which cannot go while there is one');

# two sources read the same at the same time: still once
query(q{SELECT evaudit.drop_source('orders');
	SELECT evaudit.alter_topic('orders', 'true');
	TRUNCATE evaudit.events, app.orders, evaudit.dead_letter_store});
$broker = Evaudit::Mock->new('orders');
query(q{ALTER SERVER kafka OPTIONS (SET "bootstrap.servers" '} . $broker->servers . q{')});
@events = grep { !$_->{reason} && defined $_->{id} && $_->{amount} != 17 } stream(2000);
$broker->produce(map { $_->{json} } @events);
query('ALTER TABLE app.orders ADD CONSTRAINT lucky CHECK (amount <> 31)');
add_source($_) foreach 'one', 'two';
$broker->await($node);
my %first;
$first{ $_->{id} } //= $_->{amount} foreach @events;
my $conflicts = grep { $first{ $_->{id} } != $_->{amount} } @events;
is(query(q{SELECT event_id, trunc((payload->>'amount')::numeric)
		FROM evaudit.events ORDER BY event_id COLLATE "C"}),
	lines(\%first), 'two sources: each event is kept once');
is(query(q{SELECT id, amount FROM app.orders ORDER BY id COLLATE "C"}),
	lines(\%first), 'two sources: and was handed on once');
is(query(q{SELECT source, reason, count(*) FROM evaudit.dead_letters GROUP BY 1, 2 ORDER BY 1}),
	"one|conflict|$conflicts\ntwo|conflict|$conflicts", 'two sources: each has its conflicts');

$node->stop;
$broker->stop;
done_testing();
