
=pod

=head1 NAME

Evaudit::Java - programs of test/java, compiled for a test

=head1 SYNOPSIS

  my $classes = Evaudit::Java::compile('IamValidator', @jars);

Returns the folder of the program's classes, which goes with the test.
EVAUDIT_JAVA_JARS names the folder of the compiler.

=cut

package Evaudit::Java;

use strict;
use warnings;

use Carp;
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Utils;

# Why none can be compiled here; undef if they can.
sub unavailable
{
	return $ENV{EVAUDIT_JAVA_JARS} ? undef : 'EVAUDIT_JAVA_JARS is not set';
}

# Compile a program that uses these jars.
sub compile
{
	my ($name, @jars) = @_;
	my ($compiler) = glob "$ENV{EVAUDIT_JAVA_JARS}/ecj-*.jar";
	my $classes = PostgreSQL::Test::Utils::tempdir();
	my $out = '';

	IPC::Run::run(
		[ 'java', '-XX:-UsePerfData', '-XX:TieredStopAtLevel=1', '-jar', $compiler,
			'-17', '-nowarn', '-cp', join(':', @jars), '-d', $classes,
			dirname(__FILE__) . "/../../java/$name.java" ],
		'>', \$out, '2>&1') or croak $out;
	return $classes;
}

1;
