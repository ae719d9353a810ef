.PHONY: help demo test

help:
	@echo "make demo   build everything and see real files copied, cloned and deduped"
	@echo "make test   run every check, on real filesystems when root"

demo:
	./demo/run

test:
	./tests/run
