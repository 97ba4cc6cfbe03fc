# ElasticMQ for the benchmark: says where it is, and by which process.

use strict;
use warnings;

use Evaudit::ElasticMQ;
use PostgreSQL::Test::Utils;

my ($file) = @ARGV;
my $emq = Evaudit::ElasticMQ->new(memory => 1500, for_long => 1);

$emq->start;
append_to_file("$file.new", $emq->endpoint . ' ' . $emq->pid . "\n");
rename("$file.new", $file);
1 while <STDIN>;
$emq->stop;
