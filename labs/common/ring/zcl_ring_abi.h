/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The ring page: how a NIC driver and a program hand each other packets without copying them.
 * Included by kernel modules, by programs (C++), and by the harness.
 *
 * The program maps two things: the ring page (ZCL_MAP_RING) and the pool (ZCL_MAP_POOL). The pool
 * is an array of buffers of one size, into which the NIC's DMA writes and from which it reads. The
 * ring page holds, after a header, two queues and their rings of descriptors; the names are those of
 * the network-processor article (ARTICLES E2):
 *
 *	RxQ	head and tail of the receive ring	producer: kernel	consumer: program
 *	RxBuf	its descriptors
 *	TxQ	head and tail of the transmit ring	producer: program	consumer: kernel
 *	TxBuf	its descriptors
 *
 * Indices run freely through 32 bits; slot = index & (slots - 1). Slots from tail to head hold
 * packets, the others hold free buffers.
 *
 * Every slot holds a buffer at all times, and a packet is handed over by exchange: the kernel puts
 * the received buffer into the slot at RxQ.head and takes the free buffer that stood there, to give
 * it to the NIC. A program keeps a packet beyond its turn by putting another free buffer of its own
 * into the slot before it moves RxQ.tail; it forwards one by exchanging the buffers of an RxBuf and
 * a TxBuf slot. So buffers are never allocated while packets flow.
 *
 * Who may write what:
 *	head of RxQ, tail of TxQ		kernel
 *	tail of RxQ, head of TxQ		program
 *	RxBuf slots from RxQ.tail to RxQ.head	program (buffer only)
 *	TxBuf slots from TxQ.head on, round to TxQ.tail		program
 *	the header				nobody after set-up; the kernel never reads it
 * The kernel checks every value of the program's each time it uses it. A program that breaks these
 * rules loses its own packets (ZCL_GET_STATS counts them) and nothing else.
 */
#ifndef ZCL_RING_ABI_H
#define ZCL_RING_ABI_H

#include <linux/filter.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#define ZCL_RING_MAGIC 0x4c435a52u	/* "RZCL" in memory */
#define ZCL_RING_VERSION 1u
#define ZCL_CACHE_LINE 64

/* Head and tail on lines of their own: each is written by one side and read by the other. */
struct zcl_queue {
	__u32 head;	/* next slot that the producer fills */
	__u8 head_line[ZCL_CACHE_LINE - sizeof(__u32)];
	__u32 tail;	/* next slot that the consumer takes */
	__u8 tail_line[ZCL_CACHE_LINE - sizeof(__u32)];
};

/* One buffer's worth of a packet. A packet has one descriptor a buffer, in consecutive slots. */
struct zcl_descriptor {
	__u32 buffer;		/* index into the pool */
	__u16 length;		/* bytes used in this buffer, from its start */
	__u8 flags;		/* ZCL_START_OF_PACKET ... */
	__u8 type;		/* enum zcl_packet_type; receive only */
	__u64 timestamp;	/* ns, CLOCK_MONOTONIC, of the pass that took it from the NIC; receive only */
};

#define ZCL_START_OF_PACKET 0x01u
#define ZCL_END_OF_PACKET 0x02u
#define ZCL_CHECKSUM_GOOD 0x04u	/* the NIC has verified the packet's transport checksum */
#define ZCL_FAILED 0x80u	/* transmit: the slot was wrong and nothing was sent of its packet */

enum zcl_packet_type {
	ZCL_PACKET_OTHER = 0,
	ZCL_PACKET_ARP = 1,
	ZCL_PACKET_IPV4 = 2,
	ZCL_PACKET_IPV6 = 3
};

#define ZCL_MIN_SLOTS 8u
#define ZCL_MAX_SLOTS 4096u
/* The article's page: header and queues 320 bytes, RxBuf 2048, TxBuf 1024. */
#define ZCL_DEFAULT_RX_SLOTS 128u
#define ZCL_DEFAULT_TX_SLOTS 64u

/* The start of the ring page. RxBuf and TxBuf follow at the offsets that it gives. */
struct zcl_ring_page {
	__u32 magic;
	__u32 version;
	__u32 rx_slots;		/* powers of two */
	__u32 tx_slots;
	__u32 rxbuf_offset;	/* bytes from the start of the page */
	__u32 txbuf_offset;
	__u32 buffers;		/* of the pool */
	__u32 buffer_bytes;	/* ZCL_BUFFER_2K or ZCL_BUFFER_4K */
	__u32 first_spare;	/* buffers that stood in no slot at set-up and are the program's: */
	__u32 spares;		/* first_spare, first_spare + 1 ... */
	__u8 header_line[ZCL_CACHE_LINE - 10 * sizeof(__u32)];
	struct zcl_queue rxq;
	struct zcl_queue txq;
};

#define ZCL_BUFFER_2K 2048u
#define ZCL_BUFFER_4K 4096u	/* a page each: a packet can be seen in one piece (ZCL_MAP_PACKET) */
#define ZCL_MAX_BUFFERS 65536u

/* What is done with received packets. Changed at any time with ZCL_SET_MODE. */
enum zcl_mode {
	ZCL_MODE_STACK = 0,	/* the network stack gets them: an ordinary NIC */
	ZCL_MODE_RING = 1,	/* the ring gets them */
	ZCL_MODE_SPLIT = 2	/* the filter decides; what it refuses goes to the stack */
};

/* When the program is not waiting. */
enum zcl_interrupts {
	/*
	 * Off: the program's calls (ZCL_SYNC, poll, read) take packets from the NIC, and interrupts
	 * are on only while such a call sleeps or after one that found nothing.
	 */
	ZCL_INTERRUPTS_FOR_SLEEPERS = 0,
	/* On: packets reach the ring page as they come, whatever the program does. */
	ZCL_INTERRUPTS_ALWAYS = 1
};

/* Makes pool and ring page. Once for each open file; the NIC has one at a time (EBUSY). */
struct zcl_setup {
	__u32 version;		/* ZCL_RING_VERSION */
	__u32 rx_slots;		/* power of two, ZCL_MIN_SLOTS to ZCL_MAX_SLOTS; 0: the default */
	__u32 tx_slots;		/* likewise */
	__u32 spares;		/* free buffers beside those of slots and NIC, 0 to 4096 */
	__u32 buffer_bytes;	/* ZCL_BUFFER_2K or ZCL_BUFFER_4K */
	__u32 interrupts;	/* enum zcl_interrupts */
	/*
	 * The program's own memory as pool: page aligned, user_pool_bytes long, which must be what
	 * the answer pool_bytes says (0 asks: EMSGSIZE, and the answers are filled in). Pinned until
	 * the file is closed. Both 0: the kernel's memory.
	 */
	__u64 user_pool;
	__u64 user_pool_bytes;
	/* answers */
	__u64 ring_bytes;	/* of ZCL_MAP_RING, whole pages */
	__u64 pool_bytes;	/* of ZCL_MAP_POOL */
	__u32 buffers;
	__u32 zero;		/* must be 0 */
};

/* What goes to the ring in ZCL_MODE_SPLIT. */
enum zcl_filter_kind {
	ZCL_FILTER_NONE = 0,		/* nothing */
	ZCL_FILTER_ETHERTYPE = 1,	/* value: host byte order */
	ZCL_FILTER_UDP_PORT = 2,	/* value: destination port, IPv4 without options or IPv6 */
	ZCL_FILTER_BPF = 3		/* a classic BPF program; nonzero means ring */
};

struct zcl_filter {
	__u32 kind;		/* enum zcl_filter_kind */
	__u32 value;
	__u64 program;		/* ZCL_FILTER_BPF: address of struct sock_fprog */
};

/* What a filter may look at: the packet's first bytes. Loads beyond end the program with 0. */
#define ZCL_FILTER_BYTES 256u

#define ZCL_SYNC_RX 0x1u	/* return slots before RxQ.tail, take packets from the NIC */
#define ZCL_SYNC_TX 0x2u	/* take packets before TxQ.head, and return sent slots */
#define ZCL_SYNC_BUSY 0x4u	/* the caller comes back at once: leave interrupts off when empty */

/* Counted since set-up, never going back. */
struct zcl_stats {
	__u64 rx_packets;	/* put into RxBuf */
	__u64 rx_bytes;
	__u64 rx_filtered;	/* left to the stack by the filter */
	__u64 rx_copied;	/* put there by copying: they came while the mode changed */
	__u64 rx_ring_full;	/* dropped: no free slot */
	__u64 rx_bad_tail;	/* RxQ.tail was outside what the program may say */
	__u64 rx_bad_buffer;	/* dropped: the slot's buffer was not the program's to give */
	__u64 tx_packets;	/* given to the NIC */
	__u64 tx_bytes;
	__u64 tx_bad_head;	/* TxQ.head was outside what the program may say */
	__u64 tx_bad_slot;	/* refused, ZCL_FAILED: buffer, length or flags */
	__u64 wakeups;
};

/*
 * Copies the oldest packet to user memory and returns its slots: ARTICLES B3's second way. EAGAIN: no
 * packet. The first way is a read of /proc/zcl/<interface>, which copies as many whole packets as are
 * there and fit, each behind its length (__u32); with room for less than the largest, EMSGSIZE.
 *
 * These, read() of the node and ZCL_MAP_PACKET move RxQ.tail themselves: a program that uses them
 * leaves it alone.
 */
struct zcl_copy {
	__u64 address;
	__u32 capacity;
	__u32 length;		/* answer: bytes of the packet, at most capacity were copied */
};

struct zcl_info {
	char interface[16];	/* "eth1" */
	__u32 mode;		/* enum zcl_mode */
	__u32 max_packet;	/* bytes, the chip's limit */
};

#define ZCL_SETUP _IOWR('z', 1, struct zcl_setup)
#define ZCL_SET_MODE _IO('z', 2)	/* argument: enum zcl_mode */
#define ZCL_SET_FILTER _IOW('z', 3, struct zcl_filter)
#define ZCL_SYNC _IO('z', 4)		/* argument: ZCL_SYNC_...; answer: packets taken from the NIC */
#define ZCL_SET_EVENTFD _IO('z', 5)	/* argument: descriptor, signalled like poll; -1: none */
#define ZCL_GET_STATS _IOR('z', 6, struct zcl_stats)
#define ZCL_COPY _IOWR('z', 7, struct zcl_copy)
#define ZCL_GET_INFO _IOR('z', 8, struct zcl_info)
#define ZCL_RESET _IO('z', 9)		/* both queues empty, every slot a valid free buffer */

/* mmap offsets. */
#define ZCL_MAP_RING 0x000000000ull	/* read and write, shared; the ring page, by faults */
#define ZCL_MAP_POOL 0x100000000ull	/* read and write, shared; any whole pages of the pool */
/*
 * ARTICLES E5: this mmap call itself takes the oldest packet and maps its buffers, read only, one
 * behind the other. ZCL_BUFFER_4K only. The packet's slots return to the kernel when the mapping
 * ends. EAGAIN: no packet.
 */
#define ZCL_MAP_PACKET 0x200000000ull

#endif
