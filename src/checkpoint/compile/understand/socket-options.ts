/** Options of sockets that differ from a fresh socket's, in the order in which they are to be set. */
import type { InetSocket, SocketOptions } from "../../images/messages/sockets.ts";
import type { SocketOption } from "../process.ts";
import type { Reasons } from "./context.ts";

/** Levels and names of setsockopt(2) on x86-64. */
const SOL = { ip: 0, socket: 1, tcp: 6, ipv6: 41 } as const;
const SO = {
  reuseAddress: 2,
  dontRoute: 5,
  broadcast: 6,
  keepAlive: 9,
  oobInline: 10,
  noCheck: 11,
  priority: 12,
  linger: 13,
  reusePort: 15,
  passCredentials: 16,
  receiveLowWater: 18,
  receiveTimeout: 20,
  sendTimeout: 21,
  bindToDevice: 25,
  sendBufferForce: 32,
  receiveBufferForce: 33,
  passSecurity: 34,
  mark: 36,
} as const;
const IP = { typeOfService: 1, timeToLive: 2, packetInfo: 8, freeBind: 15 } as const;
const IPV6 = { only: 26, packetInfo: 49, freeBind: 78 } as const;
const TCP = { noDelay: 1, cork: 3, keepIdle: 4, keepInterval: 5, keepCount: 6 } as const;

const AF_INET6 = 10;
/** Bits of SO_BUF_LOCK. */
const LOCKED = { send: 1, receive: 2 } as const;
/** What fresh sockets have. */
const FRESH = { timeToLive: 64, keepIdle: 7200, keepInterval: 75, keepCount: 9, receiveLowWater: 1 } as const;

/** An option that is an int. */
function int(level: number, name: number, value: number): SocketOption {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return { level, name, value: bytes };
}

function flag(level: number, name: number, value: boolean | undefined): SocketOption[] {
  return value ? [int(level, name, 1)] : [];
}

function unless(level: number, name: number, fresh: number, value: number | undefined): SocketOption[] {
  return value === undefined || value === fresh ? [] : [int(level, name, value)];
}

function pair(level: number, name: number, width: 4 | 8, first: bigint, second: bigint): SocketOption {
  const value = new Uint8Array(2 * width);
  const view = new DataView(value.buffer);
  if (width === 8) {
    view.setBigUint64(0, first, true);
    view.setBigUint64(8, second, true);
  } else {
    view.setUint32(0, Number(first), true);
    view.setUint32(4, Number(second), true);
  }
  return { level, name, value };
}

/** Options of level SOL_SOCKET. `where` names the descriptor. */
export function socketOptions(options: SocketOptions, where: string, reasons: Reasons): SocketOption[] {
  if (options.filter.length > 0) reasons.refuse(`${where}: a socket filter`);
  const deprecated = [options.tcpKeepCount, options.tcpKeepIdle, options.tcpKeepInterval];
  if (deprecated.some((value) => value !== undefined)) reasons.refuse(`${where}: socket options of an older CRIU`);
  const { boundDevice: device, linger } = options;
  const set = (name: number, value: boolean | undefined) => flag(SOL.socket, name, value);
  const text = device && { level: SOL.socket, name: SO.bindToDevice, value: Buffer.from(`${device}\0`) };
  return [
    ...set(SO.reuseAddress, options.reuseAddress),
    ...set(SO.reusePort, options.reusePort),
    ...(text ? [text] : []),
    ...buffers(options),
    ...unless(SOL.socket, SO.priority, 0, options.priority),
    ...unless(SOL.socket, SO.receiveLowWater, FRESH.receiveLowWater, options.receiveLowWater),
    ...unless(SOL.socket, SO.mark, 0, options.mark),
    ...set(SO.passCredentials, options.passCredentials),
    ...set(SO.passSecurity, options.passSecurity),
    ...set(SO.dontRoute, options.dontRoute),
    ...set(SO.noCheck, options.noCheck),
    ...set(SO.broadcast, options.broadcast),
    ...set(SO.keepAlive, options.keepAlive),
    ...set(SO.oobInline, Boolean(options.oobInline)),
    ...(linger === undefined ? [] : [pair(SOL.socket, SO.linger, 4, 1n, BigInt(linger))]),
    ...timeout(SO.sendTimeout, options.sendTimeoutSec, options.sendTimeoutUsec),
    ...timeout(SO.receiveTimeout, options.receiveTimeoutSec, options.receiveTimeoutUsec),
  ];
}

/** Sizes that nobody set are the kernel's to choose. It doubles what it is told. */
function buffers({ bufferLock = 0, sendBuffer, receiveBuffer }: SocketOptions): SocketOption[] {
  return [
    ...(bufferLock & LOCKED.send ? [int(SOL.socket, SO.sendBufferForce, sendBuffer >>> 1)] : []),
    ...(bufferLock & LOCKED.receive ? [int(SOL.socket, SO.receiveBufferForce, receiveBuffer >>> 1)] : []),
  ];
}

function timeout(name: number, seconds: bigint, microseconds: bigint): SocketOption[] {
  return (seconds | microseconds) === 0n ? [] : [pair(SOL.socket, name, 8, seconds, microseconds)];
}

/** All options of an inet socket. */
export function inetOptions(entry: InetSocket, where: string, reasons: Reasons): SocketOption[] {
  const isV6 = entry.family === AF_INET6;
  const { ip, tcp } = entry;
  if (ip?.raw !== undefined) reasons.refuse(`${where}: options of a raw socket`);
  return [
    ...(isV6 ? [int(SOL.ipv6, IPV6.only, entry.v6only ? 1 : 0)] : []),
    ...flag(isV6 ? SOL.ipv6 : SOL.ip, isV6 ? IPV6.freeBind : IP.freeBind, ip?.freeBind),
    ...socketOptions(entry.options, where, reasons),
    ...flag(isV6 ? SOL.ipv6 : SOL.ip, isV6 ? IPV6.packetInfo : IP.packetInfo, ip?.packetInfo),
    ...unless(SOL.ip, IP.typeOfService, 0, ip?.typeOfService),
    ...unless(SOL.ip, IP.timeToLive, FRESH.timeToLive, ip?.timeToLive),
    ...flag(SOL.tcp, TCP.noDelay, tcp?.noDelay),
    ...flag(SOL.tcp, TCP.cork, tcp?.cork),
    ...unless(SOL.tcp, TCP.keepCount, FRESH.keepCount, tcp?.keepCount),
    ...unless(SOL.tcp, TCP.keepIdle, FRESH.keepIdle, tcp?.keepIdle),
    ...unless(SOL.tcp, TCP.keepInterval, FRESH.keepInterval, tcp?.keepInterval),
  ];
}
