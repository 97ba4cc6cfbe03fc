# A real Kafka broker for the demo, used as broker.c is.

use strict;
use warnings;

use Evaudit::Kafka;
use PostgreSQL::Test::Utils;

my ($topic, $partitions, $file) = @ARGV;
my $kafka = Evaudit::Kafka->new;

$kafka->start;
$kafka->create_topic($topic, $partitions);
append_to_file("$file.new", $kafka->servers . "\n");
rename("$file.new", $file);
1 while <STDIN>;
$kafka->stop;
