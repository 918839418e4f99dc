// SPDX-License-Identifier: MIT
/*
 * Counts what a guest executes, from inside QEMU's translator.
 *
 *   -plugin build/zcl_count.so,page=FILE
 *
 * FILE is a zcl_counter_page made by the host (harness/vm/instruction_counter.cc). The translated
 * code adds to the page by itself: counting calls nothing.
 *
 * Exactness. A translation block may be left in its middle by a fault, so its length cannot be
 * added at its head. Instructions that only touch registers always run to their end; a run of them
 * together with the one other instruction that closes it is added at the run's head. An instruction
 * that faults and is restarted has been started twice, and counts twice.
 *
 * Register accesses. Under -icount every access to a device register is executed by a translation
 * block of exactly one instruction, because virtual time must be exact there (QEMU 7.2,
 * cpu_io_recompile). So only such blocks get a memory callback, and ordinary memory accesses cost
 * nothing. Without -icount accesses to registers are not counted.
 *
 * One vCPU only: the additions are not atomic.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/vm/plugin/qemu_plugin_abi.h"
#include "harness/vm/plugin/x86_decode.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static struct zcl_counter_page *page;

static bool is_kernel(uint64_t address)
{
	return (int64_t)address < 0;
}

static void on_mark(unsigned int vcpu, void *userdata)
{
	struct zcl_counter_mark *const mark = &page->marks[page->marks_written % ZCL_COUNTER_MARKS];

	(void)vcpu;
	mark->tag = (uintptr_t)userdata;
	mark->values = page->values;
	page->marks_written++;
}

static void count_device_page(uint64_t physical, bool store)
{
	const uint64_t key = (physical & ~UINT64_C(0xfff)) | 1;
	uint64_t slot = (physical >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	unsigned int probes;

	for (probes = 0; probes < ZCL_COUNTER_DEVICE_PAGES; probes++, slot++) {
		struct zcl_counter_device_page *const entry =
			&page->device_pages[slot % ZCL_COUNTER_DEVICE_PAGES];

		if (entry->address == 0)
			entry->address = key;
		if (entry->address != key)
			continue;
		if (store)
			entry->writes++;
		else
			entry->reads++;
		return;
	}
}

static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *userdata)
{
	const struct qemu_plugin_hwaddr *const address = qemu_plugin_get_hwaddr(info, vaddr);
	const bool store = qemu_plugin_mem_is_store(info);
	const bool kernel = userdata != NULL;

	(void)vcpu;
	if (!address || !qemu_plugin_hwaddr_is_io(address))
		return;
	if (store) {
		page->values.register_writes++;
		page->values.user_register_writes += !kernel;
	} else {
		page->values.register_reads++;
		page->values.user_register_reads += !kernel;
	}
	count_device_page(qemu_plugin_hwaddr_phys_addr(address), store);
}

static void add(struct qemu_plugin_insn *insn, uint64_t *counter, uint64_t amount)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter,
						   amount);
}

/* What an instruction does besides being one. */
static void instrument_kind(struct qemu_plugin_insn *insn, enum zcl_kind kind, bool kernel)
{
	switch (kind) {
	case ZCL_KIND_SYSTEM_CALL:
		if (!kernel)
			add(insn, &page->values.system_calls, 1);
		break;
	case ZCL_KIND_PORT_READ:
		add(insn, &page->values.port_reads, 1);
		break;
	case ZCL_KIND_PORT_WRITE:
		add(insn, &page->values.port_writes, 1);
		break;
	default:
		break;
	}
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	const size_t count = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *head = NULL; /* of the current run */
	uint64_t length = 0;                  /* of the current run */
	uint64_t *counter = NULL;
	size_t i;

	(void)id;
	for (i = 0; i < count; i++) {
		struct qemu_plugin_insn *const insn = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *const code = qemu_plugin_insn_data(insn);
		const enum zcl_kind kind = zcl_classify(code, qemu_plugin_insn_size(insn));
		const bool kernel = is_kernel(qemu_plugin_insn_vaddr(insn));

		if (count == 1)
			qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_RW, kernel ? page : NULL);
		instrument_kind(insn, kind, kernel);
		if (kind == ZCL_KIND_MARK) {
			/* Close the run before it, so that it holds what came before and no more. */
			if (head)
				add(head, counter, length);
			head = NULL;
			length = 0;
			qemu_plugin_register_vcpu_insn_exec_cb(
				insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
				(void *)(uintptr_t)zcl_mark_tag(code));
			continue;
		}
		if (!head) {
			head = insn;
			counter = kernel ? &page->values.kernel : &page->values.user;
		}
		length++;
		if (kind != ZCL_KIND_PLAIN) {
			add(head, counter, length);
			head = NULL;
			length = 0;
		}
	}
	if (head)
		add(head, counter, length);
}

static int map_page(const char *path)
{
	struct stat status;
	void *map;
	const int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "zcl_count: cannot open %s: %s\n", path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &status) < 0 || (size_t)status.st_size < sizeof(*page)) {
		fprintf(stderr, "zcl_count: %s is too small to be a counter page\n", path);
		close(fd);
		return -1;
	}
	map = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED) {
		fprintf(stderr, "zcl_count: cannot map %s: %s\n", path, strerror(errno));
		return -1;
	}
	page = map;
	if (page->magic != ZCL_COUNTER_MAGIC || page->version != ZCL_COUNTER_VERSION ||
	    page->size != sizeof(*page)) {
		fprintf(stderr, "zcl_count: %s is not a counter page of this version\n", path);
		return -1;
	}
	page->attached = ZCL_COUNTER_VERSION;
	return 0;
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
					   char **argv)
{
	const char *path = NULL;
	int i;

	for (i = 0; i < argc; i++)
		if (strncmp(argv[i], "page=", 5) == 0)
			path = argv[i] + 5;
	if (!path) {
		fprintf(stderr, "zcl_count: the option page=FILE is missing\n");
		return -1;
	}
	if (strcmp(info->target_name, "x86_64") != 0 || !info->system_emulation ||
	    info->system.max_vcpus != 1) {
		fprintf(stderr, "zcl_count: counts x86_64 machines with one vCPU only\n");
		return -1;
	}
	if (map_page(path) < 0)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
