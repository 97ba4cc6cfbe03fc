# Which properties of librdkafka may be set: the list has every one that the
# oldest version has, and each in a class that its description allows.

use strict;
use warnings;

use File::Basename;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'EVAUDIT_KAFKA_TOOL is not set'
  unless $ENV{EVAUDIT_KAFKA_TOOL};

# our list: name => its flags as they are written
my %listed = slurp_file(dirname(__FILE__) . '/../../src/kafka/property.c')
  =~ /^\t\{"([^"]+)", ([A-Z_| ]+)/gm;
cmp_ok(scalar keys %listed, '>', 150, 'the list is read');

# the library's: name => description, where it has one
my ($out, $err) = run_command([ $ENV{EVAUDIT_KAFKA_TOOL}, 'properties' ]);
my ($version) = $out =~ /^# librdkafka (\S+)$/m;
my %known;
foreach my $line (split /\n/, $out)
{
	my @cells = split /\s*\|\s*/, $line;
	next if @cells == 0 || $cells[0] !~ /^[a-z][a-z0-9._]+$/i;
	next if $cells[0] eq 'Property';
	$known{ $cells[0] } //= $cells[-1] if @cells > 1;
	$known{ $cells[0] } //= '' if @cells == 1;
}
cmp_ok(scalar keys %known, '>', 150, "librdkafka $version tells its own");

my @unlisted = grep { !exists $listed{$_} } sort keys %known;
if ($version =~ /^2\.0\./)
{
	is("@unlisted", '', 'each is on the list');
}
else
{
	note("refused until they are classified: @unlisted");
	my @gone = grep { !exists $known{$_} } sort keys %listed;
	note("not known to librdkafka $version: @gone");
	pass('what a newer version brings is refused');
}

# What may be set, and what its name and description say of it.
sub settable { return grep { $listed{$_} =~ /SERVER|MAPPING|BOTH/ } sort keys %listed; }

my @files = grep { ($known{$_} // '') =~ /\bpath\b|\bfile\b/i || /location|\.file$|keytab$/ }
  settable();
is(join(' ', grep { $listed{$_} !~ /READS_FILE/ && $_ !~ /^sasl\.kerberos\.kinit/ } @files),
	'', 'what reads a file is marked: ' . scalar @files);
my @secrets = grep { /password|secret|passphrase|key\.pem|oauthbearer\.config/ } settable();
is(join(' ', grep { $listed{$_} ne 'MAPPING | SECRET' } @secrets),
	'', 'a secret is set by user mappings alone: ' . scalar @secrets);
is(join(' ', grep { /_cb$|plugin|engine|provider|\.cmd$|signal|interceptor|mock/ } settable()),
	'', 'what loads code or touches the process cannot be set');
is(join(' ', grep { ($known{$_} // '') =~ /dedicated API/ } settable()),
	'', 'nor what takes a function');
is(join(' ', grep { /broker|bootstrap|url|\.ms$|bytes|protocol/
			&& $listed{$_} =~ /MAPPING|BOTH/ } settable()),
	'', 'where to connect to is not set by user mappings');

done_testing();
