# Patterns of grants mean what they mean to Python's re.fullmatch(), or are
# refused; an independent program, Python, says what that is.

use strict;
use warnings;

use Evaudit::Cluster;
use FindBin;
use IPC::Run;
use JSON::PP;
use Test::More;

my $seed = $ENV{EVAUDIT_TEST_SEED} // 17;
my ($out, $err);
IPC::Run::run([ 'python3', "$FindBin::RealBin/../python/patterns.py", $seed, 1500 ],
	'>', \$out, '2>', \$err) or die "python3: $err";
note("seed $seed");

my $node = Evaudit::Cluster->new('main');
$node->safe_psql('postgres', q(
	SELECT evaudit.create_topic('t');
	CREATE TABLE pattern (n integer PRIMARY KEY, line jsonb, refused text);
	CREATE FUNCTION grant_pattern(pattern text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM evaudit.grant_publish('t', 'u', jsonb_build_object('f', jsonb_build_array(pattern)));
		RETURN NULL;
	EXCEPTION WHEN invalid_regular_expression THEN
		GET STACKED DIAGNOSTICS pattern = PG_EXCEPTION_DETAIL;
		RETURN pattern;
	END $$;
	-- the texts on which we and Python differ
	CREATE FUNCTION differences(line jsonb) RETURNS text LANGUAGE sql AS $$
		SELECT string_agg(format('%s: %s', result -> 0, result -> 1), ', ')
		FROM jsonb_array_elements(line -> 2) result
		WHERE (evaudit.explain_access('t', 'u', jsonb_build_object('f', result -> 0)) -> 'allowed') <> result -> 1
	$$;
	CREATE TABLE result (n integer, refused text, differs text);
	CREATE PROCEDURE compare() LANGUAGE plpgsql AS $$
	DECLARE
		p pattern;
		refused text;
	BEGIN
		FOR p IN SELECT * FROM pattern ORDER BY n LOOP
			refused := grant_pattern(p.line ->> 0);
			INSERT INTO result VALUES (p.n, refused, CASE WHEN refused IS NULL THEN differences(p.line) END);
		END LOOP;
	END $$));

my $file = PostgreSQL::Test::Utils::tempdir() . '/patterns.csv';
my $n = 0;
PostgreSQL::Test::Utils::append_to_file($file,
	join '', map { ++$n . qq(,") . s/"/""/gr . qq("\n) } split /\n/, $out);
$node->safe_psql('postgres', "COPY pattern (n, line) FROM '$file' (FORMAT csv); CALL compare()");

is($node->safe_psql('postgres', q(SELECT count(*) FROM result WHERE differs IS NOT NULL)), '0', 'no pattern means something else')
  or diag($node->safe_psql('postgres', q(SELECT line ->> 0, differs FROM result JOIN pattern USING (n) WHERE differs IS NOT NULL LIMIT 40)));
is($node->safe_psql('postgres', q(SELECT string_agg(line ->> 0, ' ') FROM result JOIN pattern USING (n)
		WHERE result.refused IS NULL AND line ->> 1 IS NOT NULL AND line ->> 1 !~ 'look-behind requires')), '', 'what Python refuses is refused');
# of what is valid to Python, all but what cannot be had is taken
my $refused = $node->safe_psql('postgres', q(SELECT line ->> 0, result.refused FROM result JOIN pattern USING (n)
	WHERE result.refused IS NOT NULL AND line ->> 1 IS NULL
	AND result.refused !~ 'ignored|lookaround|lookbehind|kind that is not known|no character'
	AND line ->> 0 <> '\N{BULLET}'));
is($refused, '', 'all else is taken');
cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM result WHERE refused IS NULL)), '>', 1000, 'most are');

$node->stop;
done_testing();
