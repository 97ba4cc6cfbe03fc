# The official JSON Schema test suite: every required test of every draft, and
# the optional ones of formats.  It is looked for where Debian's package has
# it, or in the folder that EVAUDIT_SCHEMA_SUITE names.
#
# A "\u0000" cannot be in jsonb: tests with one are not run, and counted.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $suite = $ENV{EVAUDIT_SCHEMA_SUITE}
  || '/usr/share/perl5/auto/share/dist/Test-JSON-Schema-Acceptance';

plan skip_all => "the JSON Schema test suite is not in $suite"
  unless -d "$suite/tests/draft7";

my %metaschema = (
	'draft4' => 'http://json-schema.org/draft-04/schema#',
	'draft6' => 'http://json-schema.org/draft-06/schema#',
	'draft7' => 'http://json-schema.org/draft-07/schema#',
	'draft2019-09' => 'https://json-schema.org/draft/2019-09/schema',
	'draft2020-12' => 'https://json-schema.org/draft/2020-12/schema');

# What is not asserted, or not to the last letter: IDNA's tables are not there,
# and PCRE2 wants lookbehinds of a known length.
my @known = (
	qr{/idn-hostname\.json: },
	qr{/hostname\.json: validation of A-label},
	qr{: a variable-width lookbehind});

# characters are counted: the locale around must not decide what they are
my $node = Evaudit::Cluster->new(
	'main',
	preload => 0,
	init => { extra => [ '--encoding=UTF8', '--locale=C' ] });

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE results (draft text, file text, name text, wanted boolean, got text);

CREATE FUNCTION list_files(dir text, below text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	f text;
BEGIN
	FOR f IN SELECT pg_ls_dir(dir || '/' || below) ORDER BY 1 LOOP
		IF f LIKE '%.json' THEN
			RETURN NEXT below || f;
		ELSIF f NOT LIKE '%.%' AND f NOT IN ('draft3', 'draft-next', 'v1') THEN
			RETURN QUERY SELECT list_files(dir, below || f || '/');
		END IF;
	END LOOP;
END $$;

-- json keeps what is in a file as text; a zero byte becomes something else
CREATE FUNCTION read_json(file text) RETURNS json LANGUAGE sql
RETURN CAST(regexp_replace(pg_read_file(file),
	'(?<!\\)((\\\\)*)\\u0000', '\1<ZERO>', 'g') AS json);

-- A schema of the older drafts names none: the suite leaves it to the runner.
CREATE FUNCTION run_group(draft text, file text, metaschema text, g json)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	schema jsonb := g->'schema';
	t json;
	got text;
BEGIN
	IF jsonb_typeof(schema) = 'object' AND NOT schema ? '$schema' THEN
		schema := schema || jsonb_build_object('$schema', metaschema);
	END IF;
	FOR t IN SELECT json_array_elements(g->'tests') LOOP
		BEGIN
			got := CASE WHEN schema::text || (t->>'data') LIKE '%<ZERO>%' THEN 'zero'
				ELSE evaudit.json_schema_is_valid(schema, (t->'data')::jsonb,
					file LIKE '%/format/%')::text END;
		EXCEPTION WHEN OTHERS THEN
			got := sqlstate || ' ' || sqlerrm;
		END;
		INSERT INTO results VALUES (draft, file,
			format('%s: %s', g->>'description', t->>'description'),
			(t->>'valid')::boolean, got);
	END LOOP;
END $$;
SQL

$node->safe_psql('postgres', <<"SQL");
SELECT evaudit.register_schema('http://localhost:1234/' || f,
	pg_read_file('$suite/remotes/' || f)::jsonb)
FROM list_files('$suite/remotes', '') f;
SQL

# Run the files of a draft whose names match, and name each test.
sub run_draft
{
	my ($draft, $condition) = @_;

	$node->safe_psql('postgres', <<"SQL");
TRUNCATE results;
SELECT count(run_group('$draft', f, '$metaschema{$draft}', g))
FROM list_files('$suite/tests/$draft', '') f, json_array_elements(
	read_json('$suite/tests/$draft/' || f)) g
WHERE $condition;
SQL
	return map { [ split /\t/ ] } split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT concat_ws(E'\t', file, translate(name, E'\t\n', '  '), wanted::text, translate(got, E'\t\n', '  '))
FROM results;
SQL
}

sub report
{
	my ($draft, $what, @results) = @_;
	my %count = (passed => 0, failed => 0, known => 0, zero => 0);

	foreach my $result (@results)
	{
		my ($file, $name, $wanted, $got) = @$result;
		my $verdict =
			$got eq 'zero' ? 'zero'
		  : $got eq $wanted ? 'passed'
		  : (grep { "$file: $name" =~ $_ } @known) ? 'known'
		  : 'failed';

		$count{$verdict}++;
		note("$verdict - $draft/$file: $name");
		diag("$draft/$file: $name: wanted $wanted, got $got")
		  if $verdict eq 'failed';
	}
	diag("$draft, $what: $count{passed} passed, $count{failed} failed"
		  . ($count{known} ? ", $count{known} known to fail" : '')
		  . ($count{zero} ? ", $count{zero} that jsonb cannot hold" : ''));
	cmp_ok($count{passed}, '>', 100, "$draft: there are tests, $what");
	return $count{failed};
}

foreach my $draft (sort keys %metaschema)
{
	is(report($draft, 'required', run_draft($draft, "f NOT LIKE 'optional/%'")),
		0, "$draft: required tests");
	is( report(
			$draft, 'formats', run_draft($draft, "f LIKE 'optional/format/%'")),
		0,
		"$draft: optional tests of formats");
}

$node->stop;
done_testing();
