.PHONY: help demo test check-all torture bench

help:
	@echo "make demo        build everything and see real files copied, cloned and deduped"
	@echo "make test        run every check, on real filesystems when root"
	@echo "make check-all   short storms: kills, full disks, writers meanwhile (minutes)"
	@echo "make torture     long storms (hours)"
	@echo "make bench       measure against the tools people use, side by side"

demo:
	./demo/run

test:
	./tests/run

check-all:
	./tests/check-all

torture:
	./tests/torture

bench:
	./core/benches/run
