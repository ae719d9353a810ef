.PHONY: help demo install dist test test-vm check-all torture bench

help:
	@echo "make demo        build everything and see real files copied, cloned and deduped"
	@echo "make install     libxtent, xtent.h, xtent.pc, manual pages; PREFIX=/usr/local DESTDIR="
	@echo "make dist        a tarball that builds without network"
	@echo "make test        run every check, on real filesystems when root"
	@echo "make test-vm     other kernels and filesystems, servers and power cuts, in small guests (minutes)"
	@echo "make check-all   short storms: kills, full disks, writers meanwhile (minutes)"
	@echo "make torture     long storms (hours)"
	@echo "make bench       measure against the tools people use, side by side"

demo:
	./demo/run

install:
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' ./capi/install

dist:
	./capi/dist

test:
	./tests/run

test-vm:
	./tests/vm/run

check-all:
	./tests/check-all

torture:
	./tests/torture

bench:
	./core/benches/run
