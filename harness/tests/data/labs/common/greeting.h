/* SPDX-License-Identifier: MIT */
#define GREETING "hello"
