/** What speaks against a checkpoint or its restore, in words: every such sentence is built here. */
import { ThawError } from "../common/errors.ts";
import type { Container } from "../container/types.ts";
import type { FailedMessage } from "../launcher/generated/protocol.ts";
import { planFailure } from "../launcher/index.ts";

/** @throws ThawError WRONG_STATE or CHECKPOINT_FAILED with what to do. */
export function checkDumpable({ spec, state, paused }: Container): void {
  if (paused) {
    throw new ThawError("WRONG_STATE", `${spec.name} is paused, expected it to run`, {
      hint: `Let it go on first: thaw unpause ${spec.name}`,
    });
  }
  if (state !== "running") {
    throw new ThawError("WRONG_STATE", `${spec.name} is ${state}, expected it to run`, {
      hint: `Start it first: thaw start ${spec.name}`,
    });
  }
  if (!spec.init) {
    throw new ThawError("CHECKPOINT_FAILED", `${spec.name} runs without thaw's init, which a checkpoint needs`, {
      hint: "Run it without --no-init.",
    });
  }
  if (spec.userns) {
    throw new ThawError(
      "CHECKPOINT_FAILED",
      `${spec.name} has a user namespace, and CRIU cannot restore a process into one that is there already`,
      { hint: "Run it without --userns auto." },
    );
  }
  if (spec.isolation?.hostNamespaces?.length) {
    throw new ThawError("CHECKPOINT_FAILED", `${spec.name} shares namespaces with the host, which cannot be dumped`, {
      hint: "Run it without --pid, --ipc and --uts host.",
    });
  }
}

/** The error for what no engine could restore as it was; `reasons` say where and what. */
export function notRestorable(name: string, reasons: readonly string[]): ThawError {
  const shown = reasons.slice(0, MAX_REASONS).join("; ");
  return new ThawError("CHECKPOINT_FAILED", `${name} has what no restore would bring back as it was: ${shown}`, {
    hint: "The container goes on running. Such a service can only be started cold.",
  });
}

const MAX_REASONS = 5;
/** The error for connections that were to be kept. */
export function connectionsLost(name: string, reasons: readonly string[]): ThawError {
  return new ThawError("CHECKPOINT_FAILED", `${name} has connections that cannot be kept: ${reasons.join("; ")}`, {
    hint: "Close them first, or make the checkpoint with --tcp-established close.",
  });
}

const SIGKILL = 9;

/** The error for a checkpoint that was made on another machine. */
export function incompatible(name: string, differences: readonly string[]): ThawError {
  return new ThawError(
    "CHECKPOINT_INCOMPATIBLE",
    `the checkpoint ${name} cannot be restored here: ${differences.join("; ")}`,
    {
      hint: "Start the container cold (thaw run) and make the checkpoint again on this machine.",
    },
  );
}

/** The launcher knows that a restore failed, the engine's output why. */
export function restoreFailed(name: string, event: FailedMessage, errors: string): ThawError {
  const cause = planFailure(event);
  if (cause.code === "NO_SPACE") return cause;
  const killed = (event.exitStatus & 0x7f) === SIGKILL;
  const why = killed ? "it did not come to an end in time, or memory ran out" : errors || cause.message;
  return new ThawError("RESTORE_FAILED", `the checkpoint ${name} could not be restored: ${why}`, {
    hint: "Start the container cold (thaw run) and make the checkpoint again.",
    cause,
  });
}
