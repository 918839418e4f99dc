/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers and descriptors of Intel's 82540EM gigabit Ethernet controller.
 *
 * Source: "PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual" (SDM); the
 * number beside each line is its section. Only what this driver uses stands here.
 */
#ifndef E1000_REGS_H
#define E1000_REGS_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

/* Offsets in BAR 0; all registers are 32 bits wide (SDM 13.1, 13.4). */
enum e1000_register {
	E1000_CTRL = 0x0000,	/* 13.4.1  device control */
	E1000_STATUS = 0x0008,	/* 13.4.2  device status */
	E1000_EERD = 0x0014,	/* 13.4.4  EEPROM read */
	E1000_MDIC = 0x0020,	/* 13.4.6  access to the PHY's registers */
	E1000_ICR = 0x00c0,	/* 13.4.17 interrupt causes; reading clears them all */
	E1000_ITR = 0x00c4,	/* 13.4.18 shortest time between interrupts, in 256 ns */
	E1000_IMS = 0x00d0,	/* 13.4.20 interrupt mask: writing 1 enables a cause */
	E1000_IMC = 0x00d8,	/* 13.4.21 interrupt mask: writing 1 disables a cause */
	E1000_RCTL = 0x0100,	/* 13.4.22 receive control */
	E1000_TCTL = 0x0400,	/* 13.4.33 transmit control */
	E1000_TIPG = 0x0410,	/* 13.4.34 gap between frames */
	E1000_RDBAL = 0x2800,	/* 13.4.25 receive ring: address, low half */
	E1000_RDBAH = 0x2804,	/* 13.4.26 high half */
	E1000_RDLEN = 0x2808,	/* 13.4.27 its size in bytes, a multiple of 128 */
	E1000_RDH = 0x2810,	/* 13.4.28 head: next descriptor that the chip fills */
	E1000_RDT = 0x2818,	/* 13.4.29 tail: first descriptor that is not the chip's */
	E1000_RDTR = 0x2820,	/* 13.4.30 receive interrupt delay; 0: none */
	E1000_TDBAL = 0x3800,	/* 13.4.36 transmit ring: as above */
	E1000_TDBAH = 0x3804,	/* 13.4.37 */
	E1000_TDLEN = 0x3808,	/* 13.4.38 */
	E1000_TDH = 0x3810,	/* 13.4.39 */
	E1000_TDT = 0x3818,	/* 13.4.40 */
	E1000_TIDV = 0x3820,	/* 13.4.41 transmit interrupt delay; 0: none */
	E1000_RXCSUM = 0x5000,	/* 13.4.32 receive checksum control */
	E1000_MTA = 0x5200,	/* 13.5.1  multicast table: 128 words, a bit a hash value */
	E1000_RAL = 0x5400,	/* 13.5.2  own address, first four bytes, little endian */
	E1000_RAH = 0x5404,	/* 13.5.3  its last two, and E1000_RAH_VALID */
};

#define E1000_MTA_WORDS 128

/* CTRL, 13.4.1 */
#define E1000_CTRL_FULL_DUPLEX BIT(0)
#define E1000_CTRL_ASDE BIT(5)		/* take the speed that the PHY has negotiated */
#define E1000_CTRL_SET_LINK_UP BIT(6)
#define E1000_CTRL_RESET BIT(26)	/* clears itself */

/* STATUS, 13.4.2 */
#define E1000_STATUS_FULL_DUPLEX BIT(0)
#define E1000_STATUS_LINK_UP BIT(1)
#define E1000_STATUS_SPEED GENMASK(7, 6)	/* 0: 10, 1: 100, 2 and 3: 1000 Mbit/s */

/* EERD, 13.4.4 (82540EM's layout). The station address is words 0 to 2, 5.6.1. */
#define E1000_EERD_START BIT(0)
#define E1000_EERD_DONE BIT(4)
#define E1000_EERD_ADDRESS GENMASK(15, 8)
#define E1000_EERD_DATA GENMASK(31, 16)

/* MDIC, 13.4.6; the PHY's own registers are those of IEEE 802.3 clause 22. */
#define E1000_MDIC_DATA GENMASK(15, 0)
#define E1000_MDIC_REGISTER GENMASK(20, 16)
#define E1000_MDIC_PHY_1 (1u << 21)	/* the only PHY */
#define E1000_MDIC_WRITE (1u << 26)
#define E1000_MDIC_READ (2u << 26)
#define E1000_MDIC_READY BIT(28)
#define E1000_MDIC_ERROR BIT(30)

/* Interrupt causes: ICR, IMS, IMC, 13.4.17 */
#define E1000_INT_TX_DONE BIT(0)	/* TXDW: a descriptor with TXD_CMD_REPORT is done */
#define E1000_INT_LINK BIT(2)		/* LSC: the link went up or down */
#define E1000_INT_RX_LOW BIT(4)		/* RXDMT0: few descriptors are left */
#define E1000_INT_RX_OVERRUN BIT(6)	/* RXO: none was left */
#define E1000_INT_RX BIT(7)		/* RXT0: a frame was received */
#define E1000_INT_RX_ANY (E1000_INT_RX | E1000_INT_RX_LOW | E1000_INT_RX_OVERRUN)
#define E1000_INT_ALL (E1000_INT_RX_ANY | E1000_INT_TX_DONE | E1000_INT_LINK)

/* RCTL, 13.4.22. QEMU receives nothing for a second after every write to it. */
#define E1000_RCTL_ENABLE BIT(1)
#define E1000_RCTL_UNICAST_ALL BIT(3)	/* promiscuous */
#define E1000_RCTL_MULTICAST_ALL BIT(4)
#define E1000_RCTL_LONG_PACKETS BIT(5)	/* beyond 1522 bytes */
#define E1000_RCTL_BROADCAST BIT(15)
#define E1000_RCTL_BUFFER_2K 0u				/* BSIZE 0 */
#define E1000_RCTL_BUFFER_4K (BIT(25) | 3u << 16)	/* BSEX, BSIZE 3 */
#define E1000_RCTL_STRIP_CRC BIT(26)

/* TCTL, 13.4.33 */
#define E1000_TCTL_ENABLE BIT(1)
#define E1000_TCTL_PAD_SHORT BIT(3)	/* to 60 bytes, before the checksum */
#define E1000_TCTL_COLLISION_THRESHOLD (0x0fu << 4)
#define E1000_TCTL_COLLISION_DISTANCE (0x40u << 12)	/* full duplex */

/* TIPG, 13.4.34: for the internal PHY's full duplex the manual asks for 10, 8 and 6. */
#define E1000_TIPG_COPPER (10u | 8u << 10 | 6u << 20)

/* RXCSUM, 13.4.32 */
#define E1000_RXCSUM_IP BIT(8)
#define E1000_RXCSUM_TCP_UDP BIT(9)

#define E1000_RAH_VALID BIT(31)

/* The longest frame, without its checksum of 4 bytes: 16128 with it. */
#define E1000_MAX_FRAME 16124u

/* Rings hold a multiple of 8 descriptors (13.4.27); we want powers of two. */
#define E1000_MIN_SLOTS 64u
#define E1000_MAX_SLOTS 4096u

/*
 * Receive descriptor, 3.2.3. The chip reads the address and writes the rest. Status (8 bits), errors
 * (8) and the VLAN tag stand in one word, which is 0 when the descriptor is posted.
 */
struct e1000_rx_desc {
	__le64 address;
	__le16 length;
	__le16 checksum;	/* of the whole frame; not used */
	__le32 status;		/* E1000_RXD_... */
};
static_assert(sizeof(struct e1000_rx_desc) == 16);

#define E1000_RXD_DONE BIT(0)			/* status, 3.2.3.1 */
#define E1000_RXD_END_OF_PACKET BIT(1)
#define E1000_RXD_CHECKSUM_IGNORE BIT(2)	/* IXSM: not checked */
#define E1000_RXD_TCP_UDP_CHECKED BIT(5)	/* TCPCS */
#define E1000_RXD_CHECKSUM_BAD (BIT(13) | BIT(14))	/* errors, 3.2.3.2: TCPE, IPE */

/*
 * Transmit descriptor in its three forms: legacy (3.3.3), context (3.3.6) and data (3.3.7). Done
 * stands at the same place in all of them.
 */
struct e1000_tx_desc {
	__le64 address;		/* context: E1000_TXC_... */
	__le32 command;		/* length in bits 0 to 15 (data: 0 to 19) */
	__le32 status;		/* E1000_TXD_DONE, and options */
};
static_assert(sizeof(struct e1000_tx_desc) == 16);

#define E1000_TXD_END_OF_PACKET BIT(24)
#define E1000_TXD_INSERT_CRC BIT(25)
#define E1000_TXD_REPORT BIT(27)	/* RS: write E1000_TXD_DONE when finished */
#define E1000_TXD_EXTENDED BIT(29)	/* context or data, else legacy */
#define E1000_TXD_DATA BIT(20)		/* with E1000_TXD_EXTENDED: data, else context */
#define E1000_TXD_DONE BIT(0)
#define E1000_TXD_INSERT_CHECKSUM BIT(9)	/* data, 3.3.7.2 (TXSM): as the last context says */

/* Context descriptor: where the chip starts to sum (TUCSS) and where it stores the sum (TUCSO). */
#define E1000_TXC_START_SHIFT 32
#define E1000_TXC_STORE_SHIFT 40

#endif
