/** Files of a dumped process, a part of `process.ts`, whose units hold here, too. */

/** An open file description. `flags` as of open(2), without O_CREAT, O_EXCL, O_TRUNC. */
export type OpenFile =
  /**
   * One of the container's standard streams as the launcher connects it anew. Several may name one stream: each is a
   * description of its own, with flags of its own (O_NONBLOCK).
   */
  | { readonly is: "stdio"; readonly stream: 0 | 1 | 2; readonly flags: number }
  | { readonly is: "regular"; readonly path: string; readonly flags: number; readonly offset: bigint }
  /** Directories, and character devices of the container's /dev such as null, zero, urandom. */
  | { readonly is: "directory" | "device"; readonly path: string; readonly flags: number; readonly offset: bigint }
  /**
   * One end of a pipe; both ends name the same `pipe`, and one alone means that the other is closed. `data` is what was
   * in it, with the reading end.
   */
  | {
      readonly is: "pipe";
      readonly pipe: number;
      readonly end: "read" | "write";
      readonly flags: number;
      readonly data: Uint8Array;
      /** Bytes it may hold, as of F_GETPIPE_SZ. */
      readonly size: number;
    }
  | { readonly is: "eventfd"; readonly flags: number; readonly counter: bigint }
  | {
      readonly is: "timerfd";
      readonly flags: number;
      readonly clock: number;
      readonly ticks: bigint;
      /** TFD_TIMER_ABSTIME and the like; `value` is what remained. */
      readonly settime: number;
      readonly interval: bigint;
      readonly value: bigint;
    }
  | { readonly is: "signalfd"; readonly flags: number; readonly mask: bigint }
  | {
      readonly is: "inotify";
      readonly flags: number;
      readonly watches: readonly { readonly wd: number; readonly mask: number; readonly path: string }[];
    }
  | {
      readonly is: "epoll";
      readonly flags: number;
      readonly watches: readonly { readonly fd: number; readonly events: number; readonly data: bigint }[];
    }
  /** A listening (or only bound) inet socket. `address` of 4 or 16 bytes. */
  | {
      readonly is: "listener";
      readonly flags: number;
      readonly type: "tcp" | "udp";
      readonly address: Uint8Array;
      readonly port: number;
      /** Undefined: bound only. */
      readonly backlog: number | undefined;
      readonly options: readonly SocketOption[];
    }
  /**
   * An unconnected unix socket; `name` as of bind(2), a leading NUL for an abstract one, empty: unbound. `file`: what
   * a name that is a path had (the path itself is there again with the container's writable layer).
   */
  | {
      readonly is: "unix";
      readonly flags: number;
      readonly type: number;
      readonly name: Uint8Array;
      readonly file: { readonly mode: number; readonly uid: number; readonly gid: number } | undefined;
      readonly backlog: number | undefined;
      readonly options: readonly SocketOption[];
    }
  /**
   * One side of a socketpair(2); both name the same `pair`, and one alone means that the other is closed. `data`:
   * packets that wait to be read here.
   */
  | {
      readonly is: "socketpair";
      readonly pair: number;
      readonly side: 0 | 1;
      readonly flags: number;
      readonly type: number;
      readonly data: readonly Uint8Array[];
      readonly options: readonly SocketOption[];
    };

/** An integer option as of setsockopt(2), in the order to be set. */
export interface SocketOption {
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array;
}

export interface Descriptor {
  readonly fd: number;
  /** Index in `files`. */
  readonly file: number;
  readonly closeOnExec: boolean;
}

/** A lock on the open file of a descriptor. */
export interface FileLock {
  readonly fd: number;
  /** As of fcntl's F_SETLK, of flock(2), or of F_OFD_SETLK. */
  readonly is: "posix" | "whole" | "open";
  readonly exclusive: boolean;
  readonly start: bigint;
  /** 0: to the end of the file, wherever that will be. */
  readonly bytes: bigint;
}

/** Who gets a signal when something happens to the open file of a descriptor. */
export interface FileOwner {
  readonly fd: number;
  readonly is: "nobody" | "process" | "group";
  /** As of F_SETSIG; 0: SIGIO. */
  readonly signal: number;
  /** O_ASYNC. */
  readonly async: boolean;
}
