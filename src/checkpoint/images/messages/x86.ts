/** What CRIU's images say about the registers of x86-64 threads. Field numbers of CRIU 4.2. */
import { bool, message, type Of, optional, repeated, required, uint32, uint64 } from "../description.ts";

const registers = message("user_x86_regs_entry", {
  r15: required(1, uint64),
  r14: required(2, uint64),
  r13: required(3, uint64),
  r12: required(4, uint64),
  bp: required(5, uint64),
  bx: required(6, uint64),
  r11: required(7, uint64),
  r10: required(8, uint64),
  r9: required(9, uint64),
  r8: required(10, uint64),
  ax: required(11, uint64),
  cx: required(12, uint64),
  dx: required(13, uint64),
  si: required(14, uint64),
  di: required(15, uint64),
  origAx: required(16, uint64),
  ip: required(17, uint64),
  cs: required(18, uint64),
  flags: required(19, uint64),
  sp: required(20, uint64),
  ss: required(21, uint64),
  fsBase: required(22, uint64),
  gsBase: required(23, uint64),
  ds: required(24, uint64),
  es: required(25, uint64),
  fs: required(26, uint64),
  gs: required(27, uint64),
  /** 1: 64-bit, 2: compatible with 32 bits. */
  mode: optional(28, uint32),
});

const shadowStack = message("user_x86_cet_entry", { cet: required(1, uint64), ssp: required(2, uint64) });

const xsave = message("user_x86_xsave_entry", {
  xstateBv: required(1, uint64),
  ymm: repeated(2, uint32),
  bndregs: repeated(3, uint64),
  bndcsr: repeated(4, uint64),
  opmask: repeated(5, uint64),
  zmmHi256: repeated(6, uint64),
  hi16Zmm: repeated(7, uint64),
  pkru: repeated(8, uint32),
  cet: optional(9, shadowStack),
});

const fpu = message("user_x86_fpregs_entry", {
  cwd: required(1, uint32),
  swd: required(2, uint32),
  twd: required(3, uint32),
  fop: required(4, uint32),
  rip: required(5, uint64),
  rdp: required(6, uint64),
  mxcsr: required(7, uint32),
  mxcsrMask: required(8, uint32),
  st: repeated(9, uint32),
  xmm: repeated(10, uint32),
  padding: repeated(11, uint32),
  xsave: optional(13, xsave),
});

const segment = message("user_desc_t", {
  entryNumber: required(1, uint32),
  baseAddr: required(2, uint32),
  limit: required(3, uint32),
  seg32bit: required(4, bool),
  contentsH: required(5, bool),
  contentsL: required(6, bool),
  readExecOnly: required(7, bool),
  limitInPages: required(8, bool),
  segNotPresent: required(9, bool),
  usable: required(10, bool),
});

export const threadInfo = message("thread_info_x86", {
  clearTidAddr: required(1, uint64),
  registers: required(2, registers),
  fpu: required(3, fpu),
  tls: repeated(4, segment),
});

export type ThreadInfo = Of<typeof threadInfo>;
export type FpuEntry = Of<typeof fpu>;
export type XsaveEntry = Of<typeof xsave>;
