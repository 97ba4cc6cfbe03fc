module evaudit/bench/bento

go 1.26.5

require (
	github.com/lib/pq v1.10.9
	github.com/warpstreamlabs/bento v1.20.0
)
