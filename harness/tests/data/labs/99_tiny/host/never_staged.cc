// SPDX-License-Identifier: MIT
// Stays behind when the lab is staged.
