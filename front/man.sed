# man.sed: from the options that evaudit-http --help prints to the manual's.
/^  --/!d
s/-/\\-/g
s/^  (\\-\\-[^ ]+) +([^ ]+) +(.*)/.TP\
.BI "\1 " \2\
\3/
